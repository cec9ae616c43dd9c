/**
 * Where a result is saved.
 *
 * @module
 */

import type { Result } from "../core/runner/result.ts";
import { dirname, join } from "./paths.ts";

/** Where results are saved unless `--out` says otherwise. */
export const DEFAULT_OUT = "results";

/** The folder of `--out`: itself, or where its file lies. */
export function resultDirectory(out: string): string {
  return out.endsWith(".json") ? dirname(out) : out;
}

/** The file of one run. It is whole at every moment: each save writes a new file and renames it over the old. */
export class ResultFile {
  /** Its path. */
  readonly path: string;

  /**
   * @param out what `--out` says
   * @param scenario name of the scenario
   */
  constructor(out: string, scenario: string) {
    const time = new Date().toISOString().slice(0, 23).replaceAll(/[:.]/g, "-");
    this.path = out.endsWith(".json") ? out : join(out, `${scenario}-${time}.json`);
  }

  /** Saves a result over what was saved before. */
  async save(result: Result): Promise<void> {
    const partial = `${this.path}.partial`;
    await Deno.writeTextFile(partial, `${JSON.stringify(result, null, 2)}\n`);
    await Deno.rename(partial, this.path);
  }
}
