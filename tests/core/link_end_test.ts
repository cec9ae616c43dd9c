// A backend's wait for the frontend of the driver before it.
import assert from "node:assert/strict";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import { awaitGeneration } from "../../core/link_end.ts";
import { XenbusStore } from "../../core/xenbus.ts";
import { linkEnds, linkOptions } from "../helpers/link.ts";

/** A page that notes whether a sleep would have lasted. */
class NotedPage extends EventPage {
  readonly sleptThroughRing: boolean[] = [];

  override sleep(seen: number): void {
    this.sleptThroughRing.push(seen === this.bell);
  }
}

Deno.test("a frontend that begins anew just after the backend has looked is not slept through", () => {
  const { back, memory } = linkEnds(linkOptions());
  const words = memory.frameWords(0, 1);
  const frontend = XenbusStore.frontend(words);
  const backend = XenbusStore.backend(words);
  const events = new NotedPage(allocateEventPage());
  let looks = 0;
  const read = backend.read.bind(backend);
  backend.read = (key, index) => {
    const found = read(key, index);
    if (key === "generation" && looks++ === 0) {
      frontend.write("generation", 1);
      events.wake();
    }
    return found;
  };
  assert(awaitGeneration({ ...back, events, generation: () => 1 }, backend, () => false));
  assert.deepEqual([looks, events.sleptThroughRing], [2, [false]]);
});
