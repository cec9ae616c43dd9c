/**
 * What a thread can wait for.
 *
 * @module
 */

import type { Counterpart } from "./counterpart.ts";

/** Something that can give a thread work. */
export interface WaitSource {
  /** Whether there seems to be work: what a spin looks at. It may be late, and it may be wrong. On the hot path. */
  peek(): boolean;
  /** Whether there is work, by an atomic access: what decides before a sleep. */
  ready(): boolean;
  /**
   * Asks for the doorbell to be rung once `distance` more entries are there. Looking again is the waiter's task.
   *
   * @returns false when this source cannot ring: then the thread does not sleep but goes on looking
   */
  arm(distance: number): boolean;
  /** Takes the request back after a sleep. Only for sources that keep on ringing otherwise. */
  disarm?(): void;
  /** What a {@link peek} costs, in nanoseconds, where it is more than a load: a system call's, say. */
  readonly peekNs?: number;
  /** A file descriptor that is readable when there is work. A thread that watches it needs no ring from this source. */
  readonly descriptor?: number;
  /** How many entries were taken from it so far, modulo 2³², where it is a ring. */
  readonly taken?: number;
  /** The policy at its other end, where it is a ring. */
  readonly counterpart?: Counterpart;
}
