/**
 * What a driver domain does: serve its rings until all frontends have left.
 *
 * @module
 */

import { Backend } from "./backend.ts";
import type { DeviceGate } from "./block_device.ts";
import { Command } from "./domain.ts";
import type { DomainSetup } from "./domain_setup.ts";
import { MeasurementWindow } from "./measurement.ts";

/** Runs a driver domain. Returns when every frontend has closed, or at the command to stop. */
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

  while (window.observe() !== Command.Stop) {
    let worked = false;
    for (let i = 0; i < backends.length; i++) worked = backends[i].service() || worked;
    for (let i = 0; i < gates.length; i++) worked = gates[i].reap() || worked;
    if (worked) continue;
    if (!backends.some(isConnected)) break;
    waiter.wait(policy);
  }
  for (const backend of backends) backend.close();
  for (const gate of gates) gate.close();
}

function isConnected(backend: Backend): boolean {
  return backend.connected;
}
