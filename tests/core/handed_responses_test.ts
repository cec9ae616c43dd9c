import assert from "node:assert/strict";
import { entryWord, Operation } from "../../core/blkif.ts";
import { CompletionArea, completionFrames } from "../../core/completion_area.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import { HandedResponses } from "../../core/handed_responses.ts";
import { allocateLink, DEFAULT_CHANNEL, linkLayout } from "../../core/link.ts";
import type { LinkEnd } from "../../core/link_end.ts";
import { SharedMemory } from "../../core/memory.ts";
import { initialiseRing, Ring } from "../../core/ring.ts";

/** A page whose owner, when it rests, lets the other thread go on. */
class RestingEventPage extends EventPage {
  onRest = (): void => assert.fail("there is nothing to wait for");

  constructor() {
    super(allocateEventPage());
  }

  override rest(): void {
    this.onRest();
  }
}

Deno.test("once it is paused, no answer is missed, though the other thread has the lock for a moment", () => {
  const options = { channel: { ...DEFAULT_CHANNEL, completion: "thread" as const }, slots: { count: 4, bytes: 4096 } };
  const layout = linkLayout(options);
  const words = allocateLink(options).frameWords(layout.ringFrame, layout.ringFrameCount);
  initialiseRing(words);
  const [front, back] = [Ring.front(words, layout.entryCount), Ring.back(words, layout.entryCount)];
  const memory = SharedMemory.allocate(completionFrames(options));
  const events = new RestingEventPage();
  const responses = new HandedResponses({ events } as unknown as LinkEnd, { memory, events }, options, front, words);
  const { shadow } = responses;
  shadow.setUsable(true);
  responses.begin();
  shadow.beginAlone(0, Operation.Read, 0, 4096);
  const id = shadow.assign(0);
  front.produce();
  front.push();
  const at = entryWord(back.entryOf(back.consumed));
  words.set([id, shadow.sequence(id), Operation.Read], at);
  back.produce();
  back.push();

  responses.pause();
  const other = new CompletionArea(memory, options);
  assert(other.tryLock());
  let rests = 0;
  events.onRest = () => {
    if (++rests === 3) other.unlock();
  };
  assert.deepEqual([responses.see(), rests], [1, 3]);
});
