/**
 * A thread that takes the responses of a frontend on another one, until that has closed the connection.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { EventChannel, EventPage } from "../../core/event_channel.ts";
import type { LinkOptions } from "../../core/link.ts";
import { SharedMemory } from "../../core/memory.ts";
import { ResponseThread } from "../../core/response_thread.ts";
import { AtomicsWaiter } from "../../core/waiter.ts";
import { PatientEventPage } from "./waiting.ts";

/** What the worker is handed: the link's region, what both threads share, and the three event pages. */
export interface ResponseTask {
  readonly link: SharedArrayBuffer;
  readonly completions: SharedArrayBuffer;
  readonly events: SharedArrayBuffer;
  readonly submitterEvents: SharedArrayBuffer;
  readonly backendEvents: SharedArrayBuffer;
  readonly port: number;
  readonly backendPort: number;
  readonly options: LinkOptions;
  /** How long each wait spins, in nanoseconds. */
  readonly spinNs: number;
}

/** What the worker tells at its end. */
export interface ResponseOutcome {
  /** Sleeps that nobody ended. */
  readonly unended: number;
  /** Times asleep. */
  readonly sleeps: number;
  /** Responses that it took. */
  readonly taken: number;
  /** How often it woke the thread that submits. */
  readonly wakes: number;
}

if (typeof WorkerGlobalScope !== "undefined") {
  globalThis.onmessage = ({ data }: MessageEvent<ResponseTask>) => {
    const page = (buffer: SharedArrayBuffer): EventPage => new EventPage(SharedMemory.attach(buffer));
    const { port, backendPort, options, spinNs } = data;
    const events = new PatientEventPage(SharedMemory.attach(data.events));
    const channel = new EventChannel(events, port, page(data.backendEvents), backendPort);
    const completion = { memory: SharedMemory.attach(data.completions), events: page(data.submitterEvents) };
    const memory = SharedMemory.attach(data.link);
    const waiter = new AtomicsWaiter(events, () => {});
    const thread = new ResponseThread({
      end: { memory, domainId: 1, peerDomainId: 2, events, port, channel, completion },
      link: options,
      waiter,
      policy: { plan: (into) => void (into.spinNs = spinNs) },
    }, completion);
    while (!thread.ended) if (!thread.service()) thread.wait();
    const { handedOver: taken, wakes } = thread;
    const { sleeps } = waiter.counters;
    globalThis.postMessage({ unended: events.unended, sleeps, taken, wakes } satisfies ResponseOutcome);
  };
  globalThis.postMessage("listening");
}
