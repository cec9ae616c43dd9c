/**
 * Does faults to the driver of a machine, one after the other, and sees what comes of each.
 *
 * @module
 */

import type { Hypervisor } from "../hypervisor.ts";
import type { MachineDomainView } from "../machine_domain.ts";
import { SharedMemory } from "../memory.ts";
import { unlessAborted } from "../phases.ts";
import { XenbusState } from "../xenbus.ts";
import { type Fault, isHandshake, type Outcome, stepName } from "./kinds.ts";
import { FaultPage } from "./page.ts";
import { RingView } from "./ring_view.ts";

/** What came of a fault. Times in ms. */
export interface FaultRecord {
  /** Which fault of the machine, from 1. */
  readonly number: number;
  /** The kind's name. */
  readonly kind: string;
  /** The step's name. */
  readonly step: string;
  /** How often the driver passed the step before. */
  readonly skip: number;
  /** The fault's random number. */
  readonly value: number;
  /** What must come of it. */
  readonly expected: Outcome;
  /** What came of it: `unreached` where the driver never came to the step, `lost` where operations stopped for good. */
  readonly outcome: Outcome | "unreached" | "lost";
  /** From the fault to the moment at which it was noticed; null where nothing is noticed. */
  readonly detectedMs: number | null;
  /** From the fault to the first answer of the next driver; null where the driver went on. */
  readonly blackoutMs: number | null;
  /** What was noticed; null where nothing is. */
  readonly cause: string | null;
}

/** One link, as the campaign sees it. */
interface Link {
  readonly ring: RingView;
  readonly front: { readonly domain: MachineDomainView; readonly port: number };
  readonly backPort: number;
}

/** How long a driver may take to come to the step. */
const REACH_MS = 30_000;
/** How long operations may stand still after a fault, beyond what it takes to notice a hang. */
const STANDSTILL_MS = 30_000;
/** Answers after which a machine is taken to work. */
const ANSWERS = 8;
const LOOK_MS = 1;
/** Time between two rings for a state that was changed. */
const RING_MS = 5;
/** How late a fault comes at most that comes at any time. */
const ANY_TIME_MS = 20;
const MASKED_MS = 150;
const FIRST_UNKNOWN_STATE = 9;

/** Does faults to one machine. */
export class FaultInjector {
  readonly #driver: MachineDomainView;
  readonly #links: readonly Link[];
  readonly #page: FaultPage;
  readonly #signal: AbortSignal;
  readonly #hangTimeoutMs: number;
  /** Ids of all processes that the driver has had. */
  readonly #processIds = new Set<number>();
  #answersSeen: number[];
  #answers = 0;
  #restartsBeforeEnd = 0;

