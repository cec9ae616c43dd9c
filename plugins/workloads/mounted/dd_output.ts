/**
 * What `dd` of GNU coreutils prints on its standard error.
 *
 * @module
 */

import type { Counters } from "../../../core/counters.ts";
import { unreadable } from "./unreadable.ts";

/**
 * The figures of the last copy.
 *
 * @throws {WorkloadError} when they are not there
 */
export function ddFigures(output: string): Counters {
  const found = [...output.matchAll(/^(\d+) bytes? (?:\(.*\) )?copied, ([\d.e+-]+) s,/gm)].at(-1);
  if (found === undefined) throw unreadable("dd", "line with bytes and seconds", output);
  return { copiedBytesPerSecond: Math.round(Number(found[1]) / Number(found[2])) };
}
