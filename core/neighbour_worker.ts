/**
 * A busy neighbour: computes until it is told to stop. See `neighbours.ts`.
 *
 * @module
 */

import { EventPage } from "./event_channel.ts";
import { SharedMemory } from "./memory.ts";
import { allowedCpus, pinThread, threadCpuClock } from "./measure/thread.ts";
import { cpuTimeIndex, type NeighbourBoot, NeighbourCommand, type NeighbourReady } from "./neighbours.ts";

const PERIOD_MS = 10;
/** Longest sleep until it is told to begin. */
const LOOK_MS = 100;
/** Steps of the computation between two looks at the clock: some 50 us. */
const STEPS = 50_000;

const scope = self as unknown as {
  postMessage(ready: NeighbourReady): void;
  onmessage: ((event: MessageEvent<NeighbourBoot>) => void) | null;
  close(): void;
};

scope.onmessage = ({ data: { cpus, duty, events, shared, index } }) => {
  const confinedTo = cpus.length > 0 && pinThread(cpus) ? allowedCpus() : null;
  const page = new EventPage(SharedMemory.attach(events));
  const words = SharedMemory.attach(shared).frameWords(0, 1);
  const times = new Float64Array(words.buffer, words.byteOffset, words.length / 2);
  const cpuNs = threadCpuClock() ?? (() => NaN);
  const command = (): number => Atomics.load(words, 0);
  scope.postMessage({ confinedTo });
  while (command() === NeighbourCommand.Wait) {
    const { bell } = page;
    // In this order: a command after this look rings a bell that is not the one that was seen.
    if (command() === NeighbourCommand.Wait) page.sleep(bell, LOOK_MS);
  }
  let state = index + 1;
  while (command() === NeighbourCommand.Compute) {
    const beganAt = performance.now();
    const untilMs = beganAt + PERIOD_MS * duty;
    do {
      state = compute(state);
      times[cpuTimeIndex(index)] = cpuNs();
    } while (performance.now() < untilMs && command() === NeighbourCommand.Compute);
    const leftMs = beganAt + PERIOD_MS - performance.now();
    if (duty < 1 && leftMs > 0) page.rest(leftMs);
  }
  // So that the computation has a result that somebody can see, and cannot be left out.
  words[2] = state;
  scope.close();
};

/** Some work in registers (Marsaglia's xorshift): it competes for the core alone, not for caches or memory. */
function compute(from: number): number {
  let state = from;
  for (let step = 0; step < STEPS; step++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  return state;
}
