/**
 * A result that was really measured, in short repetitions on a busy machine: three policies at three queue depths.
 *
 * @module
 */

import { readResults } from "../../../core/runner/read_result.ts";
import type { Result } from "../../../core/runner/result.ts";

/** Its file, as `run --json` prints it. */
export const FIXTURE = new URL("./fixtures/policies-by-queue-depth.jsonl", import.meta.url).pathname;

/** Reads it. */
export async function fixture(): Promise<Result> {
  return (await readResults(FIXTURE))[0];
}
