/**
 * The last resort: errors that nothing caught.
 *
 * @module
 */

import { messageOf } from "../core/errors.ts";
import { removeScratchDirectories } from "../core/runner/scratch.ts";
import { ExitStatus } from "./exit_status.ts";

/**
 * Ends the program for an error that nothing caught: a terminal or a disk that takes no more output, or code of a plugin
 * that goes on after its import. What was measured is saved already, after each repetition.
 */
export function endUncaught(thrown: unknown): never {
  removeScratchDirectories();
  try {
    const place = thrown instanceof Error
      ? /\((?:file|https?|npm):.*\)|at (?:file|npm):.*/.exec(thrown.stack ?? "")
      : null;
    console.error(
      `iddr: ended by an error that nothing caught: ${messageOf(thrown)}${place === null ? "" : ` ${place[0]}`}`,
    );
  } catch {
    // Standard error takes nothing either; the exit status still tells.
  }
  Deno.exit(ExitStatus.Failed);
}
