/**
 * What carries a domain: the hypervisor's way to start and to end it, whatever its kind.
 *
 * @module
 */

import type { DomainBoot } from "./boot.ts";
import type { DomainReport } from "./report.ts";

/** The carrier of one domain, or of one incarnation of it. */
export interface DomainHost {
  /**
   * Hands the domain what it may reach; once.
   *
   * @param inherited the descriptors in it that a process must inherit, those of memory and doorbells excepted
   */
  boot(boot: DomainBoot, inherited: readonly number[]): void;
  /** Tells a domain that stands by to go on. */
  proceed(): void;
  /** Ends it at once, if that can be done from outside. */
  kill(): void;
  /** Resolves when it has ended and uses nothing of the machine any more. A worker that hangs never does. */
  readonly ended: Promise<void>;
}

/** Who is told what becomes of a domain. */
export interface DomainListener {
  /** What the domain says. A process may be made to say anything; it has been checked to be a report. */
  reported(report: DomainReport): void;
  /** It ended, or said what is no report. Also when it was killed, and after it has reported its end. */
  died(message: string): void;
}
