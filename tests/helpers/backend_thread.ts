/**
 * A frontend on this thread whose backend is on another; where a thread takes its responses, that is a third. A sleep that
 * nobody ends is counted, and is so long that nothing else ends it.
 *
 * @module
 */

import { completionFrames } from "../../core/completion_area.ts";
import { allocateEventPage, EventChannel, EventPage } from "../../core/event_channel.ts";
import { Frontend } from "../../core/frontend.ts";
import { allocateLink, type LinkOptions } from "../../core/link.ts";
import type { CompletionEnd } from "../../core/link_end.ts";
import { SharedMemory } from "../../core/memory.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import { AtomicsWaiter } from "../../core/waiter.ts";
import type { BackendOutcome, BackendTask } from "./backend_worker.ts";
import type { ResponseOutcome, ResponseTask } from "./response_worker.ts";
import { PatientEventPage } from "./waiting.ts";

/** What came of the threads' waits. */
export interface ThreadsOutcome {
  /** Sleeps that nobody ended, on any side. */
  readonly unended: number;
  /** Times asleep, on each side. */
  readonly sleeps: { readonly front: number; readonly back: number };
  /** What came of the thread that takes responses; null where there is none. */
  readonly responses: ResponseOutcome | null;
}

const FRONT_PORT = 2;
const BACK_PORT = 1;

/** A worker that has loaded, and says one thing more. */
class Helper<Task, Outcome> {
  readonly #worker: Worker;
  readonly #loaded: Promise<unknown>;

  constructor(url: string) {
    this.#worker = new Worker(import.meta.resolve(url), { type: "module" });
    this.#loaded = this.#message();
  }

  /** Hands it its task, once it has loaded. */
  async begin(task: Task): Promise<void> {
    await this.#loaded;
    this.#worker.postMessage(task);
  }

  /** What it will say next. */
  outcome(): Promise<Outcome> {
    return this.#message();
  }

  terminate(): void {
    this.#worker.terminate();
  }

  #message<T>(): Promise<T> {
    return new Promise((resolve) => {
      this.#worker.addEventListener("message", ({ data }) => resolve(data), { once: true });
    });
  }
}

/**
 * Connects a frontend to a backend on another thread, lets `body` use it, and closes it.
 *
 * @param spinNs how long each wait spins for the other end of the ring
 */
export async function withBackendThread(
  options: LinkOptions,
  spinNs: number,
  body: (frontend: Frontend) => void,
): Promise<ThreadsOutcome> {
  const [link, mine, theirs, responds] = [
    allocateLink(options),
    ...[allocateEventPage(), allocateEventPage(), allocateEventPage()],
  ];
  const handed = options.channel.completion === "thread";
  const completions = handed ? SharedMemory.allocate(completionFrames(options)) : null;
  const notified = handed ? responds : mine;
  const backend = new Helper<BackendTask, BackendOutcome>("./backend_worker.ts");
  const responder = handed ? new Helper<ResponseTask, ResponseOutcome>("./response_worker.ts") : null;
  try {
    const common = { link: link.buffer, options, spinNs };
    await backend.begin({ ...common, events: theirs.buffer, peerEvents: notified.buffer });
    await responder?.begin({
      ...common,
      completions: (completions as SharedMemory).buffer,
      events: responds.buffer,
      submitterEvents: mine.buffer,
      backendEvents: theirs.buffer,
      ...{ port: FRONT_PORT, backendPort: BACK_PORT },
    });
    const events = new PatientEventPage(mine);
    const channel = new EventChannel(
      handed ? new EventPage(responds) : events,
      FRONT_PORT,
      new EventPage(theirs),
      BACK_PORT,
    );
    const completion: CompletionEnd | undefined = completions === null
      ? undefined
      : { memory: completions, events: new EventPage(responds) };
    const waiter = new AtomicsWaiter(events, () => {});
    const frontend = new Frontend({
      end: { memory: link, domainId: 1, peerDomainId: 2, events, port: FRONT_PORT, channel, completion },
      link: options,
      waiter,
      policy: { plan: (into) => void (into.spinNs = handed ? options.channel.submitSpinNs : spinNs) },
      meter: new OperationMeter(options.slots.count),
      stopRequested: () => false,
    });
    frontend.connect();
    body(frontend);
    const ended = [backend.outcome(), responder?.outcome()] as const;
    frontend.close();
    const [back, responses = null] = await Promise.all(ended);
    return {
      unended: events.unended + back.unended + (responses?.unended ?? 0),
      sleeps: { front: waiter.counters.sleeps, back: back.sleeps },
      responses,
    };
  } finally {
    backend.terminate();
    responder?.terminate();
  }
}
