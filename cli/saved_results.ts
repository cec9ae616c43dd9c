/**
 * The results that a command names: files, and folders of them.
 *
 * @module
 */

import { messageOf } from "../core/errors.ts";
import { readResults, ResultError } from "../core/runner/read_result.ts";
import type { Result } from "../core/runner/result.ts";
import { join } from "./paths.ts";

/**
 * All results that are named, in order.
 *
 * @throws {ResultError} when a path holds none
 */
export async function readSaved(paths: readonly string[]): Promise<Result[]> {
  return (await Promise.all(paths.flatMap(savedFiles).map(readResults))).flat();
}

/**
 * The files of a folder that end in .json, by name; else the path itself.
 *
 * @throws {ResultError} when there is nothing, or no result in the folder
 */
export function savedFiles(path: string): string[] {
  let names: string[];
  try {
    if (!Deno.statSync(path).isDirectory) return [path];
    names = [...Deno.readDirSync(path)].filter(({ isFile }) => isFile).map(({ name }) => name);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) throw new ResultError(`${path}: there is no such file or folder`);
    throw new ResultError(`${path}: cannot be read: ${messageOf(thrown)}`);
  }
  const results = names.filter((name) => name.endsWith(".json")).sort();
  if (results.length === 0) throw new ResultError(`${path}: is a folder without a result (*.json)`);
  return results.map((name) => join(path, name));
}
