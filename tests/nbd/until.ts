/**
 * Waiting for what becomes true in its own time.
 *
 * @module
 */

import { deadline, inVain } from "./wire.ts";

/** Most things become true at once: the first pauses are as short as they can be. */
const SHORT_PAUSES = 50;
const PAUSE_MS = 2;

/** Asks until the answer is yes. Throws after a generous time. */
export async function until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + deadline.ms;
  for (let pauses = 0; !await isTrue(); pauses++) {
    if (performance.now() > end) throw new Error(inVain(what));
    await new Promise((resolve) => setTimeout(resolve, pauses < SHORT_PAUSES ? 0 : PAUSE_MS));
  }
}
