/**
 * Leads a machine through a sequence of faults, which follows from a seed, and then asks whether anything was lost, done
 * twice or left behind.
 *
 * @module
 */

import type { Counters } from "../counters.ts";
import { messageOf } from "../errors.ts";
import type { DomainResult, Hypervisor } from "../hypervisor.ts";
import { mulberry32 } from "../mulberry32.ts";
import type { Phases } from "../phases.ts";
import { FaultInjector, type FaultRecord } from "./injector.ts";
import { type Fault, type FaultNeeds, FaultSource } from "./kinds.ts";
import { descriptorCount, heapBytes, isAlive, settled } from "./leaks.ts";

/** What one machine of a campaign is to go through. Plain data. */
export interface FaultJob {
  /** What the faults follow from. */
  readonly seed: number;
  /** How many at most: one that must end the machine is the last. The last of all others comes while it closes. */
  readonly count: number;
  /** The domain of the driver. */
  readonly driver: string;
  /** The domains that use it. */
  readonly applications: readonly string[];
  /** How long a driver may show no sign of life. */
  readonly hangTimeoutMs: number;
  /** Whether restarts alone let operations fail, so that their number is not known beforehand. */
  readonly restartsFailOperations: boolean;
  /** What the machine has. */
  readonly machine: FaultNeeds;
}

/** What came of one machine. */
export interface FaultedMachine {
  /** What was lost, done twice, left behind or not as it must be; empty when all is well. */
  readonly complaints: readonly string[];
  /** Restarts of the driver. */
  readonly restarts: number;
  /** Counters of the applications. */
  readonly counters: Counters;
}

/** After how many faults it is noted what the machine has, which must not grow. */
const WARM = 3;
/** How much the heap may grow with each fault: what is kept of it. */
const HEAP_BYTES_PER_FAULT = 32 * 1024;
const HEAP_SLACK_BYTES = 4 * 2 ** 20;
const MS_PER_LOOK = 10;

/** What the hypervisor's process has. */
interface Possessions {
  readonly descriptors: number;
  readonly heapBytes: number;
  readonly faults: number;
}

/** Runs one machine of a campaign. */
export class FaultConductor {
  readonly #hypervisor: Hypervisor;
  readonly #job: FaultJob;
  readonly #tell: (record: FaultRecord) => void;
  readonly #complaints: string[] = [];
  readonly #records: FaultRecord[] = [];
  #injector: FaultInjector | undefined;
  /** The fault that is under way. */
  #present: { readonly number: number; readonly fault: Fault; readonly startedAt: number } | undefined;
  #early: Possessions | undefined;

  /**
   * Of a machine that is not run yet.
   *
   * @param tell told what came of each fault, at once
   */
  constructor(hypervisor: Hypervisor, job: FaultJob, tell: (record: FaultRecord) => void) {
    this.#hypervisor = hypervisor;
    this.#job = job;
    this.#tell = tell;
  }

  /** Runs the machine to its end. */
  async run(): Promise<FaultedMachine> {
    const descriptorsBefore = descriptorCount();
    let counters: Counters = {};
    try {
      const domains = await this.#hypervisor.run((phases) => this.#conduct(phases));
      this.#endedInOrder();
      counters = this.#checkOperations(domains);
      this.#checkGrants();
    } catch (thrown) {
      this.#failed(messageOf(thrown));
    }
    await this.#checkLeftovers(descriptorsBefore);
    const { driver } = this.#job;
    return { complaints: this.#complaints, restarts: this.#hypervisor.domain(driver).restarts.length, counters };
  }

  async #conduct(phases: Phases): Promise<void> {
    const { seed, count, hangTimeoutMs, machine } = this.#job;
    const source = new FaultSource(mulberry32(seed), machine);
    let finish = false;
    phases.finishRequested.then(() => finish = true);
    await phases.measure();
    const injector = this.#injector = new FaultInjector(this.#hypervisor, this.#job, hangTimeoutMs, phases.signal);
    for (let number = 1; number < count && !finish; number++) {
      if (!await injector.settle()) {
        throw new Error(`No operation was answered any more after fault ${number - 1}`);
      }
      const fault = source.next();
      this.#present = { number, fault, startedAt: performance.now() };
      this.#keep(await injector.inject(number, fault));
      if (fault.kind.outcome === "ended") return await phases.finish();
      if (number === WARM) this.#early = await possessions(number);
    }
    await injector.settle();
    await this.#compare();
    const number = this.#records.length + 1;
    const fault = source.nextAtEnd();
    this.#present = { number, fault, startedAt: performance.now() };
    const fired = injector.fireAtEnd(number, fault);
    await phases.finish();
    await fired;
  }

