/**
 * A driver domain on this thread, with scripted frontends.
 *
 * @module
 */

import type { BlockDevice } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { Command, DomainControl } from "../../core/domain/control.ts";
import type { DomainReport } from "../../core/domain/report.ts";
import type { DomainSetup } from "../../core/domain/setup.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import { XenbusState } from "../../core/xenbus.ts";
import { FRONT_STATE, interrupt, PumpWaiter, stepFrontend } from "./link.ts";
import { ScriptedFrontend } from "./scripted_frontend.ts";

/** Frontends with one device behind them, and a driver domain for it that is ready to run. */
export function driverFor(
  device: BlockDevice,
  frontendCount = 1,
  finished = true,
  events = new EventPage(allocateEventPage()),
) {
  const control = DomainControl.allocate(events);
  const frontends = Array.from({ length: frontendCount }, () => new ScriptedFrontend(device, {}, events));
  const waiter = new PumpWaiter();
  const reports: DomainReport[] = [];
  for (const frontend of frontends) frontend.offer();
  // Asked in every wait of the handshake.
  control.stopRequested = () => {
    for (const { ends } of frontends) stepFrontend(ends);
    return control.command === Command.Stop;
  };
  const setup: DomainSetup = {
    control,
    report: (report) => void reports.push(report),
    waiter,
    policy: interrupt,
    events,
    scratchDirectory: null,
    links: frontends.map(({ ends }) => ({
      boot: {
        side: "backend",
        device: "disk",
        options: ends.options,
        memory: ends.memory.buffer,
        peerDomainId: ends.back.peerDomainId,
        peerEvents: allocateEventPage().buffer,
        peerEventFd: null,
        port: ends.back.port,
        peerPort: ends.front.port,
      },
      end: ends.back,
    })),
    gates: new Map([["disk", new DeviceGate(device, () => {})]]),
    workload: null,
    seed: 1,
    confinedTo: null,
    requestTimeoutMs: null,
    recovery: null,
  };
  // Without it, a driver whose frontends have left waits for its measured window's end.
  if (finished) control.send(Command.Finish);
  return { setup, control, frontends, waiter, reports };
}

/** Does the steps one after the other, one in each wait of the domain. */
export function inTurn(waiter: PumpWaiter, ...steps: (() => void)[]): void {
  waiter.pump = () => {
    const step = steps.shift();
    if (step === undefined) throw new Error("the driver waits once more than was expected");
    step();
  };
}

export function stateOf({ ends }: ScriptedFrontend, word: number): number {
  return ends.memory.words[word];
}

export function leave({ ends }: ScriptedFrontend): void {
  ends.memory.words[FRONT_STATE] = XenbusState.Closing;
  ends.front.channel.wakePeer();
}
