/** One side of a bare round trip between two threads: a word each, on cache lines of their own. */

import { pinThread } from "../../core/measure/thread.ts";

const PING = 0;
const PONG = 32;

/** What a side is told. */
export interface RoundTripJob {
  readonly memory: SharedArrayBuffer;
  readonly side: "ping" | "pong";
  readonly cpu: number;
  readonly rounds: number;
}

const scope = self as unknown as {
  postMessage(nsPerRound: number): void;
  onmessage: (event: MessageEvent<RoundTripJob>) => void;
};

scope.onmessage = ({ data: { memory, side, cpu, rounds } }) => {
  pinThread([cpu]);
  const words = new Int32Array(memory);
  if (side === "pong") {
    for (let round = 1; round <= rounds; round++) {
      while (Atomics.load(words, PING) !== round);
      Atomics.store(words, PONG, round);
    }
    return;
  }
  const trip = (from: number, to: number): void => {
    for (let round = from; round <= to; round++) {
      Atomics.store(words, PING, round);
      while (Atomics.load(words, PONG) !== round);
    }
  };
  const warm = Math.floor(rounds / 5);
  trip(1, warm);
  const start = performance.now();
  trip(warm + 1, rounds);
  scope.postMessage(((performance.now() - start) * 1e6) / (rounds - warm));
};
