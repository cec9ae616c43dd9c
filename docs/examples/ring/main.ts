/**
 * Two workers talk over a ring, with no scenario, device or hypervisor: `deno run --allow-read main.ts [ROUND TRIPS]`.
 *
 * One worker asks, the other answers. They share one frame for the ring, and each has an event page on which it sleeps.
 *
 * @module
 */

import { allocateEventPage, initialiseRing, SharedMemory } from "iddr";

const roundTrips = Number(Deno.args[0] ?? 1_000_000);

// A frame of 4 KiB holds a ring of 32 entries. Zeroed memory is no empty ring yet: its event indices must be 1.
const ring = SharedMemory.allocate(1);
initialiseRing(ring.words);

// An event page is a doorbell. Its owner sleeps on it; whoever holds the page can ring.
const events = { asks: allocateEventPage(), answers: allocateEventPage() };

/** Starts one side, and is settled when that side has done all its round trips. */
function start(role: "asks" | "answers"): Promise<number> {
  const worker = new Worker(import.meta.resolve("./worker.ts"), { type: "module", name: role });
  const peer = role === "asks" ? "answers" : "asks";
  worker.postMessage({
    role,
    roundTrips,
    ring: ring.buffer,
    ownEvents: events[role].buffer,
    peerEvents: events[peer].buffer,
  });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data: milliseconds }) => {
      worker.terminate();
      resolve(milliseconds);
    };
    worker.onerror = ({ message }) => reject(new Error(message));
  });
}

const [milliseconds] = await Promise.all([start("asks"), start("answers")]);
const perSecond = Math.round(roundTrips / (milliseconds / 1000));
const each = Math.round((milliseconds * 1e6) / roundTrips);
console.log(`${roundTrips} round trips: ${perSecond} a second, ${each} ns each`);
