/**
 * What a scenario says of busy neighbours: threads that compute beside its domains and take core time from them.
 *
 * @module
 */

import { z } from "../schema.ts";

/** A list of cores. */
export const cpuList: z.ZodArray<z.ZodInt> = z.array(z.int().min(0).max(1023)).min(1);

const MAX_NEIGHBOURS = 64;

/** What is said of the neighbours, in full. */
export interface NeighbourOptions {
  /** How many there are; 0 for none. */
  readonly count: number;
  /** Which cores they are on, in turn: those of domains, any, or these. */
  readonly cpus: "spread" | "driver" | "application" | "none" | readonly number[];
  /** For which share of the time each of them wants its core: above 0, up to 1. */
  readonly duty: number;
}

/** What may be said of them: how many there are, or all of it. */
export type NeighbourCountOrOptions = number | NeighbourOptions;

/** The key `neighbours`: how many, or what is said of them in full. */
export const neighbours: z.ZodType<NeighbourCountOrOptions, number | Partial<NeighbourOptions>> = z.union([
  z.int().min(0).max(MAX_NEIGHBOURS),
  z.strictObject({
    count: z.int().min(1).max(MAX_NEIGHBOURS).default(1).describe("How many threads compute."),
    cpus: z.union([z.enum(["spread", "driver", "application", "none"]), cpuList]).default("spread").describe(
      "Where: each on one of the domains' cores in turn, the driver's first; on the driver's; on the application's; wherever " +
        "the kernel puts them; or on a list of cores in turn.",
    ),
    duty: z.number().gt(0).max(1).default(1).describe("For which share of each 10ms a neighbour wants its core."),
  }),
]);

/** The neighbours of a scenario, whose short form is their number. */
export function neighbourOptions(
  { neighbours: given }: { readonly neighbours: NeighbourCountOrOptions },
): NeighbourOptions {
  return typeof given === "number" ? { count: given, cpus: "spread", duty: 1 } : given;
}

/** How many there are, and in brackets what is not as by default: `2(cpus=driver, duty=0.5)`. */
export function neighbourLabel(scenario: { readonly neighbours: NeighbourCountOrOptions }): string {
  const { count, cpus, duty } = neighbourOptions(scenario);
  const said = [
    ...(cpus === "spread" ? [] : [`cpus=${typeof cpus === "string" ? cpus : `[${cpus.join(", ")}]`}`]),
    ...(duty === 1 ? [] : [`duty=${duty}`]),
  ];
  return said.length === 0 ? String(count) : `${count}(${said.join(", ")})`;
}
