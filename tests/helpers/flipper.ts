/**
 * Memory that changes under who reads it.
 *
 * @module
 */

import type { FlipperTask } from "./flipper_worker.ts";

/** Runs `body` while another thread changes words of `memory`, each between two values. */
export async function whileFlipping(
  memory: SharedArrayBuffer,
  flips: FlipperTask["flips"],
  body: () => void,
): Promise<void> {
  const control = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(import.meta.resolve("./flipper_worker.ts"), { type: "module" });
  const message = (): Promise<unknown> => {
    return new Promise((resolve) => worker.addEventListener("message", resolve, { once: true }));
  };
  try {
    await message();
    worker.postMessage({ memory, control: control.buffer as SharedArrayBuffer, flips } satisfies FlipperTask);
    Atomics.wait(control, 0, 0, 60_000);
    const stopped = message();
    try {
      body();
    } finally {
      Atomics.store(control, 0, 2);
    }
    await stopped;
  } finally {
    worker.terminate();
  }
}
