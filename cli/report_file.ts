/**
 * A file that a command writes at its end, after much work: whether that is possible is found out before.
 *
 * @module
 */

import { messageOf } from "../core/errors.ts";
import { dirname } from "./paths.ts";

/** The folder in which the file shall be, if it is not there yet. */
export function missingFolder(path: string): string | undefined {
  try {
    Deno.statSync(dirname(path));
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return dirname(path);
  }
}

/**
 * Makes the folder of a file, and makes sure that the file can be written. What is in it stays.
 *
 * @returns why that is impossible; undefined when it is not
 */
export function prepareFile(path: string): string | undefined {
  try {
    const folder = missingFolder(path);
    if (folder !== undefined) Deno.mkdirSync(folder, { recursive: true });
    using file = Deno.openSync(path, { create: true, append: true });
    if (file.statSync().size === 0) Deno.removeSync(path);
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/**
 * Writes the file.
 *
 * @returns why that was impossible; undefined when it was not
 */
export function saveFile(path: string, text: string): string | undefined {
  try {
    Deno.writeTextFileSync(path, text);
  } catch (thrown) {
    return messageOf(thrown);
  }
}
