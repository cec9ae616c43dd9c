/**
 * The last step of a launcher: from here on another program runs in its process.
 *
 * The filter must be there before it, and must let this one `execve` pass and no other. It tells it by its arguments: three
 * addresses, chosen by chance among so many that nobody finds them by trying, and forgotten with the launcher's memory.
 *
 * @module
 */

import { DomainError } from "../errors.ts";
import type { Kernel } from "./kernel.ts";

/** `CLOSE_RANGE_CLOEXEC`. */
const CLOSE_AT_EXECVE = 4;
const FIRST_OWN_DESCRIPTOR = 3;
const LAST_DESCRIPTOR = 0xffff_ffff;
const F_GETFD = 1;
const F_SETFD = 2;
const PAGE_BYTES = 4096;
/** Addresses below this are free for mappings on both architectures, whatever their page tables' depth. */
const ADDRESS_BITS = 38n;
/** What a kernel keeps at the bottom, and a program's own code, are below. */
const LOWEST_PAGE = 1n << 32n;
const TRIES = 16;

/** What to execute. */
export interface Program {
  /** Its path. */
  readonly path: string;
  /** Its arguments, the program's own name first. */
  readonly argv: readonly string[];
  /** Its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** A program's path, arguments and environment in memory: the arguments of `execve`. */
export function placeProgram(kernel: Kernel, { path, argv, env }: Program): readonly [bigint, bigint, bigint] {
  const text = (value: string): bigint => kernel.place(new TextEncoder().encode(`${value}\0`));
  const list = (values: readonly string[]): bigint => {
    return placeSomewhere(kernel, new Uint8Array(BigUint64Array.from([...values.map(text), 0n]).buffer));
  };
  return [
    placeSomewhere(kernel, new TextEncoder().encode(`${path}\0`)),
    list(argv),
    list(Object.entries(env).map(([name, value]) => `${name}=${value}`)),
  ];
}

/** Memory at an address of which at least 34 bits are chance. */
function placeSomewhere(kernel: Kernel, bytes: Uint8Array<ArrayBuffer>): bigint {
  for (let tries = 1;; tries++) {
    const address = crypto.getRandomValues(new BigUint64Array(1))[0] % (1n << ADDRESS_BITS) & ~7n;
    const page = address - address % BigInt(PAGE_BYTES);
    if (page < LOWEST_PAGE) continue;
    try {
      return kernel.place(bytes, page, Number(address - page));
    } catch (thrown) {
      if (tries === TRIES) throw thrown; // Something else lay there each time.
    }
  }
}

/**
 * Lets the program have some descriptors, and no other but the three of input, output and errors.
 *
 * @throws {DomainError} when one is not open
 */
export function passDescriptors(kernel: Kernel, descriptors: readonly number[]): void {
  const passed = [...new Set(descriptors)].sort((a, b) => a - b);
  let first = FIRST_OWN_DESCRIPTOR;
  for (const descriptor of [...passed, LAST_DESCRIPTOR + 1]) {
    if (descriptor > first) {
      kernel.call("close what is not passed on", "close_range", first, descriptor - 1, CLOSE_AT_EXECVE);
    }
    first = Math.max(first, descriptor + 1);
  }
  for (const descriptor of passed) {
    const outcome = kernel.try("fcntl", descriptor, F_GETFD, 0);
    if ("errno" in outcome) throw new DomainError(`Cannot pass on the descriptor ${descriptor}: it is not open`);
    kernel.call(`pass on the descriptor ${descriptor}`, "fcntl", descriptor, F_SETFD, 0);
  }
}
