/**
 * What the hypervisor tells a device when it opens the medium, for tests.
 *
 * @module
 */

import { type CreateContext, type MediumContext, NO_CONSENT } from "../../core/plugin.ts";

/**
 * A context without a folder, in which nothing may be destroyed and notes are lost, with what the test changes; for the
 * device that is made on the medium too.
 */
export function mediumContext(changes: Partial<MediumContext> = {}): MediumContext & CreateContext {
  return {
    scratchDirectory: null,
    ...NO_CONSENT,
    note: () => {},
    alive: () => {},
    allocate: (byteLength) => new SharedArrayBuffer(byteLength, { maxByteLength: byteLength }),
    inherit: () => {},
    ...changes,
  };
}
