/**
 * Tests of a frontend, once for each way in which it gets its responses: from the ring, or handed over by another thread.
 * Where all is on one thread, that other thread works whenever the frontend looks for responses or has waited.
 *
 * @module
 */

import { completionFrames } from "../../core/completion_area.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import type { Frontend } from "../../core/frontend.ts";
import type { Completion, LinkOptions } from "../../core/link.ts";
import type { CompletionEnd, LinkEnd } from "../../core/link_end.ts";
import { SharedMemory } from "../../core/memory.ts";
import type { NotificationPolicy } from "../../core/notification.ts";
import { ResponseThread } from "../../core/response_thread.ts";
import type { WaitCounters, Waiter, WaitSource } from "../../core/waiter.ts";

/** How links are made whose options say nothing of it. */
let current: Completion = "inline";

/** See {@link testWays}. */
export function currentCompletion(): Completion {
  return current;
}

/** One test for each way; a link that the test makes is of that way unless it says otherwise. */
export function testWays(name: string, test: (completion: Completion) => void | Promise<void>): void {
  for (const completion of ["inline", "thread"] as const) {
    Deno.test(completion === "inline" ? name : `${name} (handed over by a response thread)`, async () => {
      const before = current;
      current = completion;
      try {
        await test(completion);
      } finally {
        current = before;
      }
    });
  }
}

/** What two threads share of a link, if it is used by two. */
export interface SharedByThreads {
  /** For the thread that submits. */
  readonly submitter?: CompletionEnd;
  /** For the thread that takes responses. */
  readonly responder?: CompletionEnd;
}

/** New memory for two threads, each with its own event page. */
export function sharedByThreads(options: LinkOptions, submits: EventPage, responds: EventPage): SharedByThreads {
  if (options.channel.completion === "inline") return {};
  const memory = SharedMemory.allocate(completionFrames(options));
  return { submitter: { memory, events: responds }, responder: { memory, events: submits } };
}

/** A new event page. */
export function newEventPage(): EventPage {
  return new EventPage(allocateEventPage());
}

/** A waiter that does not wait, as the test decides when its thread goes on. */
class IdleWaiter implements Waiter {
  readonly counters: WaitCounters = { spinHits: 0, spinMisses: 0, sleeps: 0, spunNs: 0, lostNs: 0, sleptNs: 0 };
  readonly #sources: WaitSource[] = [];

  add(source: WaitSource): void {
    this.#sources.push(source);
  }

  wait(): void {
    for (const source of this.#sources) source.disarm?.();
    for (const source of this.#sources) source.arm(1);
  }

  waitServingEvents(): Promise<void> {
    throw new Error("a response thread serves no events");
  }

  spin(): void {}
}

const sleepAtOnce: NotificationPolicy = { plan() {} };

/**
 * A response thread on this thread: it takes what is there whenever the frontend looks, and asks for a notification when
 * nothing was there. Without one, `frontend` is left as it is.
 *
 * @param waiter the frontend's
 */
export function answerOnThisThread(frontend: Frontend, waiter: Waiter, end: LinkEnd | null, link: LinkOptions): void {
  if (end?.completion === undefined) return;
  const thread = new ResponseThread({ end, link, waiter: new IdleWaiter(), policy: sleepAtOnce }, end.completion);
  const work = (): void => {
    while (thread.service());
    thread.wait();
  };
  const { poll } = frontend;
  const { wait } = waiter;
  frontend.poll = () => {
    work();
    const slot = poll.call(frontend);
    if (slot >= 0) return slot;
    work(); // What was published by the look may have been answered.
    return poll.call(frontend);
  };
  waiter.wait = (policy) => {
    wait.call(waiter, policy);
    work();
  };
}
