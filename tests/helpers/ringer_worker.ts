/**
 * Another thread that deals with an event page once it is told to. `mode` says how:
 *
 * - `work`: sets the work word, then raises port 0, as a producer does;
 * - `ring`: rings the bell without there being any work;
 * - `wake`: wakes whoever sleeps on the bell, without ringing it, and sets the work word once there was someone;
 * - `flood`: rings without end, until the work word is set;
 * - `descriptor`: makes a descriptor of a source readable once the owner of the page sleeps on descriptors.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { EventPage } from "../../core/event_channel.ts";
import { EventFd } from "../../core/event_fd.ts";
import { SharedMemory } from "../../core/memory.ts";

/** Word that tells the worker to go on. */
export const GO = 0;
/** Word that the worker sets when there is work. */
export const WORK = 1;

/** What the worker is told. */
export interface RingerTask {
  readonly mode: "work" | "ring" | "wake" | "flood" | "descriptor";
  readonly events: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
  /** The eventfd of the page's owner. */
  readonly eventFd: number | null;
  /** An eventfd that is a source's descriptor. */
  readonly sourceFd: number | null;
}

if (typeof WorkerGlobalScope !== "undefined") {
  globalThis.onmessage = ({ data }: MessageEvent<RingerTask>) => {
    const attach = (descriptor: number | null) => descriptor === null ? null : EventFd.attach(descriptor);
    const events = new EventPage(SharedMemory.attach(data.events), attach(data.eventFd));
    const words = new Int32Array(data.words);
    Atomics.wait(words, GO, 0, 60_000);
    if (data.mode === "work") {
      Atomics.store(words, WORK, 1);
      events.raise(0);
    } else if (data.mode === "ring") {
      events.wake();
    } else if (data.mode === "flood") {
      for (const until = performance.now() + 60_000; Atomics.load(words, WORK) === 0 && performance.now() < until;) {
        events.wake();
      }
    } else if (data.mode === "descriptor") {
      while (!events.isOnDescriptor);
      Atomics.store(words, WORK, 1);
      attach(data.sourceFd)?.ring();
    } else {
      while (Atomics.notify(new Int32Array(data.events), 0) === 0);
      Atomics.store(words, WORK, 1);
    }
  };
  globalThis.postMessage("listening");
}
