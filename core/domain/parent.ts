/**
 * A process that does not outlive the one that started it.
 *
 * @module
 */

import { DomainError } from "../errors.ts";
import { openCLibrary } from "../libc.ts";

const SYMBOLS = {
  prctl: { parameters: ["i32", "i32"], result: "i32" },
  getppid: { parameters: [], result: "i32" },
} as const;

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/**
 * Has the kernel end this process when its parent ends, however that happens (`PR_SET_PDEATHSIG`).
 *
 * @param parent the process id that the parent must have
 * @param arranged whether who confined this process has seen to it, and left it no such call
 * @throws {DomainError} where that cannot be had, or the parent has ended meanwhile
 */
export function dieWithParent(parent: number, arranged: boolean): void {
  const library = openCLibrary(SYMBOLS);
  if (library === null || (!arranged && library.symbols.prctl(PR_SET_PDEATHSIG, SIGKILL) !== 0)) {
    throw new DomainError("A domain that is a process must end with its parent, which takes the C library");
  }
  const orphaned = library.symbols.getppid() !== parent;
  library.close();
  if (orphaned) throw new DomainError("The hypervisor has ended");
}
