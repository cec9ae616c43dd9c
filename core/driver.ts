/**
 * What a driver domain does: serve its rings until all frontends have left.
 *
 * @module
 */

import { Backend } from "./backend.ts";
import type { DeviceGate } from "./device_gate.ts";
import { Command } from "./domain.ts";
import type { DomainSetup } from "./domain_setup.ts";
import { ConnectionError } from "./errors.ts";
import { MeasurementWindow } from "./measurement.ts";

/** How often the devices are looked at for what they still have, once the domain is to stop. */
const LAST_LOOKS = 1000;
/** Longest sleep while only the command to finish is awaited. */
const LAST_SLEEP_MS = 10;

/** Runs a driver domain. Returns when every frontend has left, or at the command to stop. */
export function runDriver(setup: DomainSetup): void {
  const { control, waiter, policy, report } = setup;
  const stopRequested = (): boolean => control.stopRequested();
  const gates = [...setup.gates.values()];
  const backends = setup.links.map(({ boot, end }) => {
    return new Backend(end, boot.ringOrder, setup.gates.get(boot.device) as DeviceGate);
  });
  const measured = { waits: waiter.counters, pushes: backends.map(({ pushes }) => pushes), meter: null };
  const window = new MeasurementWindow(control, measured, report);
  for (const backend of backends) waiter.add(backend);
  for (const gate of gates) if (gate.asynchronous) waiter.add(gate);
  for (const backend of backends) backend.connect(stopRequested);
  report({ type: "ready" });

  let open: readonly Backend[] = backends;
  let waited = false;
  while (open.length > 0 && window.observe() !== Command.Stop) {
    let worked = false;
    for (let i = 0; i < open.length; i++) worked = service(open[i], setup) || worked;
    for (let i = 0; i < gates.length; i++) worked = gates[i].reap() || worked;
    if (!worked) {
      // A wait that brought no work may have ended because a frontend has left: its change of state rings the bell.
      if (waited) open = closeUnused(open, setup);
      if (open.length > 0) waiter.wait(policy);
    }
    waited = !worked;
  }
  // The frontends may have heard of the end first: the window ends with the command, not with them.
  while (window.observe() < Command.Finish) setup.events.sleep(setup.events.bell, LAST_SLEEP_MS);
  for (let look = 0; look < LAST_LOOKS && gates.some(({ inFlight }) => inFlight > 0); look++) {
    for (const gate of gates) gate.reap();
  }
  for (const backend of open) backend.close();
  for (const gate of gates) gate.close();
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
  report({ type: "failed", message: thrown.message });
}

function closeUnused(backends: readonly Backend[], setup: DomainSetup): readonly Backend[] {
  return backends.filter((backend) => {
    const inUse = isInUse(backend, setup); // Asked once: the frontend may leave between two questions.
    if (!inUse) backend.close();
    return inUse;
  });
}
