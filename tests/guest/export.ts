/**
 * The guest's disk that iddr serves: `serve` runs on the host, QEMU is its client, and the guest makes a file system on
 * it. Afterwards the file behind it is looked at from outside.
 *
 * @module
 */

import { join } from "node:path";
import type { HostDisk } from "./disks.ts";
import { EXPORT } from "./inside/agenda.ts";
import { contentOf, FILES } from "./inside/known_files.ts";
import { linesOf } from "./lines.ts";
import { tool } from "./tool.ts";
import type { Check } from "./verdict.ts";

/** An export that QEMU can connect to. */
export interface ServedDisk extends AsyncDisposable {
  /** The disk for QEMU. */
  readonly disk: HostDisk;
  /** Ends it as a person would, once its clients have gone, and checks what is left. */
  end(): Promise<Check[]>;
}

/** Starts `serve` on an empty file in `folder`. `say` gets what it prints. */
export async function serveDisk(
  { project, folder, say }: { project: string; folder: string; say: (line: string) => void },
): Promise<ServedDisk> {
  const { serial, sizeBytes } = EXPORT;
  const [image, socket, scenario] = ["img", "sock", "yaml"].map((ending) => join(folder, `${serial}.${ending}`));
  await Deno.writeTextFile(
    scenario,
    JSON.stringify({
      apiVersion: "iddr/v1",
      kind: "Scenario",
      name: "guest",
      device: { use: "loop-file", with: { path: image, size: `${sizeBytes}B`, create: true, preallocation: "off" } },
      policy: { use: "adaptive-spin" },
    }),
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--frozen", "--no-prompt", "--allow-read", `--allow-write=${folder}`, "--allow-run"],
      ...["--allow-ffi", "--allow-env=LOG_TOKENS,LOG_STREAM", "cli/main.ts", "serve", scenario],
      ...["--nbd", `unix:${socket}`],
    ],
    cwd: project,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const listening = Promise.withResolvers<void>();
  const printed = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    for await (const line of linesOf(stream)) {
      say(`serve: ${line}`);
      if (line.startsWith("listening on ")) listening.resolve();
    }
  }));
  child.status.then(({ code }) => listening.reject(new Error(`serve has ended with status ${code}`)));
  let over = false;
  const finish = async (signal: Deno.Signal): Promise<number> => {
    if (!over) child.kill(signal);
    const { code } = await child.status;
    await printed;
    over = true;
    return code;
  };
  child.status.then(() => over = true);
  try {
    await listening.promise;
  } catch (thrown) {
    await printed;
    throw thrown;
  }
  return {
    disk: hostDisk(image, socket),
    async end() {
      const code = await finish("SIGTERM");
      const failure = code === 0 ? null : `it ended with status ${code}`;
      return [{ name: "serve ends in order after its client", failure }, ...await checkFiles(image, folder)];
    },
    async [Symbol.asyncDispose]() {
      await finish("SIGKILL");
    },
  };
}

function hostDisk(image: string, path: string): HostDisk {
  const { serial } = EXPORT;
  const node = `node-${serial}`;
  return {
    serial,
    image,
    node: { driver: "nbd", server: { type: "unix", path }, discard: "unmap", "node-name": node },
    plug: null,
    devices: [{ driver: "virtio-blk-pci", id: serial, drive: node, serial }],
  };
}

/** The file system must be whole, and its files hold what the guest wrote: e2fsprogs read them, no code of ours. */
async function checkFiles(image: string, folder: string): Promise<Check[]> {
  return [
    await check("the file system that the guest made on it is whole", async () => {
      await tool("e2fsck", ["-f", "-n", image]);
    }),
    await check(`${FILES.length} files hold what the guest wrote`, async () => {
      for (const name of FILES) await checkFile(image, name, join(folder, name));
    }),
  ];
}

async function checkFile(image: string, name: string, copy: string): Promise<void> {
  await tool("debugfs", ["-R", `dump /${name} ${copy}`, image]);
  const [found, written] = [await Deno.readFile(copy), contentOf(name)];
  if (found.length !== written.length) throw new Error(`${name} has ${found.length} bytes, not ${written.length}`);
  const at = found.findIndex((byte, index) => byte !== written[index]);
  if (at >= 0) throw new Error(`byte ${at} of ${name} is ${found[at]}, not ${written[at]}`);
}

async function check(name: string, look: () => Promise<void>): Promise<Check> {
  const failure = await look().then(() => null, (thrown) => (thrown as Error).message);
  return { name: `the export: ${name}`, failure };
}
