/**
 * Archives that the Linux kernel unpacks as its first file system: the "newc" format of cpio, not compressed
 * (kernel documentation, driver-api/early-userspace/buffer-format).
 *
 * @module
 */

const encoder = new TextEncoder();
const MODES = { folder: 0o040755, link: 0o120777, device: 0o020600 };

/** A character device: its major and minor number. */
export type DeviceNumber = readonly [major: number, minor: number];

/** Writes one archive to a file, entry by entry. A file's folders are made when it is the first in them. */
export class CpioWriter {
  #inode = 0;
  #bytesWritten = 0;
  readonly #folders = new Set<string>();
  readonly #out: Deno.FsFile;

  /** Goes on at the end of `out`: the kernel unpacks archives that follow one another. */
  constructor(out: Deno.FsFile) {
    this.#out = out;
  }

  /** Adds a file. `path` is absolute in the guest. */
  file(path: string, content: Uint8Array, executable = false): void {
    this.#entry(path, 0o100000 | (executable ? 0o755 : 0o644), content);
  }

  /** Adds a symbolic link. */
  link(path: string, target: string): void {
    this.#entry(path, MODES.link, encoder.encode(target));
  }

  /** Adds a character device. */
  device(path: string, number: DeviceNumber): void {
    this.#entry(path, MODES.device, new Uint8Array(), number);
  }

  /** Adds a folder, and those that it is in. */
  folder(path: string): void {
    if (path === "" || path === "/" || this.#folders.has(path)) return;
    this.#folders.add(path);
    this.#entry(path, MODES.folder, new Uint8Array());
  }

  /** Ends the archive. */
  end(): void {
    this.#write("TRAILER!!!", 0, 0, new Uint8Array(), [0, 0]);
  }

  #entry(path: string, mode: number, content: Uint8Array, device: DeviceNumber = [0, 0]): void {
    this.folder(path.slice(0, path.lastIndexOf("/")));
    this.#write(path.slice(1), ++this.#inode, mode, content, device);
  }

  #write(name: string, inode: number, mode: number, content: Uint8Array, [major, minor]: DeviceNumber): void {
    const nameBytes = encoder.encode(`${name}\0`);
    // Inode, mode, owner, group, links, time, size, the file system's device, the device's own number, length of the
    // name, check sum (none in this format).
    const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, major, minor, nameBytes.length, 0];
    this.#put(encoder.encode(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`));
    this.#put(nameBytes);
    this.#pad();
    this.#put(content);
    this.#pad();
  }

  /** Names and contents begin at multiples of four bytes. */
  #pad(): void {
    this.#put(new Uint8Array(-this.#bytesWritten & 3));
  }

  #put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += this.#out.writeSync(bytes.subarray(at));
    this.#bytesWritten += bytes.length;
  }
}
