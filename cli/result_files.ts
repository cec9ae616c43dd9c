/**
 * Which files hold the results that a command names.
 *
 * @module
 */

import { messageOf } from "../core/errors.ts";
import { ResultError } from "../core/runner/read_result.ts";
import { join } from "./paths.ts";

/**
 * The files of a folder that end in .json, by name; else the path itself.
 *
 * @throws {ResultError} when there is nothing, or no result in the folder
 */
export function resultFiles(path: string): string[] {
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
