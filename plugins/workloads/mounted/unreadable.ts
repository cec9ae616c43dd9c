/**
 * The error of an output in which figures are missing.
 *
 * @module
 */

import { WorkloadError } from "../../../core/errors.ts";

const TOLD_CHARACTERS = 200;

/** Says what a program's output lacks, and how it ends. */
export function unreadable(program: string, missing: string, output: string): WorkloadError {
  const end = output.trim().slice(-TOLD_CHARACTERS);
  return new WorkloadError(
    `The output of ${program} has no ${missing}${
      end === "" ? ": it is empty" : `; it ends with ${JSON.stringify(end)}`
    }. ` +
      "With figures: none it is not read",
  );
}
