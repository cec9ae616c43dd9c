/**
 * What the guest has from Debian's packages: the kernel, its modules and busybox. Packages are fetched by apt and
 * unpacked into a cache folder, never installed.
 *
 * @module
 */

import { join } from "node:path";
import { type KernelModule, loadOrder } from "./kernel_modules.ts";
import { BenchError, tool, toolText } from "./tool.ts";

/**
 * Modules that the guest loads; those that they need come by themselves, but for crc32c_generic: ext4 asks for it when it
 * mounts.
 */
const MODULES = [
  ...["ahci", "sd_mod", "sg", "virtio_pci", "virtio_scsi", "virtio_blk", "virtio_console", "loop"],
  ...["crc32c_generic", "ext4", "nbd"],
];

/** The guest's parts, in the cache. */
export interface GuestPackages {
  /** Path of the kernel. */
  readonly kernel: string;
  /** Paths of the modules, in the order in which they can be loaded. */
  readonly modules: readonly string[];
  /** Path of busybox, which needs no library. */
  readonly busybox: string;
  /** The packages with their versions, for the log. */
  readonly versions: readonly string[];
}

/** Where the cache is: `$XDG_CACHE_HOME/iddr`, or `~/.cache/iddr`. */
export function cacheFolder(): string {
  const home = Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "/tmp", ".cache");
  return join(home, "iddr", "guest");
}

/** Finds the packages in the cache, or fetches them. What another version of a package left there is removed. */
export async function guestPackages(cache = cacheFolder()): Promise<GuestPackages> {
  const kernel = await newest(await kernelPackage());
  const busybox = await newest("busybox-static");
  await Deno.mkdir(cache, { recursive: true });
  const kernelFolder = await inCache(cache, `${kernel}_${MODULES.join("+")}`, (folder) => keepKernel(kernel, folder));
  const busyboxFolder = await inCache(cache, busybox, (folder) => keepBusybox(busybox, folder));
  await keepOnly(cache, [kernelFolder, busyboxFolder]);
  const order: string[] = JSON.parse(await Deno.readTextFile(join(kernelFolder, "order.json")));
  return {
    kernel: join(kernelFolder, "vmlinuz"),
    modules: order.map((name) => join(kernelFolder, name)),
    busybox: join(busyboxFolder, "busybox"),
    versions: [kernel, busybox],
  };
}

/** `linux-image-amd64` is empty: it depends on the present kernel's package. */
async function kernelPackage(): Promise<string> {
  const depends = await toolText("apt-cache", "depends", "--important", "linux-image-amd64").catch(() => "");
  const [, name] = /Depends: (linux-image-\S+)/.exec(depends) ?? [];
  if (name === undefined) {
    throw new BenchError("apt knows no linux-image-amd64: run apt-get update, on Debian for amd64");
  }
  return name;
}

/** The newest version of a package, as `name=version`. */
async function newest(name: string): Promise<string> {
  const shown = await toolText("apt-cache", "show", "--no-all-versions", name).catch(() => "");
  const [, version] = /^Version: (\S+)$/m.exec(shown) ?? [];
  if (version === undefined) throw new BenchError(`apt knows no package ${name}: run apt-get update`);
  return `${name}=${version}`;
}

/** The folder `name` of the cache; `fill` makes it. It appears when it is complete, so a half-filled one is never used. */
async function inCache(cache: string, name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cache, name);
  if (await Deno.stat(folder).then(() => true, () => false)) return folder;
  const unfinished = await Deno.makeTempDir({ dir: cache, prefix: "unfinished-" });
  try {
    await fill(unfinished);
    await Deno.rename(unfinished, folder).catch(async (thrown) => {
      // Another run may have been faster.
      if (!(await Deno.stat(folder).then(() => true, () => false))) throw thrown;
    });
    return folder;
  } finally {
    await Deno.remove(unfinished, { recursive: true }).catch(() => {});
  }
}

async function keepOnly(cache: string, folders: readonly string[]): Promise<void> {
  for await (const { name } of Deno.readDir(cache)) {
    const path = join(cache, name);
    if (folders.includes(path) || name.startsWith("unfinished-")) continue;
    await Deno.remove(path, { recursive: true });
  }
}

/** Fetches a package and unpacks it below a folder. */
async function unpack(versioned: string, folder: string): Promise<string> {
  await tool("apt-get", ["download", "-qq", versioned], folder);
  const [file] = [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".deb"));
  if (file === undefined) throw new BenchError(`apt-get download ${versioned} left no package`);
  const tree = join(folder, "tree");
  await tool("dpkg-deb", ["-x", file.name, "tree"], folder);
  await Deno.remove(join(folder, file.name));
  return tree;
}

async function keepBusybox(versioned: string, folder: string): Promise<void> {
  const tree = await unpack(versioned, folder);
  const [path] = filesIn(tree).filter((file) => file.endsWith("/bin/busybox"));
  if (path === undefined) throw new BenchError(`${versioned} has no busybox`);
  await Deno.rename(path, join(folder, "busybox"));
  await Deno.remove(tree, { recursive: true });
}

/** A kernel has thousands of modules: only those that the guest loads stay. */
async function keepKernel(versioned: string, folder: string): Promise<void> {
  const tree = await unpack(versioned, folder);
  const files = filesIn(tree);
  const [kernel] = files.filter((file) => file.includes("/boot/vmlinuz-"));
  if (kernel === undefined) throw new BenchError(`${versioned} has no kernel`);
  await Deno.rename(kernel, join(folder, "vmlinuz"));
  const names: string[] = [];
  for (const { name, content } of await loadOrder(MODULES, modulesAmong(files))) {
    names.push(`${name}.ko`);
    await Deno.writeFile(join(folder, `${name}.ko`), content);
  }
  await Deno.writeTextFile(join(folder, "order.json"), JSON.stringify(names));
  await Deno.remove(tree, { recursive: true });
}

/** Modules by their names; in names of modules, `-` is written `_`. Later releases of Debian compress them by xz. */
function modulesAmong(files: readonly string[]): (name: string) => Promise<KernelModule | null> {
  const paths = new Map<string, string>();
  for (const path of files) {
    const [, name] = /\/([^/]+)\.ko(?:\.xz)?$/.exec(path) ?? [];
    if (name !== undefined) paths.set(name.replaceAll("-", "_"), path);
  }
  return async (name) => {
    const path = paths.get(name.replaceAll("-", "_"));
    if (path === undefined) return null; // Built into the kernel.
    const isPacked = path.endsWith(".xz");
    const content = isPacked ? await tool("xz", ["--decompress", "--stdout", path]) : await Deno.readFile(path);
    return { name: name.replaceAll("-", "_"), content };
  };
}

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory, isFile }) => {
    return isDirectory ? filesIn(`${folder}/${name}`) : isFile ? [`${folder}/${name}`] : [];
  });
}
