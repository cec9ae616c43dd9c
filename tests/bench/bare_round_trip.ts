/** What a round trip between two threads costs with nothing but `Atomics`: the floor of everything else. */

import type { RoundTripJob } from "./round_trip_worker.ts";

const ROUNDS = 2_000_000;

/** Nanoseconds a round trip between the first two cores, or on the one core that there is. */
export async function bareRoundTripNs(): Promise<number> {
  const memory = new SharedArrayBuffer(4096);
  const workers = ["pong", "ping"].map((side, index) => {
    const worker = new Worker(import.meta.resolve("./round_trip_worker.ts"), { type: "module" });
    const job = { memory, side, cpu: 1 - index, rounds: ROUNDS } as RoundTripJob;
    worker.postMessage(job);
    return worker;
  });
  const ns = await new Promise<number>((resolve) => workers[1].onmessage = ({ data }) => resolve(data));
  for (const worker of workers) worker.terminate();
  return ns;
}
