/**
 * The options by which workloads say how they choose among the blocks of a device, as sysbench's fileio has them.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { type Draw, gaussian, pareto, type Random, uniform, zipfian } from "./random.ts";

/** The options, for a workload's own schema. */
export const randomBlockOptions = {
  randType: z.enum(["uniform", "gaussian", "pareto", "zipfian"]).default("uniform")
    .describe("How random modes choose blocks."),
  paretoH: z.number().gt(0).lt(1).default(0.2)
    .describe("With pareto: this share of the blocks gets all but this share of the operations."),
  zipfianExp: z.number().min(0).default(0.8).describe("With zipfian: the exponent."),
};

/** What the options say. */
export interface RandomBlocks {
  /** The distribution. */
  readonly randType: "uniform" | "gaussian" | "pareto" | "zipfian";
  /** See `pareto` in `random.ts`. */
  readonly paretoH: number;
  /** See `zipfian` in `random.ts`. */
  readonly zipfianExp: number;
}

/** Draws a block, from 0 up to `blocks`, as the options say. */
export function drawBlock(random: Random, blocks: number, { randType, paretoH, zipfianExp }: RandomBlocks): Draw {
  switch (randType) {
    case "uniform":
      return uniform(random, blocks);
    case "gaussian":
      return gaussian(random, blocks);
    case "pareto":
      return pareto(random, blocks, paretoH);
    case "zipfian":
      return zipfian(random, blocks, zipfianExp);
  }
}
