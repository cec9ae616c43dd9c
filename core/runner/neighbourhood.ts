/**
 * A machine with busy neighbours, as its process runs it.
 *
 * @module
 */

import type { DomainError } from "../errors.ts";
import { type NeighbourPlan, Neighbours, type NeighbourUsage } from "../neighbours.ts";
import type { Conductor } from "../phases.ts";

/** What a machine has of neighbours, and what they used. */
export interface Neighbourhood {
  /** Lets the neighbours compute for as long as the conductor leads the machine, the warm-up included. */
  around(conduct: Conductor): Conductor;
  /** Lets them compute from now on. */
  begin(): void;
  /** What they used in the measured window; null without neighbours. */
  usage(): NeighbourUsage | null;
}

/** Nobody. */
const NOBODY: Neighbourhood = { around: (conduct) => conduct, begin() {}, usage: () => null };

/**
 * Starts the neighbours of a machine, if it has any.
 *
 * @param failed told when one ends by an error later
 * @param note told what is done without
 * @throws {DomainError} when one cannot be started
 */
export async function startNeighbours(
  plans: readonly NeighbourPlan[],
  failed: (reason: DomainError) => void,
  note: (text: string) => void,
): Promise<Neighbourhood> {
  if (plans.length === 0) return NOBODY;
  const neighbours = await Neighbours.start(plans, failed);
  const { confinedTo } = neighbours;
  if (confinedTo === null) {
    note(
      "the neighbours run wherever the kernel puts them, and so perhaps on no domain's core: they share one where domains " +
        "are confined to cores (affinity, --allow-ffi) and neighbours.cpus is not none",
    );
  }
  let cpuCores: number | null = null;
  return {
    around: (conduct) => async (phases) => {
      neighbours.compute();
      let [startedAt, startedNs] = [NaN, NaN];
      try {
        await conduct({
          ...phases,
          async measure() {
            await phases.measure();
            [startedAt, startedNs] = [performance.now(), neighbours.cpuNs()];
          },
          async finish() {
            const used = (neighbours.cpuNs() - startedNs) / ((performance.now() - startedAt) * 1e6);
            cpuCores ??= Number.isFinite(used) ? used : null;
            await phases.finish();
          },
        });
      } finally {
        neighbours.stop();
      }
    },
    begin: () => neighbours.compute(),
    usage: () => ({ cpuCores, confinedTo }),
  };
}
