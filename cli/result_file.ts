/**
 * Where a result is saved.
 *
 * @module
 */

import { messageOf } from "../core/errors.ts";
import type { Result } from "../core/runner/result.ts";
import { dirname, join } from "./paths.ts";

/** Where results are saved unless `--out` says otherwise. */
export const DEFAULT_OUT = "results";

/** The folder of `--out`: itself, or where its file lies. */
export function resultDirectory(out: string): string {
  return out.endsWith(".json") ? dirname(out) : out;
}

/**
 * Makes the folder for results, and makes sure that files can be put there before anything is measured.
 *
 * @param out what `--out` says
 * @returns why that is impossible; undefined when it is not
 */
export function prepareOut(out: string): string | undefined {
  const directory = resultDirectory(out);
  try {
    Deno.mkdirSync(directory, { recursive: true });
    Deno.removeSync(Deno.makeTempFileSync({ dir: directory, prefix: ".iddr-" }));
    if (out !== directory && isDirectory(out)) return `${out} is a folder; a name that ends in .json is a file's`;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** Whether a path is that of a folder; false where nothing is. */
export function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // Who uses it says why.
  }
}

/** The file of one run. It is whole at every moment: each save writes a new file and renames it over the old. */
export class ResultFile {
  /** Its path. */
  readonly path: string;
  #error: string | undefined;

  /**
   * @param out what `--out` says
   * @param scenario name of the scenario
   */
  constructor(out: string, scenario: string) {
    const time = new Date().toISOString().slice(0, 23).replaceAll(/[:.]/g, "-");
    this.path = out.endsWith(".json") ? out : join(out, `${scenario}-${time}.json`);
  }

  /** Why the last save failed; undefined when it did not. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Saves a result over what was saved before. When that fails, what was saved before stays. */
  save(result: Result): void {
    try {
      writeText(this.path, documentOf(result));
      this.#error = undefined;
    } catch (thrown) {
      this.#error = messageOf(thrown);
    }
  }
}

/**
 * The document, with a line for each part and each cell: to be read by programs, as it is written anew after each
 * repetition and has hundreds of numbers of each.
 */
function documentOf(result: Result): string {
  const parts = Object.entries(result).map(([name, value]) => {
    const text = name === "cells"
      ? `[\n${result.cells.map((cell) => JSON.stringify(cell)).join(",\n")}\n]`
      : JSON.stringify(value);
    return `${JSON.stringify(name)}: ${text}`;
  });
  return `{\n${parts.join(",\n")}\n}\n`;
}

/**
 * Writes a file as a whole over what was there before.
 *
 * @throws the error of the file system; what was there before stays then
 */
export function writeText(path: string, text: string): void {
  const partial = `${path}.partial`;
  try {
    // In one step for everything else here, so that a second Ctrl-C finds no half of it.
    Deno.writeTextFileSync(partial, text);
    Deno.renameSync(partial, path);
  } catch (thrown) {
    removeIfThere(partial);
    throw thrown;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It was not made, or the file system has failed altogether; the save's own error says why.
  }
}
