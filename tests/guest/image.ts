/**
 * The guest's first file system: busybox and kernel modules from Debian's packages; Deno and a few programs from the host,
 * with the libraries that they are linked to; the project as it is now; and the npm packages of its lock file.
 *
 * @module
 */

import { join } from "node:path";
import { CpioWriter } from "./cpio.ts";
import type { GuestPackages } from "./packages.ts";
import { BenchError, pathOf, toolText } from "./tool.ts";

/** What the guest needs of the project. */
const PROJECT_PARTS = ["mod.ts", "deno.json", "deno.lock", "core", "plugins", "cli", "scenarios", "tests"];

const GUEST_TESTS = "tests/guest/inside";
/** Where the project is in the guest. `inside/init.sh` says so too. */
const GUEST_PROJECT = "/project";

/** Writes the file system's archive to `path`. */
export async function writeImage(path: string, packages: GuestPackages, project: string): Promise<void> {
  using out = await Deno.open(path, { write: true, create: true, truncate: true });
  const archive = new CpioWriter(out);
  archive.device("/dev/console", [5, 1]);
  archive.file("/init", await Deno.readFile(join(project, "tests/guest/inside/init.sh")), true);
  archive.file("/bin/busybox", await Deno.readFile(packages.busybox), true);
  for (const [index, module] of packages.modules.entries()) {
    const name = module.slice(module.lastIndexOf("/") + 1);
    archive.file(`/modules/${String(index).padStart(3, "0")}-${name}`, await Deno.readFile(module));
  }
  await addProgram(archive, "/bin/deno", Deno.execPath());
  for (const program of ["blkid", "e2fsck", "mkfs.ext4", "nbd-client", "nbdinfo"]) {
    await addProgram(archive, `/sbin/${program}`, pathOf(program));
  }
  // For who looks here before busybox's, which knows fewer options.
  await addProgram(archive, "/opt/bin/unshare", pathOf("unshare"));
  for (const part of PROJECT_PARTS) await addTree(archive, `${GUEST_PROJECT}/${part}`, join(project, part));
  await addNpmPackages(archive, project);
  archive.end();
}

/** Programs share libraries. */
const librariesAdded = new WeakMap<CpioWriter, Set<string>>();

async function addProgram(archive: CpioWriter, path: string, source: string): Promise<void> {
  archive.file(path, await Deno.readFile(source), true);
  const added = librariesAdded.get(archive) ?? new Set();
  librariesAdded.set(archive, added);
  // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)", or the loader: "/lib64/ld-linux-x86-64.so.2 (0x…)".
  for (const line of (await toolText("ldd", source)).split("\n")) {
    const [, name, missing, library] = /^\s*(?:(\S+) => )?(?:(not found)|(\/\S+) )/.exec(line) ?? [];
    if (missing !== undefined) throw new BenchError(`${source} needs ${name}, which is not there`);
    if (library === undefined || added.has(library)) continue;
    added.add(library);
    archive.file(library, await Deno.readFile(library), true);
  }
}

async function addTree(archive: CpioWriter, path: string, source: string): Promise<void> {
  if (!(await Deno.stat(source)).isDirectory) return archive.file(path, await Deno.readFile(source));
  const entries = [...Deno.readDirSync(source)].sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isSymlink } of entries) {
    // Nothing there reads source maps, which are half of some packages.
    if (!isSymlink && !name.endsWith(".map")) await addTree(archive, `${path}/${name}`, join(source, name));
  }
}

/** Puts into Deno's cache what the guest runs, on a machine where nothing else has. */
export async function fetchNpmPackages(project: string): Promise<void> {
  const tests = [...Deno.readDirSync(join(project, GUEST_TESTS))].map(({ name }) => name)
    .filter((name) => name.endsWith(".ts")).map((name) => join(GUEST_TESTS, name));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--quiet", "--frozen", "cli/main.ts", "mod.ts", ...tests],
    cwd: project,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new BenchError(`deno cache: ${new TextDecoder().decode(stderr).trim()}`);
}

/**
 * Puts what the lock file names from Deno's cache into the guest's, so that Deno needs no network there. What the cache
 * lacks, nothing imports that runs in the guest.
 */
async function addNpmPackages(archive: CpioWriter, project: string): Promise<void> {
  const lock = JSON.parse(await Deno.readTextFile(join(project, "deno.lock")));
  const cache = await npmCache();
  for (const key of Object.keys(lock.npm ?? {})) {
    // "zod@4.6.7", "@optique/core@1.3.6", or with what it was resolved with: "a@1.0.0_b@2.0.0".
    const [, name, version] = /^(@?[^@]+)@([^_]+)/.exec(key) as RegExpExecArray;
    const folder = join(cache, "registry.npmjs.org", name);
    const target = `/deno/npm/registry.npmjs.org/${name}`;
    // Deno keeps what the registry says of a package only where the lock file was not enough.
    for (const part of [version, "registry.json"]) {
      if (await exists(join(folder, part))) await addTree(archive, `${target}/${part}`, join(folder, part));
    }
  }
}

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

async function npmCache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).npmCache;
}
