/**
 * What this process has: descriptors, memory, children.
 *
 * @module
 */

import { openCLibrary } from "../libc.ts";

const SYMBOLS = {
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  kill: { parameters: ["i32", "i32"], result: "i32" },
} as const;

const F_GETFD = 1;
/** Above any descriptor that a machine has. */
const MOST_DESCRIPTORS = 4096;
/** How long something that goes by itself may take to. */
const SETTLE_MS = 10_000;
const LOOK_MS = 10;

/** How many descriptors are open; 0 where libc may not be called. */
export function descriptorCount(): number {
  const library = openCLibrary(SYMBOLS);
  if (library === null) return 0;
  let count = 0;
  for (let descriptor = 0; descriptor < MOST_DESCRIPTORS; descriptor++) {
    if (library.symbols.fcntl(descriptor, F_GETFD, 0) >= 0) count++;
  }
  library.close();
  return count;
}

/** Whether a process is there. One that has ended and was not waited for is. */
export function isAlive(processId: number): boolean {
  const library = openCLibrary(SYMBOLS);
  const alive = library !== null && library.symbols.kill(processId, 0) === 0;
  library?.close();
  return alive;
}

/** Bytes of this thread's heap that are in use, without garbage where V8 was started with `--expose-gc`. */
export function heapBytes(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return Deno.memoryUsage().heapUsed;
}

/** Waits until something holds, for ten seconds at most. Returns whether it does. */
export async function settled(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const deadline = performance.now() + SETTLE_MS; performance.now() < deadline;) {
    if (await holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return await holds();
}
