/**
 * When the requests of an open loop come: at times that nothing of what the device does changes.
 *
 * @module
 */

import type { Random } from "./random.ts";

const NS_PER_S = 1e9;

/** The time of the next arrival, in nanoseconds since the first could come; each is later than the one before, or the same. */
export type Arrivals = () => number;

/**
 * One every `1 / perSecond`, the first after that time.
 *
 * @param perSecond of all threads together
 * @param thread which thread this is, from 0: the threads take turns, so that all together are as regular
 */
export function constant(perSecond: number, thread: number, threads: number): Arrivals {
  const gapNs = NS_PER_S / perSecond;
  // Counted and not added up, so that no error of rounding grows. As an array: see poisson.
  const arrived = Float64Array.of(thread + 1 - threads);
  return () => (arrived[0] += threads) * gapNs;
}

/** At random, each independent of all others (a Poisson process): the gaps are exponentially distributed. */
export function poisson(random: Random, perSecond: number): Arrivals {
  const gapNs = NS_PER_S / perSecond;
  // An array, as a closure's numbers are allocated anew each time.
  const last = new Float64Array(1);
  return () => last[0] -= Math.log(1 - random.fraction()) * gapNs;
}

/**
 * A Poisson process for `onNs`, nothing for `offNs`, and so on.
 *
 * @param perSecond while it is on
 */
export function bursty(random: Random, perSecond: number, onNs: number, offNs: number): Arrivals {
  // A Poisson process knows no past: it goes on after a pause as if there had been none.
  const withoutPauses = poisson(random, perSecond);
  return () => {
    const onTimeNs = withoutPauses();
    return onTimeNs + Math.floor(onTimeNs / onNs) * offNs;
  };
}