  /**
   * Of a machine that works.
   *
   * @param names of the driver's domain, and of those that use it
   * @param signal aborted when the machine ends
   */
  constructor(
    hypervisor: Hypervisor,
    names: { readonly driver: string; readonly applications: readonly string[] },
    hangTimeoutMs: number,
    signal: AbortSignal,
  ) {
    this.#driver = hypervisor.domain(names.driver);
    this.#page = new FaultPage(this.#driver.saboteurPage as SharedArrayBuffer);
    this.#links = names.applications.flatMap((name) => {
      const domain = hypervisor.domain(name);
      return domain.links.map(({ memory, options, port, peerPort }): Link => ({
        ring: new RingView(SharedMemory.attach(memory), options),
        front: { domain, port },
        backPort: peerPort,
      }));
    });
    this.#answersSeen = this.#links.map(({ ring }) => ring.responsesPublished);
    this.#hangTimeoutMs = hangTimeoutMs;
    this.#signal = signal;
  }

  /** Ids of the processes that the driver has had until now. */
  get processIds(): readonly number[] {
    return [...this.#processIds];
  }

  /** Waits until the machine answers operations. Returns false when it does not. */
  async settle(): Promise<boolean> {
    const from = this.#countAnswers();
    const works = await this.#until(() => this.#countAnswers() - from >= ANSWERS, STANDSTILL_MS + this.#hangTimeoutMs);
    const { processId } = this.#driver;
    if (processId !== undefined) this.#processIds.add(processId);
    return works;
  }

  /**
   * Does one fault, and waits for what comes of it.
   *
   * @throws the reason of the signal, when the machine ends
   */
  async inject(number: number, fault: Fault): Promise<FaultRecord> {
    const { kind, step } = fault;
    const { restarts } = this.#driver;
    const common = this.describe(number, fault);
    const provoked = isHandshake(step) ? 1 : 0;
    const known = restarts.length + provoked;
    const firedAtMs = await this.#fire(number, fault);
    if (firedAtMs === null) return { ...common, outcome: "unreached" };
    this.#answers = 0;
    const limitMs = STANDSTILL_MS + 2 * this.#hangTimeoutMs;
    if (kind.outcome === "failed" || kind.outcome === "absorbed") {
      const works = await this.settle();
      const last = restarts.at(-1);
      return restarts.length > known && last !== undefined
        ? { ...common, outcome: "recovered", cause: last.cause }
        : { ...common, outcome: works ? kind.outcome : "lost" };
    }
    const isNoticed = (): boolean => {
      // The peer may have put an index right before anybody saw that it was wrong.
      if (restarts.length > known) this.#page.disarm();
      else if (kind.outcome === "ended" && kind.deed !== null) this.#page.arm(number, fault, kind.deed);
      return restarts.length > known && restarts.at(-1)?.resumedAtMs !== null;
    };
    if (!await this.#until(isNoticed, limitMs)) {
      return { ...common, outcome: restarts.length > known ? "lost" : "absorbed" };
    }
    const [first, last] = [restarts[known], restarts[restarts.length - 1]];
    return {
      ...common,
      outcome: "recovered",
      detectedMs: first.noticedAtMs - firedAtMs,
      blackoutMs: (last.resumedAtMs ?? NaN) - firedAtMs,
      cause: first.cause,
    };
  }

  /**
   * Does a fault to a driver that is about to end: call it before the end begins.
   *
   * @returns settled when it was done, or the driver does not come to the step
   */
  async fireAtEnd(number: number, fault: Fault): Promise<void> {
    this.#restartsBeforeEnd = this.#driver.restarts.length;
    await this.#fire(number, fault);
  }

  /** What came of {@link fireAtEnd}, when the machine has ended in order. */
  outcomeAtEnd(number: number, fault: Fault): FaultRecord {
    const { restarts } = this.#driver;
    const common = this.describe(number, fault);
    const firedAtMs = this.#page.firedAtMs(number);
    if (firedAtMs === null) return { ...common, outcome: "unreached" };
    if (restarts.length === this.#restartsBeforeEnd) return { ...common, outcome: "absorbed" };
    const { noticedAtMs, cause } = restarts[this.#restartsBeforeEnd];
    return { ...common, outcome: "recovered", detectedMs: noticedAtMs - firedAtMs, cause };
  }

  /** A fault of which nothing has come yet. */
  describe(number: number, { kind, step, skip, value }: Fault): FaultRecord {
    return {
      ...{ number, kind: kind.name, step: stepName(step), skip, value, expected: kind.outcome },
      ...{ outcome: "unreached", detectedMs: null, blackoutMs: null, cause: null },
    };
  }

  /** Grants that a driver has mapped, of all links. */
  get mappedGrants(): number {
    return this.#links.reduce((sum, { ring }) => sum + ring.mappedGrants, 0);
  }

  /** Has a fault come to pass. Returns when that was, in ms since 1970; null where the driver did not come to the step. */
  async #fire(number: number, fault: Fault): Promise<number | null> {
    const { kind, step, value } = fault;
    let firedAtMs: number | null = null;
    if (kind.deed === null) {
      await this.#pause(value % ANY_TIME_MS);
      firedAtMs = performance.timeOrigin + performance.now();
    } else {
      this.#page.arm(number, fault, kind.deed);
      if (isHandshake(step)) this.#driver.signal("SIGKILL");
      await this.#until(() => (firedAtMs = this.#page.firedAtMs(number)) !== null, REACH_MS);
      if (firedAtMs === null) this.#page.disarm();
    }
    if (firedAtMs !== null) await this.#actOutside(fault);
    return firedAtMs;
  }

  async #actOutside({ kind, value }: Fault): Promise<void> {
    const driver = this.#driver;
    const link = this.#links[value % this.#links.length];
    const { ring, front, backPort } = link;
    switch (kind.outside) {
      case "SIGKILL":
      case "SIGSTOP":
        return driver.signal(kind.outside);
      case "kill-standby":
        return driver.signal("SIGKILL", "standby");
      case "backend-state":
        ring.forceBackendState(stateOtherThan([XenbusState.Connected], value));
        return await this.#ring(front.domain);
      case "frontend-state":
        ring.forceFrontendState(stateOtherThan(AFTER_CONNECTED, value));
        return await this.#ring(driver);
      case "frontend-leaves":
        ring.forceFrontendState(LEAVING[value % LEAVING.length]);
        return await this.#ring(driver);
      case "mask":
        driver.events.mask(backPort);
        await this.#pause(value % MASKED_MS);
        driver.events.clear(backPort); // What came meanwhile is lost.
        driver.events.unmask(backPort);
        return;
      case "ring":
        for (let i = value % 500; i >= 0; i--) {
          if (i % 2 === 0) driver.events.raise(backPort);
          else front.domain.events.raise(front.port);
          if (i % 3 === 0) driver.events.wake();
          if (i % 5 === 0) front.domain.events.wake();
          if (i % 50 === 0) await this.#pause(LOOK_MS);
        }
    }
  }

  /** Rings for a state that was changed, until the driver is replaced: who is rung for nothing does not look. */
  async #ring({ events }: MachineDomainView): Promise<void> {
    const { restarts } = this.#driver;
    const known = restarts.length;
    await this.#until(
      () => {
        events.wake();
        return restarts.length > known;
      },
      STANDSTILL_MS + this.#hangTimeoutMs,
      RING_MS,
    );
  }

  /** Answers that were seen since the last fault, of all links. An index that begins anew counts from there. */
  #countAnswers(): number {
    this.#answersSeen = this.#links.map(({ ring }, index) => {
      const now = ring.responsesPublished;
      const more = now - this.#answersSeen[index];
      this.#answers += more < 0 ? Math.max(0, now) : more;
      return now;
    });
    return this.#answers;
  }

  async #until(holds: () => boolean, timeoutMs: number, lookMs = LOOK_MS): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!holds()) {
      if (performance.now() > deadline) return false;
      await this.#pause(lookMs);
    }
    return true;
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    try {
      await unlessAborted(promise, this.#signal);
    } finally {
      clearTimeout(timer);
    }
  }
}

const LEAVING: readonly number[] = [XenbusState.Closing, XenbusState.Closed];

/** What a frontend may go on to from Connected, and that. */
const AFTER_CONNECTED: readonly number[] = [
  ...[XenbusState.Connected, XenbusState.Reconfiguring, XenbusState.Reconfigured],
  ...[XenbusState.Closing, XenbusState.Closed],
];

function stateOtherThan(excluded: readonly number[], value: number): number {
  const states = Array.from({ length: FIRST_UNKNOWN_STATE + 3 }, (_, state) => state)
    .filter((state) => !excluded.includes(state));
  return states[value % states.length];
}
