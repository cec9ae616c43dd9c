/**
 * The attendant: attaches an export as a block device, makes a file system on it, mounts it, runs programs on it, and
 * puts everything back.
 *
 * It is the first process of a PID namespace and a mount namespace of its own. When it ends, for whatever reason, the
 * kernel ends all that it started, takes the mounts away with their namespace, and detaches the loop device, which has
 * then lost its last user. So nothing outlives it. It ends when its standard input does, as its conductor has then gone.
 *
 * It is a process apart from the one that serves the export: a process that waits for a file system which waits for that
 * same process would wait for ever.
 *
 * @module
 */

import { messageOf, WorkloadError } from "../../../core/errors.ts";
import { unlessAborted } from "../../../core/phases.ts";
import type { Attacher, Attachment } from "./attachment.ts";
import { exportInfo } from "./export_info.ts";
import { type AttendantJob, type AttendantMessage, type AttendantOrder, SOCKET } from "./job.ts";
import { linesOf } from "./lines.ts";
import { attachByClient, hasKernelClient } from "./nbd_client.ts";
import { attachByFuse } from "./nbdfuse.ts";
import { fillPlaceholders, type Places } from "./placeholders.ts";
import { runCommand, runProgram } from "./program.ts";
import { checkRequirements, type System } from "./requirements.ts";
import { exists } from "./system_files.ts";

/** How long what still uses the mount may take to let go of it. */
const RELEASE_MS = 10_000;
const LOOK_MS = 10;
/** Options of mke2fs: nothing is discarded, and nothing is left to be done while the command runs. */
const EXTENDED_OPTIONS = "nodiscard,lazy_itable_init=0,lazy_journal_init=0";

const givenUp = new AbortController();
/** Ends what runs when the conductor gives up. */
const { signal } = givenUp;
/** What puts things back is not ended: the conductor ends this process when that takes too long. */
const always = new AbortController().signal;
const runOrder = Promise.withResolvers<void>();
const endOrder = Promise.withResolvers<void>();

const input = linesOf(Deno.stdin.readable);
const { value: job } = await input.next();
if (job === undefined) Deno.exit(1);
obey();
try {
  await attend(JSON.parse(job));
  say({ type: "ended" });
} catch (thrown) {
  failWith(thrown);
}
Deno.exit(0);

async function obey(): Promise<void> {
  for await (const order of input as AsyncIterable<AttendantOrder>) {
    if (order === "run") runOrder.resolve();
    if (order === "end") endOrder.resolve();
    if (order === "abort") givenUp.abort(new WorkloadError("It was told to give up"));
  }
  Deno.exit(1);
}

function say(message: AttendantMessage): void {
  let bytes = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}

function failWith(thrown: unknown): never {
  say({ type: "failed", message: messageOf(thrown) });
  Deno.exit(0);
}

/** Attaches the export, and detaches it in the end. */
async function attend(job: AttendantJob): Promise<void> {
  const { fileSystem } = job;
  const folder = Deno.realPathSync(job.folder);
  const uri = job.uri ?? `nbd+unix:///?socket=${encodeURIComponent(`${folder}/${SOCKET}`)}`;
  const system: System = { exists, programFolders: (Deno.env.get("PATH") ?? "").split(":"), hasKernelClient };
  const attacher = checkRequirements(job, system);
  const info = await exportInfo(uri, signal);
  if (fileSystem !== null && info.readOnly) {
    throw new WorkloadError(`The device is read-only: ${fileSystem} cannot be made on it; allowed is fileSystem none`);
  }
  const mount = `${folder}/mount`;
  Deno.mkdirSync(mount);
  const attach = attacher === "nbd-client" ? attachByClient : attachByFuse;
  const attached = await attach({ ...info, uri, folder, connections: job.connections, signal });
  const places = { uri, device: attached.device, mount };
  await thenUndo(() => work(job, places, attached, attacher), () => attached.detach());
}

/** Mounts the device, if that is wanted, and runs the programs. */
async function work(job: AttendantJob, places: Places, attached: Attachment, attacher: Attacher): Promise<void> {
  const { fileSystem, check } = job;
  const { device, mount } = places;
  const run = () => thenUndo(() => runAll(job, places, attacher), () => Promise.resolve(endOthers(attached.pid)));
  try {
    if (fileSystem === null) return await run();
    const mkfs = `mkfs.${fileSystem}`;
    await runProgram([mkfs, "-F", "-q", "-E", EXTENDED_OPTIONS, ...job.mkfsOptions, device], { signal });
    const options = job.mountOptions === "" ? [] : ["-o", job.mountOptions];
    // Not ended early: it would not be known whether there is something to unmount.
    await runProgram(["mount", "-t", fileSystem, ...options, device, mount], { signal: always });
    await thenUndo(run, () => unmount(mount));
    if (check) await runProgram(["e2fsck", "-fn", device], { signal });
  } catch (thrown) {
    const words = signal.aborted ? "" : await attached.lastWords();
    if (words === "") throw thrown;
    throw new WorkloadError(`${messageOf(thrown)}. ${words}`, { cause: thrown });
  }
}

async function runAll(
  { folder, fileSystem, prepare, command, cleanup }: AttendantJob,
  places: Places,
  attacher: Attacher,
): Promise<void> {
  const run = (argv: readonly string[]) => {
    return runCommand(fillPlaceholders(argv, places), { directory: places.mount, folder, signal });
  };
  for (const argv of prepare) await run(argv);
  // What it wrote is not to be written while the command runs.
  if (fileSystem !== null) await runProgram(["sync", "-f", places.mount], { signal });
  say({ type: "prepared", attacher });
  await unlessAborted(runOrder.promise, signal);
  say({ type: "ran", output: await run(command) });
  await unlessAborted(endOrder.promise, signal);
  for (const argv of cleanup) await run(argv);
}

/**
 * Undoes something after a body, whatever that comes to. When both fail it is the body that tells why, and there is no
 * point in going on: the end of this process undoes the rest.
 */
async function thenUndo(body: () => Promise<void>, undo: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (thrown) {
    await undo().catch(() => failWith(thrown));
    throw thrown;
  }
  await undo();
}

/** Ends what the programs have left running: all of this namespace but for this process and another. */
function endOthers(kept: number): void {
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === Deno.pid || pid === kept) continue;
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

async function unmount(mount: string): Promise<void> {
  const until = performance.now() + RELEASE_MS;
  for (;;) {
    try {
      return void await runProgram(["umount", mount], { signal: always });
    } catch (thrown) {
      // What was just ended may take a moment.
      if (performance.now() > until) throw thrown;
      await delay(LOOK_MS);
    }
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
