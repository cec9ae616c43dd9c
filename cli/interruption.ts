/**
 * Ctrl-C and its kin.
 *
 * @module
 */

import { removeScratchDirectories } from "../core/runner/scratch.ts";
import { ExitStatus } from "./exit_status.ts";

/** A signal that Ctrl-C, SIGTERM or the end of the terminal aborts; a second one ends the program at once. */
export function interruptible(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => {
      if (controller.signal.aborted) {
        removeScratchDirectories();
        Deno.exit(ExitStatus.Interrupted);
      }
      controller.abort();
    });
  }
  return controller.signal;
}
