/**
 * A frontend on this thread whose backend is on another. A sleep that nobody ends is counted, and is so long that
 * nothing else ends it.
 *
 * @module
 */

import { allocateEventPage, EventChannel, EventPage } from "../../core/event_channel.ts";
import { Frontend } from "../../core/frontend.ts";
import { allocateLink, type LinkOptions } from "../../core/link.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import { AtomicsWaiter } from "../../core/waiter.ts";
import type { BackendOutcome, BackendTask } from "./backend_worker.ts";
import { PatientEventPage } from "./waiting.ts";

/** What came of the two threads' waits. */
export interface ThreadsOutcome {
  /** Sleeps that nobody ended, on either side. */
  readonly unended: number;
  /** Times asleep, on each side. */
  readonly sleeps: { readonly front: number; readonly back: number };
}

/** Connects a frontend to a backend on another thread, lets `body` use it, and closes it. */
export async function withBackendThread(
  options: LinkOptions,
  spinNs: number,
  body: (frontend: Frontend) => void,
): Promise<ThreadsOutcome> {
  const [link, mine, theirs] = [allocateLink(options), allocateEventPage(), allocateEventPage()];
  const worker = new Worker(import.meta.resolve("./backend_worker.ts"), { type: "module" });
  const message = <T>(): Promise<T> => {
    return new Promise((resolve) => worker.addEventListener("message", ({ data }) => resolve(data), { once: true }));
  };
  try {
    await message();
    const task: BackendTask = { link: link.buffer, events: theirs.buffer, peerEvents: mine.buffer, options, spinNs };
    worker.postMessage(task);
    const events = new PatientEventPage(mine);
    const channel = new EventChannel(events, 2, new EventPage(theirs), 1);
    const waiter = new AtomicsWaiter(events, () => {});
    const frontend = new Frontend({
      end: { memory: link, domainId: 1, peerDomainId: 2, events, port: 2, channel },
      link: options,
      waiter,
      policy: { plan: (into) => void (into.spinNs = spinNs) },
      meter: new OperationMeter(options.slots.count),
      stopRequested: () => false,
    });
    frontend.connect();
    body(frontend);
    const ended = message<BackendOutcome>();
    frontend.close();
    const back = await ended;
    return {
      unended: events.unended + back.unended,
      sleeps: { front: waiter.counters.sleeps, back: back.sleeps },
    };
  } finally {
    worker.terminate();
  }
}
