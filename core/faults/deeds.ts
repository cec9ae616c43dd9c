/**
 * What a saboteur does to its own domain.
 *
 * @module
 */

import { carriesData, FIRST_SEGMENT, Operation, SEGMENT_WORDS } from "../blkif.ts";
import type { BlockRequest } from "../block_device.ts";
import { allocateEventPage, EventPage } from "../event_channel.ts";
import { Deed } from "./kinds.ts";
import type { FaultPage } from "./page.ts";
import type { RingView } from "./ring_view.ts";

/** Where a deed is done. */
export interface Scene {
  /** The campaign's words. */
  readonly page: FaultPage;
  /** The links of the domain. */
  readonly rings: readonly RingView[];
  /** Whether a device of the domain has requests. */
  readonly busy: boolean;
  /** The request that the driver has in hand, where it is at one. */
  readonly request?: BlockRequest;
  /** Notifies the frontend, where the driver has just done so. */
  readonly notify?: () => void;
}

/** How long a driver is held that nobody ends. */
const HOLD_MS = 60_000;
/** The longest delay: less than what is taken for a hang. */
const MAX_DELAY_MS = 100;
/** How long a request is waited for that is to be changed. */
const REQUEST_WAIT_MS = 1000;
const LOOK_MS = 1;
/** A segment's sectors from 7 to 0, which is less than none. */
const IMPOSSIBLE_SECTORS = 7;

/**
 * Does what the page says, which is due.
 *
 * @returns whether what the driver was about to do must not be done: the request fails, or the notification is lost
 * @throws {Error} if that is the deed
 */
export function doDeed(scene: Scene): boolean {
  const { page } = scene;
  const { deed, value } = page;
  const change = REQUEST_CHANGES[deed];
  if (change !== undefined && scene.busy) return false;
  if (change !== undefined) {
    const words = pendingRequest(scene);
    // Another pass will find one: it stays armed.
    if (words === null) return false;
    page.fire();
    change(words, value);
    return false;
  }
  page.fire();
  switch (deed) {
    case Deed.Hold:
      sleepUntil(() => false, HOLD_MS);
      return false;
    case Deed.Throw:
      throw new Error("It was told to throw");
    case Deed.Exit:
      return Deno.exit(0);
    case Deed.Loop:
      for (;;);
    case Deed.Grow:
      return grow();
    case Deed.Fail:
    case Deed.LoseNotification:
      return true;
    case Deed.Delay:
      sleepUntil(() => false, 1 + value % MAX_DELAY_MS);
      return false;
    case Deed.RepeatNotification:
      for (let i = value % 100; i >= 0; i--) scene.notify?.();
      return false;
    case Deed.RequestIndex:
      ringOf(scene).moveRequestIndex(impossibleDistance(value));
      return false;
    case Deed.ResponseIndex:
      ringOf(scene).moveResponseIndex(impossibleDistance(value));
      for (;;); // To go on would put the index right again.
  }
  if (scene.request !== undefined) changeResponse(scene.request, deed, value);
  return false;
}

/** Changes what the backend makes a response of. */
function changeResponse(request: BlockRequest, deed: number, value: number): void {
  if (deed === Deed.ResponseId) request.idLow ^= 1 << (value % 32);
  else if (deed === Deed.ResponseSequence) request.idHigh ^= 1 << (value % 32);
  else if (deed === Deed.ResponseOperation) request.operation ^= 1 << (value % 8);
  else if (deed === Deed.ResponseStatus) request.status = value % 2 === 0 ? 1 + value % 0x7fff : -3 - value % 0x7fff;
  else if (deed === Deed.ResponseRepeated) request.owner.completed(request);
}

/** How a request in the ring is changed, that carries data; see `blkif.ts` for its words. */
const REQUEST_CHANGES: Readonly<Record<number, (words: Int32Array, value: number) => void>> = {
  [Deed.RequestReference](words, value) {
    // No grant table is so long.
    words[referenceWord(words, value)] ^= 1 << (20 + value % 12);
  },
  [Deed.RequestSegments](words, value) {
    if (value % 2 === 0 && carriesData(words[0] & 0xff)) words[FIRST_SEGMENT + 1] = IMPOSSIBLE_SECTORS;
    else if (carriesData(words[0] & 0xff)) {
      words[0] = (words[0] & ~0xff00) | ((value % 4 === 1 ? 0 : 12 + value % 200) << 8);
    } else words[0] = (words[0] & 0xffff) | ((value % 4 === 1 ? 0 : 257 + value % 60_000) << 16);
  },
  [Deed.RequestId](words, value) {
    words[2 + (value >> 8) % 2] ^= 1 << (value % 32);
  },
  [Deed.RequestOperation](words, value) {
    // Of an indirect request both are changed: what it answers as is the inner one.
    if (carriesData(words[0] & 0xff)) words[0] = (words[0] & ~0xff) | (32 + value % 200);
    else words[0] = (words[0] & ~0xff00) | ((32 + value % 200) << 8);
  },
};

/** The word of one of a request's references. */
function referenceWord(words: Int32Array, value: number): number {
  if ((words[0] & 0xff) === Operation.Indirect) return FIRST_SEGMENT + 1;
  const segmentCount = (words[0] >>> 8) & 0xff;
  return FIRST_SEGMENT + ((value >> 8) % segmentCount) * SEGMENT_WORDS;
}

/** A request that the driver has not seen; it has nothing to do, so all that it took are answered. */
function pendingRequest({ rings }: Scene): Int32Array | null {
  let found: Int32Array | null = null;
  sleepUntil(() => {
    for (const ring of rings) found ??= ring.pendingRequest();
    return found !== null;
  }, REQUEST_WAIT_MS);
  return found;
}

function ringOf({ rings, request, page }: Scene): RingView {
  return rings.find(({ memory }) => memory === request?.memory) ?? rings[page.value % rings.length];
}

/** How far an index is moved: beyond what the largest ring holds, forwards or back. */
function impossibleDistance(value: number): number {
  const distance = 513 + value % 1_000_000_000;
  return value % 2 === 0 ? distance : -distance;
}

/** Takes memory until the domain has no more. */
function grow(): never {
  const kept: number[][] = [];
  for (;;) kept.push(new Array<number>(1 << 16).fill(0.5));
}

/** Sleeps until something holds, for so long at most. */
function sleepUntil(holds: () => boolean, timeoutMs: number): void {
  const bed = new EventPage(allocateEventPage());
  const deadline = performance.now() + timeoutMs;
  while (!holds() && performance.now() < deadline) bed.sleep(bed.bell, LOOK_MS);
}
