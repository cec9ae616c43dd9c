/**
 * A process without FFI, from some moment on.
 *
 * @module
 */

import { DomainError } from "../errors.ts";

/**
 * Gives up FFI for the rest of this process's life, in workers that it starts from now on, too. A domain does so when its
 * transport is set up and before it imports a plugin that does not declare `ffi`.
 *
 * What is refused afterwards: to open libraries and native modules, and to read, make or call pointers. What is not:
 * functions of libraries that are open already. Whoever holds them keeps them in private members; but a plugin shares the
 * realm, and could change built-in objects such that what passes through them comes to it. So this stops code that does
 * not set out to break it. What does, only the strict sandbox bounds.
 *
 * @throws {DomainError} when Deno grants it still
 */
export function revokeFfi(): void {
  const { state } = Deno.permissions.revokeSync({ name: "ffi" });
  if (state === "granted") throw new DomainError("Deno grants FFI to this process after it was revoked");
}
