/**
 * A backend with a device in memory, on a thread of its own, until its frontend closes.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { Backend } from "../../core/backend.ts";
import { synchronous } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { EventChannel, EventPage } from "../../core/event_channel.ts";
import type { LinkOptions } from "../../core/link.ts";
import { SharedMemory } from "../../core/memory.ts";
import { AtomicsWaiter } from "../../core/waiter.ts";
import { MemoryDevice } from "./devices.ts";
import { PatientEventPage } from "./waiting.ts";

/** What the worker is handed: the link's region and both event pages. */
export interface BackendTask {
  readonly link: SharedArrayBuffer;
  readonly events: SharedArrayBuffer;
  readonly peerEvents: SharedArrayBuffer;
  readonly options: LinkOptions;
  /** How long each wait spins, in nanoseconds. */
  readonly spinNs: number;
}

/** What the worker tells at its end. */
export interface BackendOutcome {
  /** Sleeps that nobody ended. */
  readonly unended: number;
  /** Times asleep. */
  readonly sleeps: number;
}

if (typeof WorkerGlobalScope !== "undefined") {
  globalThis.onmessage = ({ data }: MessageEvent<BackendTask>) => {
    const events = new PatientEventPage(SharedMemory.attach(data.events));
    const channel = new EventChannel(events, 1, new EventPage(SharedMemory.attach(data.peerEvents)), 2);
    const memory = SharedMemory.attach(data.link);
    const gate = new DeviceGate(synchronous(new MemoryDevice()), () => {});
    const end = { memory, domainId: 2, peerDomainId: 1, events, port: 1, channel };
    const backend = new Backend(end, data.options, gate);
    const waiter = new AtomicsWaiter(events, () => {});
    waiter.add(backend);
    backend.offer();
    backend.connect(() => false);
    const plan = (into: { spinNs: number }): void => void (into.spinNs = data.spinNs);
    while (backend.connected) if (!backend.service()) waiter.wait({ plan });
    backend.close();
    globalThis.postMessage({ unended: events.unended, sleeps: waiter.counters.sleeps } satisfies BackendOutcome);
  };
  globalThis.postMessage("listening");
}