  #keep(record: FaultRecord): void {
    this.#present = undefined;
    this.#records.push(record);
    this.#tell(record);
    const { number, kind, step, expected, outcome, cause } = record;
    if (outcome === expected) return;
    // Who hears of a broken connection first decides: the hypervisor from the driver, or the frontend, which has another.
    if (outcome === "recovered" && expected === "ended") return;
    // A machine that is short of time may take a driver for dead that is not: it is replaced, and nothing is lost by it.
    if (outcome === "recovered" && expected === "absorbed") return;
    this.#complain(
      `Fault ${number} (${kind} at ${step}): ${outcome}, and not ${expected}${cause === null ? "" : `: ${cause}`}`,
    );
  }

  /** The machine ended in order, the last fault included. */
  #endedInOrder(): void {
    if (this.#present === undefined) return;
    const { number, fault } = this.#present;
    const record = this.#injector?.outcomeAtEnd(number, fault);
    if (record !== undefined) this.#keep(record);
  }

  /** The machine failed: as it must, or not. */
  #failed(message: string): void {
    const present = this.#present;
    if (present === undefined || this.#injector === undefined) return this.#complain(`The machine failed: ${message}`);
    const { number, fault, startedAt } = present;
    const ended = fault.kind.outcome === "ended" && /lost its connection/.test(message);
    this.#keep({
      ...this.#injector.describe(number, fault),
      outcome: ended ? "ended" : "lost",
      detectedMs: performance.now() - startedAt,
      cause: message,
    });
  }

  /** Each operation that was submitted was completed once, and as many failed as were made to. */
  #checkOperations(domains: ReadonlyMap<string, DomainResult>): Counters {
    const all: Record<string, number> = {};
    for (const name of this.#job.applications) {
      for (const [counter, value] of Object.entries(domains.get(name)?.counters ?? {})) {
        all[counter] = (all[counter] ?? 0) + value;
      }
    }
    const { operationsSubmitted, operationsCompleted, operationsFailed } = all;
    if (operationsSubmitted !== operationsCompleted) {
      this.#complain(`${operationsSubmitted} operations were submitted, ${operationsCompleted} completed`);
    }
    const expected = this.#records.filter(({ outcome }) => outcome === "failed").length;
    const right = this.#job.restartsFailOperations ? operationsFailed >= expected : operationsFailed === expected;
    if (!right) this.#complain(`${operationsFailed} operations failed, where ${expected} were made to`);
    return all;
  }

  /** A driver that ended in order has let go of all frames. */
  #checkGrants(): void {
    const last = this.#records.at(-1);
    const mapped = this.#injector?.mappedGrants ?? 0;
    if (last?.expected === "absorbed" && mapped > 0) this.#complain(`${mapped} grants are still mapped at the end`);
  }

  /** What the machine has must not grow with the faults that it goes through. */
  async #compare(): Promise<void> {
    const early = this.#early;
    if (early === undefined) return;
    let now = await possessions(this.#records.length);
    await settled(async () => {
      if (now.descriptors > early.descriptors) now = await possessions(this.#records.length);
      return now.descriptors <= early.descriptors;
    });
    if (now.descriptors > early.descriptors) {
      this.#complain(
        `${now.descriptors} descriptors are open after ${now.faults} faults, ${early.descriptors} were early`,
      );
    }
    const allowed = HEAP_SLACK_BYTES + HEAP_BYTES_PER_FAULT * (now.faults - early.faults);
    const grown = now.heapBytes - early.heapBytes;
    if (grown > allowed) this.#complain(`The heap has grown by ${grown} bytes in ${now.faults - early.faults} faults`);
  }

  /** Nothing is left of the machine. */
  async #checkLeftovers(descriptorsBefore: number): Promise<void> {
    const alive = (): readonly number[] => this.#injector?.processIds.filter(isAlive) ?? [];
    if (!await settled(() => alive().length === 0)) {
      this.#complain(`Drivers' processes are left: ${alive().join(", ")}`);
    }
    if (await settled(() => descriptorCount() <= descriptorsBefore)) return;
    this.#complain(`${descriptorCount()} descriptors are open after the machine, ${descriptorsBefore} were before it`);
  }

  #complain(what: string): void {
    this.#complaints.push(what);
  }
}

/** What this process has. What goes soon does not count: it is the least of several looks. */
async function possessions(faults: number): Promise<Possessions> {
  let descriptors = Infinity;
  for (let look = 0; look < 10; look++) {
    descriptors = Math.min(descriptors, descriptorCount());
    await new Promise((resolve) => setTimeout(resolve, MS_PER_LOOK));
  }
  return { descriptors, heapBytes: heapBytes(), faults };
}
