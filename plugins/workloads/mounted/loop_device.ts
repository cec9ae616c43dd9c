/**
 * Linux's loop device on a file, which detaches by itself.
 *
 * It is configured in one step as one that detaches with its last user (autoclear), while it is held open: so there is no
 * moment at which the end of this process would leave it behind. `losetup` has no option for that.
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import { type CLibrary, describeErrno, openCLibrary } from "../../../core/libc.ts";

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  // Variable argument lists: on x86-64 and ARM64 Linux an argument is passed to them as to any function.
  ioctl: { parameters: ["i32", "u32", "buffer"], result: "i32" },
} as const;

/** Linux `include/uapi/linux/loop.h`. */
const LOOP_CONFIGURE = 0x4c0a;
const LOOP_CTL_GET_FREE = 0x4c82;
const LO_FLAGS_READ_ONLY = 1;
const LO_FLAGS_AUTOCLEAR = 4;
const LO_FLAGS_DIRECT_IO = 16;
/** `struct loop_config`: descriptor and sector size of 4 bytes each, `struct loop_info64` of 232, 64 reserved. */
const CONFIG_BYTES = 304;
const INFO_AT = 8;
const FLAGS_AT = INFO_AT + 52;
const NAME_AT = INFO_AT + 56;
const NAME_BYTES = 64;

/** Flags of `open`: Linux `asm-generic/fcntl.h`. */
const O_RDONLY = 0;
const O_RDWR = 2;
const O_CLOEXEC = 0o2000000;
const EBUSY = 16;
/** How often another device is tried when somebody else was faster. */
const ATTEMPTS = 100;

/** What is attached, and how. */
export interface LoopDeviceOptions {
  /** The file. */
  readonly file: string;
  /** Sector size in bytes: 512 to 4096. */
  readonly sectorSize: number;
  /** Whether writes are refused. */
  readonly readOnly: boolean;
}

/** A loop device that is held open. */
export interface LoopDevice {
  /** The device, such as `/dev/loop0`. */
  readonly path: string;
  /** Lets go of it: it detaches when nobody else uses it. */
  close(): void;
}

/**
 * Attaches a file by direct I/O.
 *
 * @throws {DeviceError} when that is impossible
 */
export function attachLoopDevice(options: LoopDeviceOptions): LoopDevice {
  using kept = new DisposableStack();
  const library = kept.adopt(openLibrary(), (library) => library.close());
  const { close, ioctl } = library.symbols;
  using used = new DisposableStack();
  const file = used.adopt(open(library, options.file, options.readOnly ? O_RDONLY : O_RDWR), close);
  const control = used.adopt(open(library, "/dev/loop-control", O_RDWR), close);
  const config = loopConfig(file, options);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const number = ioctl(control, LOOP_CTL_GET_FREE, new Uint8Array(1));
    if (number < 0) throw failure(library, "Linux has no free loop device");
    const path = `/dev/loop${number}`;
    const device = open(library, path, O_RDWR);
    if (ioctl(device, LOOP_CONFIGURE, config) === 0) {
      kept.adopt(device, close);
      const held = kept.move();
      return { path, close: () => held.dispose() };
    }
    const busy = library.errno() === EBUSY;
    const error = failure(library, `Linux cannot attach ${options.file} as a loop device`);
    close(device);
    if (!busy) throw error;
  }
  throw new DeviceError(`Others took each of ${ATTEMPTS} loop devices that were free`);
}

function openLibrary(): CLibrary<typeof SYMBOLS> {
  const library = openCLibrary(SYMBOLS);
  if (library === null) throw new DeviceError("A loop device is attached by the C library: allow --allow-ffi");
  return library;
}

function loopConfig(file: number, { file: name, sectorSize, readOnly }: LoopDeviceOptions): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(CONFIG_BYTES);
  const words = new DataView(bytes.buffer);
  words.setUint32(0, file, true);
  words.setUint32(4, sectorSize, true);
  words.setUint32(FLAGS_AT, LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO | (readOnly ? LO_FLAGS_READ_ONLY : 0), true);
  bytes.set(new TextEncoder().encode(name).subarray(0, NAME_BYTES - 1), NAME_AT);
  return bytes;
}

function open(library: CLibrary<typeof SYMBOLS>, path: string, flags: number): number {
  const descriptor = library.symbols.open(new TextEncoder().encode(`${path}\0`), flags | O_CLOEXEC);
  if (descriptor < 0) throw failure(library, `Cannot open ${path}`);
  return descriptor;
}

function failure(library: CLibrary<typeof SYMBOLS>, what: string): DeviceError {
  return new DeviceError(`${what}: ${describeErrno(library.errno())}`);
}
