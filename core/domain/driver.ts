/**
 * What a driver domain does: serve its rings until all frontends have left.
 *
 * @module
 */

import type { Allowance } from "../allowance.ts";
import { Backend } from "../backend.ts";
import { BoundedPolicy } from "../bounded_policy.ts";
import { DeficitRoundRobin } from "../deficit_round_robin.ts";
import type { DeviceGate } from "../device_gate.ts";
import { addUp, type Counters } from "../counters.ts";
import { ConnectionError } from "../errors.ts";
import { viewOf } from "../partition.ts";
import { RateLimit } from "../rate_limit.ts";
import type { NotificationPolicy } from "../notification.ts";
import { giveWay } from "../waiter.ts";
import { Command } from "./control.ts";
import { MeasurementWindow } from "./measurement.ts";
import type { DomainSetup, LinkSetup } from "./setup.ts";

/** How long devices may take to finish what they have, once the domain is to stop: less than the hypervisor waits. */
const LAST_REQUESTS_MS = 300;
/** Longest sleep while only the command to finish is awaited. */
const LAST_SLEEP_MS = 10;
const NS_PER_MS = 1e6;
/** Busy turns, less one, between two questions who has left; a power of two, less one. */
const BUSY_TURNS_MASK = 63;

/**
 * Runs a driver domain. Returns when every frontend has left, or at the command to stop.
 *
 * A device that completes requests by events gets a loop that serves them; all others get one that never gives way.
 *
 * @returns what its devices counted
 */
export async function runDriver(setup: DomainSetup): Promise<Counters> {
  const driver = new Driver(setup);
  if (driver.eventDriven) await driver.serveWithEvents();
  else driver.serve();
  return driver.end();
}

class Driver {
  readonly #setup: DomainSetup;
  readonly #gates: readonly DeviceGate[];
  /** Whether any device completes requests after they were submitted. */
  readonly #completesLater: boolean;
  readonly #window: MeasurementWindow;
  /** In what order the rings of each device are served. */
  readonly #rounds: readonly DeficitRoundRobin[];
  /** How the thread waits. */
  readonly #policy: NotificationPolicy;
  /** The same where clients have limits: no longer than until the first may go on that has used up its own. */
  readonly #bounded: BoundedPolicy | null;
  /** The backends whose frontends have not left. */
  #open: readonly Backend[];
  /** Whether the last turn ended with a wait. */
  #waited = false;
  /** Turns that had something to do. */
  #busyTurns = 0;
  /** The bell when it was last asked who has left. */
  #bellSeen: number;

