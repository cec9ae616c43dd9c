/**
 * What a thread does about peers that ring its doorbell without end.
 *
 * Whoever has the doorbell can ring it, and each ring costs a wake and a look. So after some rings in a row that brought
 * no work, each wait begins with a short rest that no ring ends, until there is work or silence. A flood then costs its
 * victim a small part of one core, and the victim's other peers as much delay as a rest takes. (Xen's advisory 332, where
 * a guest could keep a driver domain busy for ever; the answer there is to mask an event until the driver has done
 * with it. Here the peer writes to the doorbell itself, so that masking would bind honest peers alone.)
 *
 * @module
 */

import type { EventPage } from "./event_channel.ts";

/** Rings in a row without work from which on they are a flood: an honest peer rings once or twice without work. */
const MAX_IDLE_RINGS = 64;
/** How long a thread rests from a flood. */
const REST_MS = 0.1;

/** Counts the rings of one doorbell that bring no work, and rests. */
export class FloodGuard {
  readonly #events: EventPage;
  #idleRings = 0;

  /** A guard of a page's doorbell. */
  constructor(events: EventPage) {
    this.#events = events;
  }

  /** Whether to rest before the next look. */
  get flooded(): boolean {
    return this.#idleRings >= MAX_IDLE_RINGS;
  }

  /** A wait has ended by a ring that brought no work. */
  idleRing(): void {
    this.#idleRings++;
  }

  /** There was work, or nobody rang. */
  calm(): void {
    this.#idleRings = 0;
  }

  /** Sleeps for a moment, whoever rings. */
  rest(): void {
    this.#events.rest(REST_MS);
  }

  /** As {@link rest}, while the thread's event loop goes on. */
  restServingEvents(): Promise<void> {
    return this.#events.restServingEvents(REST_MS);
  }
}
