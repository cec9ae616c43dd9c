/**
 * Another thread that changes words of shared memory as fast as it can, each between two values, until it is told to
 * stop.
 *
 * @module
 */

/// <reference lib="deno.worker" />

/** What the worker is told. */
export interface FlipperTask {
  readonly memory: SharedArrayBuffer;
  /** The first word: not 0 as soon as the worker flips; it ends when it is 2. */
  readonly control: SharedArrayBuffer;
  /** Words to change, each with its two values. */
  readonly flips: readonly (readonly [word: number, one: number, other: number])[];
}

const STOP = 2;
const FLIPS_BETWEEN_LOOKS = 1000;

if (typeof WorkerGlobalScope !== "undefined") {
  globalThis.onmessage = ({ data: { memory, control, flips } }: MessageEvent<FlipperTask>) => {
    const [words, state] = [new Int32Array(memory), new Int32Array(control)];
    Atomics.store(state, 0, 1);
    Atomics.notify(state, 0);
    while (Atomics.load(state, 0) !== STOP) {
      for (let i = 0; i < FLIPS_BETWEEN_LOOKS; i++) {
        for (const [word, one, other] of flips) words[word] = i % 2 === 0 ? one : other;
      }
    }
    globalThis.postMessage("stopped");
  };
  globalThis.postMessage("listening");
}