  constructor(setup: DomainSetup) {
    const { control, waiter, policy, report, links, confinedTo } = setup;
    this.#setup = setup;
    this.#bellSeen = setup.events.bell;
    this.#gates = [...setup.gates.values()];
    this.#completesLater = this.#gates.some(({ asynchronous }) => asynchronous);
    const limits = limitsOf(links);
    this.#bounded = limits.size > 0 ? new BoundedPolicy(policy) : null;
    this.#policy = this.#bounded ?? policy;
    const take = (backend: Backend, allowance: Allowance | null): boolean => service(backend, allowance, setup);
    const rounds = new Map([...setup.gates].map(([name, gate]) => [name, new DeficitRoundRobin(gate, take)]));
    this.#rounds = [...rounds.values()];
    this.#open = links.map(({ boot, end }) => {
      const view = viewOf(setup.gates.get(boot.device) as DeviceGate, boot.client?.partition);
      const backend = new Backend(end, boot.options, view);
      const limit = limits.get(boot.client?.index) ?? null;
      waiter.add((rounds.get(boot.device) as DeficitRoundRobin).add(backend, limit, view.info.sizeBytes));
      return backend;
    });
    const pushes = this.#open.map((backend) => backend.pushes);
    this.#window = new MeasurementWindow(control, { waits: waiter.counters, pushes, meter: null, confinedTo }, report);
    for (const gate of this.#gates) {
      if (gate.asynchronous) waiter.add(gate);
      gate.listen(() => setup.events.wake());
    }
    // All say what they offer before the first is awaited: the frontends may come in any order.
    for (const backend of this.#open) backend.offer();
    for (const backend of this.#open) this.#connect(backend);
    report({ type: "ready" });
  }

  get eventDriven(): boolean {
    return this.#gates.some((gate) => gate.eventDriven);
  }

  serve(): void {
    const { waiter } = this.#setup;
    while (this.#goesOn()) {
      if (!this.#turn()) waiter.wait(this.#policy);
    }
  }

  async serveWithEvents(): Promise<void> {
    const { waiter } = this.#setup;
    while (this.#goesOn()) {
      if (this.#turn()) await giveWay();
      else await waiter.waitServingEvents(this.#policy);
    }
    for (const deadline = lastDeadline(); this.#busy && performance.now() < deadline;) {
      await giveWay();
      for (const gate of this.#gates) gate.reap();
    }
  }

  /**
   * Finishes what the devices have, and lets go of everything that none of them uses any more.
   *
   * @returns what the devices have counted
   */
  end(): Counters {
    const { events } = this.#setup;
    // The frontends may have heard of the end first: the window ends with the command, not with them.
    while (this.#window.observe() < Command.Finish) events.sleep(events.bell, LAST_SLEEP_MS);
    for (const deadline = lastDeadline(); this.#busy && !this.eventDriven && performance.now() < deadline;) {
      for (const gate of this.#gates) gate.reap();
    }
    for (const backend of this.#open) {
      if (!backend.busy) backend.close();
    }
    const counters = addUp(this.#gates.map((gate) => gate.counters()));
    for (const gate of this.#gates) gate.close();
    return counters;
  }

  get #busy(): boolean {
    return this.#gates.some(({ inFlight }) => inFlight > 0);
  }

  #goesOn(): boolean {
    return this.#open.length > 0 && this.#window.observe() !== Command.Stop;
  }

  /** One look at everything. Whether there was something to do; if not, it is time to wait. On the hot path. */
  #turn(): boolean {
    let worked = this.#serveAll();
    if (this.#completesLater) worked = this.#reap() || worked;
    // Now and then also when there is always work: else who leaves would wait until there is none.
    if (!worked || (++this.#busyTurns & BUSY_TURNS_MASK) === 0) this.#look();
    this.#waited = !worked;
    return worked || this.#open.length === 0;
  }

  /** A turn for the rings of each device. Where clients have limits, it finds out how long the next wait may take. */
  #serveAll(): boolean {
    const bounded = this.#bounded;
    const nowMs = bounded === null ? 0 : performance.now();
    let worked = false;
    let dueMs = Infinity;
    for (let i = 0; i < this.#rounds.length; i++) {
      const round = this.#rounds[i];
      worked = round.turn(nowMs) || worked;
      dueMs = Math.min(dueMs, round.dueMs);
    }
    if (bounded !== null) bounded.leftNs = (dueMs - nowMs) * NS_PER_MS;
    return worked;
  }

  /** Hands back what the devices have finished since; each frontend is told of all of it at once. On the hot path. */
  #reap(): boolean {
    const open = this.#open;
    let worked = false;
    for (let i = 0; i < open.length; i++) open[i].hold();
    for (let i = 0; i < this.#gates.length; i++) worked = this.#gates[i].reap() || worked;
    for (let i = 0; i < open.length; i++) open[i].release();
    return worked;
  }

  /** A frontend that leaves rings the bell. It may do so while others bring work, so no ring is taken for theirs alone. */
  #look(): void {
    const { bell } = this.#setup.events;
    if (!this.#waited && bell === this.#bellSeen) return;
    this.#bellSeen = bell;
    const open = closeUnused(this.#open, this.#setup);
    if (open === this.#open) return;
    this.#open = open;
    for (const round of this.#rounds) round.keep(open);
  }

  /** A frontend that does not come, or whose ring cannot be used, keeps no other from being served. */
  #connect(backend: Backend): void {
    try {
      backend.connect(() => this.#setup.control.stopRequested());
    } catch (thrown) {
      if (this.#open.length === 1) throw thrown;
      disconnect(backend, this.#setup.report, thrown);
    }
  }
}

function lastDeadline(): number {
  return performance.now() + LAST_REQUESTS_MS;
}

/** The limits of each client: its links share them. */
function limitsOf(links: readonly LinkSetup[]): ReadonlyMap<number | undefined, RateLimit> {
  const limits = new Map<number | undefined, RateLimit>();
  for (const { boot: { client } } of links) {
    if (client?.limits !== undefined && !limits.has(client.index)) {
      limits.set(client.index, new RateLimit(client.limits));
    }
  }
  return limits;
}

/** Serves one frontend. On the hot path. */
function service(backend: Backend, allowance: Allowance | null, { report }: DomainSetup): boolean {
  try {
    return backend.service(allowance);
  } catch (thrown) {
    disconnect(backend, report, thrown);
    return true;
  }
}

/** A frontend that has left is still served while the device has requests of it: they go into its memory. */
function isInUse(backend: Backend, { report }: DomainSetup): boolean {
  try {
    return backend.connected || backend.busy;
  } catch (thrown) {
    disconnect(backend, report, thrown);
    return backend.busy;
  }
}

/** A frontend that breaks the protocol loses its connection; the others keep theirs. */
function disconnect(backend: Backend, report: DomainSetup["report"], thrown: unknown): void {
  if (!(thrown instanceof ConnectionError)) throw thrown;
  backend.abandon();
  report({ type: "disconnected", message: thrown.message, peerDomainId: backend.peerDomainId });
}

/** Closes the links that are not used any more, and returns the others: as a rule the same list. */
function closeUnused(backends: readonly Backend[], setup: DomainSetup): readonly Backend[] {
  let left = backends;
  for (let i = 0; i < backends.length; i++) {
    const backend = backends[i];
    if (isInUse(backend, setup)) continue;
    backend.close();
    left = left.filter((each) => each !== backend);
  }
  return left;
}
