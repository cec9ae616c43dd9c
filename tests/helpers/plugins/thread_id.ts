/**
 * Which thread this is, as the kernel numbers them.
 *
 * @module
 */

import { openCLibrary } from "../../../core/libc.ts";

/** The calling thread's number among those of all processes; 0 where libc may not be called. */
export function threadId(): number {
  const library = openCLibrary({ gettid: { parameters: [], result: "i32" } });
  const id = library?.symbols.gettid() ?? 0;
  library?.close();
  return id;
}
