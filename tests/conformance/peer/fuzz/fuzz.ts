/**
 * A fuzzer of ring states: random regions, changed between the steps of a frontend or a backend, which must do with them
 * exactly what a model says, byte for byte, or break the connection where the model does.
 *
 * @module
 */

import { Random } from "../../../helpers/random.ts";
import { attackBackend } from "./attack_backend.ts";
import { attackFrontend } from "./attack_frontend.ts";
import { emptyReport, type FuzzReport } from "./report.ts";

/** Which states are played. */
export interface RingFuzzOptions {
  /** Whatever makes the states differ from those of another seed. */
  readonly seed: number;
  /** How many. */
  readonly states: number;
  /** The first one's number; 0 when absent. A state is the same whichever come before. */
  readonly first?: number;
  /** Who is attacked; both in turn when absent. */
  readonly victim?: "frontend" | "backend";
  /** Is told how many states are over, from time to time. */
  readonly progress?: (states: number) => void;
}

const PROGRESS_EVERY = 50_000;

/**
 * Plays states, one after another, on this thread.
 *
 * @returns what was done
 * @throws at the first state in which the victim did wrong: what, and how to play that state alone
 */
export function fuzzRing({ seed, states, first = 0, victim, progress }: RingFuzzOptions): FuzzReport {
  const report = emptyReport();
  for (let state = first; state < first + states; state++) {
    const attacked = victim ?? (state % 2 === 0 ? "backend" : "frontend");
    try {
      const random = new Random(seed, state);
      if (attacked === "backend") attackBackend(random, report);
      else attackFrontend(random, report);
    } catch (thrown) {
      const again = `deno task fuzz:ring --seed=${seed} --first=${state} --states=1 --victim=${attacked}`;
      const message = `State ${state} of seed ${seed}, against the ${attacked}: ${(thrown as Error).message}`;
      throw new Error(`${message}\nTo play it alone: ${again}`, { cause: thrown });
    }
    report.states++;
    if (report.states % PROGRESS_EVERY === 0) progress?.(report.states);
  }
  return report;
}
