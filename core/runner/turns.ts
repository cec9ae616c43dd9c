/**
 * In which order the cells of a run are measured.
 *
 * @module
 */

import { mulberry32 } from "../mulberry32.ts";
import type { Scenario } from "./scenario.ts";

/** Something that is measured several times. */
export interface Turn {
  /** How often it must still be measured, as far as that is known. */
  readonly needed: number;
  /** A round is over. It may then need more. */
  review(): void;
}

/**
 * The cells in the order in which they are measured, until nothing more is needed. Each round has every cell once that
 * needs more, in an order of its own drawn from the seed: so none always follows the same other one, which may have
 * warmed or filled something.
 */
export function* turns<Run extends Turn>(
  runs: readonly Run[],
  { order, seed }: Pick<Scenario["run"], "order" | "seed">,
): Iterable<Run> {
  const random = mulberry32(seed);
  const groups = order === "interleaved" ? [runs] : runs.map((run) => [run]);
  for (const group of groups) {
    for (;;) {
      const round = group.filter(({ needed }) => needed > 0);
      if (round.length === 0) break;
      yield* shuffled(round, random);
      for (const run of round) run.review();
    }
  }
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const all = [...values];
  for (let left = all.length; left > 1; left--) {
    const chosen = Math.floor(random() * left);
    [all[left - 1], all[chosen]] = [all[chosen], all[left - 1]];
  }
  return all;
}
