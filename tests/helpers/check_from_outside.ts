/**
 * Looks at what `verify` left on a medium with a program that shares no code with it.
 *
 * @module
 */

import { PROJECT } from "./run_deno.ts";

/** What `tests/tools/check_stamps.ts` finds. */
export interface Findings {
  readonly sectors: number;
  readonly stamped: number;
  readonly bad: number;
  readonly generationSum: number;
}

/** Checks the first `sizeBytes` of a file that was written in blocks of `blockBytes`. */
export async function checkFromOutside(file: string, sizeBytes: number, blockBytes = 4096): Promise<Findings> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", `--allow-read=${file}`],
      ...["tests/tools/check_stamps.ts", file, String(sizeBytes), String(blockBytes)],
    ],
    cwd: PROJECT,
  }).output();
  const text = new TextDecoder();
  const said = text.decode(stdout);
  if (said === "") throw new Error(`nothing was checked: ${text.decode(stderr)}`);
  return JSON.parse(said);
}
