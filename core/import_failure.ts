/**
 * Why a plugin's module could not be imported, for who wrote it.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { messageOf } from "./errors.ts";

/** What Deno says of an import that failed, in one line; in our words where its own would send people astray. */
export function importFailure(url: string, cause: unknown): string {
  const said = stripVTControlCharacters(messageOf(cause));
  const unreadable = /^Requires read access to "(.*?)"/.exec(said)?.[1];
  if (unreadable !== undefined && url.startsWith("file:")) {
    const folder = fileURLToPath(new URL(".", url));
    return `it needs ${unreadable}, which may not be read. A domain reads the plugin's own folder, ${folder}, and ` +
      "what the plugin's permissions name, so that a plugin reaches nothing else of the disk";
  }
  if (said.startsWith("The lockfile is out of date")) {
    return "it comes from npm, and iddr's lock file, which must not change, does not have it. Run deno with --no-lock, " +
      "or with a lock file of your own: --lock=FILE --frozen=false";
  }
  // A second import of the same module repeats the last line; the drawing below a line of code says nothing alone.
  const lines = said.split("\n").map((line) => line.trim()).filter((line) => /[^\s|~^]/.test(line));
  return [...new Set(lines)].join(" ");
}
