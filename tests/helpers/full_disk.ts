/**
 * A file system whose disk can be out of room: what was written to its page cache is then refused when it is written
 * back, and lost. Only root can have one.
 *
 * @module
 */

import { mount } from "./mount.ts";

const MIB = 1 << 20;
const IMAGE_BYTES = 32 * MIB;

/** A mounted ext4 on a disk that is thin: an image of holes, in memory that is smaller than it. */
export interface ThinFileSystem extends Disposable {
  /** Where it is mounted. */
  readonly folder: string;
  /** Takes all the room that its disk has left; what is written to holes of the disk is then refused (`ENOSPC`). */
  fillDisk(): void;
  /** Gives the room back. */
  freeDisk(): void;
}

/** A thin file system: `using fs = thinFileSystem()`. */
export function thinFileSystem(): ThinFileSystem {
  using undo = new DisposableStack();
  const backing = undo.use(mount("tmpfs", "size=24m"));
  const [image, filler] = [`${backing.folder}/image`, `${backing.folder}/filler`];
  Deno.writeFileSync(image, new Uint8Array());
  Deno.truncateSync(image, IMAGE_BYTES);
  const disk = command("losetup", "--find", "--show", image).trim();
  undo.defer(() => command("losetup", "--detach", disk));
  // All metadata has its place on the disk from the beginning, so that none of it is refused later.
  command("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "lazy_itable_init=0", disk);
  const mounted = undo.use(mount("ext4", "errors=continue", disk));
  const kept = undo.move();
  return {
    folder: mounted.folder,
    fillDisk: () => fill(filler),
    freeDisk: () => Deno.removeSync(filler),
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** A file of a {@link thinFileSystem} that has its blocks, and these are holes of the disk. */
export function allocateFile(path: string, sizeBytes: number): void {
  command("fallocate", "--length", String(sizeBytes), path);
  command("sync", "--file-system", path);
}

/** Why there is no {@link thinFileSystem} here, or null. */
export function thinFileSystemRefusal(): string | null {
  try {
    using fs = thinFileSystem();
    allocateFile(`${fs.folder}/file`, MIB);
    return null;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

function fill(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  const zeroes = new Uint8Array(4096);
  try {
    for (;;) file.writeSync(zeroes);
  } catch (thrown) {
    if (!/os error 28/.test(String(thrown))) throw thrown;
  }
}

function command(name: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(name, { args }).outputSync();
  if (!success) throw new Error(`${name}: ${new TextDecoder().decode(stderr).split("\n")[0]}`);
  return new TextDecoder().decode(stdout);
}
