/**
 * `--quick`: a look at a scenario instead of a measurement.
 *
 * @module
 */

import type { Override } from "../core/runner/load.ts";
import { formatDuration } from "../core/units.ts";

/** How long and how often a cell runs with `--quick`. */
export const QUICK = { repetitions: 1, warmupNs: 100e6, durationNs: 200e6 } as const;

/** What `--quick` puts into a scenario. It replaces what the file and its matrix say of the same. */
export const QUICK_OVERRIDES: readonly Override[] = [
  { path: "run.repetitions", value: String(QUICK.repetitions) },
  { path: "run.precision", value: "null" },
  { path: "run.redo", value: "0" },
  { path: "run.warmup", value: formatDuration(QUICK.warmupNs) },
  { path: "run.duration", value: formatDuration(QUICK.durationNs) },
];
