/**
 * Whether a disk can be read where partition tables, file systems and their like leave their marks.
 *
 * `blkid` answers the same for a disk on which it finds nothing and for one that it cannot read. What cannot be read
 * must not pass for blank.
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import { type CLibrary, describeErrno, openCLibrary } from "../../../core/libc.ts";

/** Bytes at the beginning and at the end of a disk that hold the marks: those of ZFS, RAID and GPT are in both. */
const END_BYTES = 1 << 20;
/** Bytes read at a time. */
const STEP_BYTES = 1 << 16;
const O_CLOEXEC = 0x80000;
const SEEK_END = 2;

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/**
 * Reads the first and the last MiB of a disk or an image, and keeps nothing of it.
 *
 * @throws {DeviceError} when that is impossible, with the place and the cause
 */
export function readEnds(path: string): void {
  const libc = openCLibrary(SYMBOLS);
  if (libc === null) throw new DeviceError(`Cannot look at what is on ${path}: that takes --allow-ffi`);
  try {
    const file = libc.symbols.open(new TextEncoder().encode(`${path}\0`), O_CLOEXEC);
    if (file < 0) throw new DeviceError(`Cannot open ${path} to look at what is on it: ${describeErrno(libc.errno())}`);
    try {
      const size = Number(libc.symbols.lseek(file, 0n, SEEK_END));
      readThrough(libc, file, path, 0, Math.min(END_BYTES, size));
      readThrough(libc, file, path, Math.max(0, size - END_BYTES), size);
    } finally {
      libc.symbols.close(file);
    }
  } finally {
    libc.close();
  }
}

function readThrough(
  { symbols, errno }: CLibrary<typeof SYMBOLS>,
  file: number,
  path: string,
  from: number,
  to: number,
): void {
  const buffer = new Uint8Array(STEP_BYTES);
  for (let offset = from; offset < to;) {
    const length = Math.min(STEP_BYTES, to - offset);
    const read = Number(symbols.pread(file, buffer, BigInt(length), BigInt(offset)));
    if (read <= 0) {
      const cause = read < 0 ? describeErrno(errno()) : "it ends there";
      throw new DeviceError(
        `Cannot read ${path} at byte ${offset} to look at what is on it: ${cause}. With --force nobody looks`,
      );
    }
    offset += read;
  }
}
