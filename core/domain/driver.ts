/**
 * What a driver domain does: serve its rings until all frontends have left.
 *
 * @module
 */

import { Backend } from "../backend.ts";
import type { DeviceGate } from "../device_gate.ts";
import { addUp, type Counters } from "../counters.ts";
import { ConnectionError } from "../errors.ts";
import { giveWay } from "../waiter.ts";
import { Command } from "./control.ts";
import { MeasurementWindow } from "./measurement.ts";
import type { DomainSetup } from "./setup.ts";

/** How long devices may take to finish what they have, once the domain is to stop: less than the hypervisor waits. */
const LAST_REQUESTS_MS = 300;
/** Longest sleep while only the command to finish is awaited. */
const LAST_SLEEP_MS = 10;
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
  readonly #window: MeasurementWindow;
  /** The backends whose frontends have not left. */
  #open: readonly Backend[];
  /** Whether the last turn ended with a wait. */
  #waited = false;
  /** Turns that had something to do. */
  #busyTurns = 0;
  /** The bell when it was last asked who has left. */
  #bellSeen: number;

  constructor(setup: DomainSetup) {
    const { control, waiter, report, links, confinedTo } = setup;
    this.#setup = setup;
    this.#bellSeen = setup.events.bell;
    this.#gates = [...setup.gates.values()];
    this.#open = links.map(({ boot, end }) => {
      return new Backend(end, boot.options, setup.gates.get(boot.device) as DeviceGate);
    });
    const pushes = this.#open.map((backend) => backend.pushes);
    this.#window = new MeasurementWindow(control, { waits: waiter.counters, pushes, meter: null, confinedTo }, report);
    for (const backend of this.#open) waiter.add(backend);
    for (const gate of this.#gates) {
      if (gate.asynchronous) waiter.add(gate);
      gate.listen(() => setup.events.wake());
    }
    // All say what they offer before the first is awaited: the frontends may come in any order.
    for (const backend of this.#open) backend.offer();
    for (const backend of this.#open) backend.connect(() => control.stopRequested());
    report({ type: "ready" });
  }

  get eventDriven(): boolean {
    return this.#gates.some((gate) => gate.eventDriven);
  }

  serve(): void {
    const { waiter, policy } = this.#setup;
    while (this.#goesOn()) {
      if (!this.#turn()) waiter.wait(policy);
    }
  }

  async serveWithEvents(): Promise<void> {
    const { waiter, policy } = this.#setup;
    while (this.#goesOn()) {
      if (this.#turn()) await giveWay();
      else await waiter.waitServingEvents(policy);
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
    const open = this.#open;
    let worked = false;
    for (let i = 0; i < open.length; i++) worked = service(open[i], this.#setup) || worked;
    for (let i = 0; i < this.#gates.length; i++) worked = this.#gates[i].reap() || worked;
    // Now and then also when there is always work: else who leaves would wait until there is none.
    if (!worked || (++this.#busyTurns & BUSY_TURNS_MASK) === 0) this.#look();
    this.#waited = !worked;
    return worked || this.#open.length === 0;
  }

  /** A frontend that leaves rings the bell. It may do so while others bring work, so no ring is taken for theirs alone. */
  #look(): void {
    const { bell } = this.#setup.events;
    if (!this.#waited && bell === this.#bellSeen) return;
    this.#bellSeen = bell;
    this.#open = closeUnused(this.#open, this.#setup);
  }
}

function lastDeadline(): number {
  return performance.now() + LAST_REQUESTS_MS;
}

/** Serves one frontend. On the hot path. */
function service(backend: Backend, { report }: DomainSetup): boolean {
  try {
    return backend.service();
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
  report({ type: "disconnected", message: thrown.message });
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
