/**
 * A link: what one frontend and one backend share, where it lies in their region, and how they use it.
 *
 * | frames | hold |
 * |---|---|
 * | 0 | the handshake's words |
 * | next | the grant table |
 * | next 2^order | the ring |
 * | next, a frame for each ring entry, if requests may be indirect | segments |
 * | rest | data: the slots' buffers, contiguous |
 *
 * @module
 */

import { ENTRY_BYTES, MAX_SEGMENTS } from "./blkif.ts";
import { FIRST_GRANT_REFERENCE, GRANT_ENTRY_BYTES } from "./grant_table.ts";
import { FRAME_SIZE, SharedMemory } from "./memory.ts";
import { ringEntryCount } from "./ring.ts";

/** Whether the workload's buffers are the granted frames, or the frontend copies between the two. */
export type Transfer = "copy" | "zero-copy";
/** How a consumer tells the producer whether it wants to be notified; see `ring.ts`. */
export type Suppression = "event-index" | "sleep-flag";

/** Whether the thread that submits takes the responses, or another one of its domain does and hands them over. */
export type Completion = "inline" | "thread";

/** How the two ends of a link use it. */
export interface ChannelOptions {
  /** Base-2 logarithm of the ring's frames, 0 to 4. */
  readonly ringOrder: number;
  /** See {@link Transfer}. */
  readonly transfer: Transfer;
  /** See {@link Suppression}. */
  readonly suppression: Suppression;
  /** The frontend publishes requests at the latest when so many wait, at least 1. */
  readonly batch: number;
  /** Whether the frontend joins requests to adjacent sectors that wait to be published. */
  readonly merge: boolean;
  /** Most segments of an indirect request, up to {@link MAX_INDIRECT_SEGMENTS}; 0: no indirect requests. */
  readonly indirectSegments: number;
  /** Which thread takes responses off the ring. */
  readonly completion: Completion;
  /** How long the frontend looks for a response after a push before it goes on submitting, in nanoseconds. */
  readonly submitSpinNs: number;
}

/** The slots of a queue. */
export interface SlotOptions {
  /** How many, at least 1. */
  readonly count: number;
  /** Bytes in the buffer of each. */
  readonly bytes: number;
}

/** All that decides how a link is laid out and used. */
export interface LinkOptions {
  /** See {@link ChannelOptions}. */
  readonly channel: ChannelOptions;
  /** The frontend's slots. */
  readonly slots: SlotOptions;
}

/** Most segments of an indirect request: what a backend offers, as Linux's does; they fit into half a frame. */
export const MAX_INDIRECT_SEGMENTS = 256;

/** A channel as it is when nothing else is said. */
export const DEFAULT_CHANNEL: ChannelOptions = {
  ringOrder: 0,
  transfer: "zero-copy",
  suppression: "event-index",
  batch: 32,
  merge: false,
  indirectSegments: 32,
  completion: "inline",
  submitSpinNs: 0,
};

/** Where everything lies in a link's region. */
export interface LinkLayout {
  /** Base-2 logarithm of the ring's frames, 0 to 4. */
  readonly ringOrder: number;
  /** Entries of the ring. */
  readonly entryCount: number;
  /** The handshake's frame. */
  readonly controlFrame: number;
  /** First frame of the grant table. */
  readonly grantFrame: number;
  /** Frames of the grant table. */
  readonly grantFrameCount: number;
  /** First frame of the ring. */
  readonly ringFrame: number;
  /** Frames of the ring. */
  readonly ringFrameCount: number;
  /** First of the frames that hold segments. */
  readonly segmentFrame: number;
  /** How many there are: one for each entry, or none. */
  readonly segmentFrameCount: number;
  /** First data frame. */
  readonly dataFrame: number;
  /** Data frames of each slot. */
  readonly slotFrameCount: number;
  /** Frames of the whole region. */
  readonly frameCount: number;
}

/** The layout for some options. Both sides compute it; nothing in it is taken from the peer. */
export function linkLayout({ channel, slots }: LinkOptions): LinkLayout {
  const entryCount = ringEntryCount(channel.ringOrder, ENTRY_BYTES);
  const ringFrameCount = 1 << channel.ringOrder;
  const slotFrameCount = slotFrames(slots);
  const mayBeIndirect = channel.indirectSegments > MAX_SEGMENTS && (slotFrameCount > MAX_SEGMENTS || channel.merge);
  const segmentFrameCount = mayBeIndirect ? entryCount : 0;
  const dataFrameCount = slots.count * slotFrameCount;
  const references = FIRST_GRANT_REFERENCE + ringFrameCount + segmentFrameCount + dataFrameCount;
  const grantFrameCount = Math.ceil((references * GRANT_ENTRY_BYTES) / FRAME_SIZE);
  const ringFrame = 1 + grantFrameCount;
  const segmentFrame = ringFrame + ringFrameCount;
  const dataFrame = segmentFrame + segmentFrameCount;
  return {
    ringOrder: channel.ringOrder,
    entryCount,
    controlFrame: 0,
    grantFrame: 1,
    grantFrameCount,
    ringFrame,
    ringFrameCount,
    segmentFrame,
    segmentFrameCount,
    dataFrame,
    slotFrameCount,
    frameCount: dataFrame + dataFrameCount,
  };
}

/** Frames that the buffer of one slot takes. */
export function slotFrames({ bytes }: SlotOptions): number {
  return Math.max(1, Math.ceil(bytes / FRAME_SIZE));
}

/** A new region for a link. */
export function allocateLink(options: LinkOptions): SharedMemory {
  return SharedMemory.allocate(linkLayout(options).frameCount);
}
