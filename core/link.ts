/**
 * A link: what one frontend and one backend share, and where it lies in their region.
 *
 * | frames | hold |
 * |---|---|
 * | 0 | the handshake's words |
 * | next | the grant table |
 * | next 2^order | the ring |
 * | rest | data: 11 frames for each ring entry, contiguous |
 *
 * @module
 */

import { ENTRY_BYTES, MAX_SEGMENTS } from "./blkif.ts";
import { FIRST_GRANT_REFERENCE, GRANT_ENTRY_BYTES } from "./grant_table.ts";
import { FRAME_SIZE, SharedMemory } from "./memory.ts";
import { ringEntryCount } from "./ring.ts";

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
  /** First data frame. */
  readonly dataFrame: number;
  /** Frames of the whole region. */
  readonly frameCount: number;
}

/** The layout for a ring order. Both sides compute it; nothing in it is taken from the peer. */
export function linkLayout(ringOrder: number): LinkLayout {
  const entryCount = ringEntryCount(ringOrder, ENTRY_BYTES);
  const ringFrameCount = 1 << ringOrder;
  const dataFrameCount = entryCount * MAX_SEGMENTS;
  const references = FIRST_GRANT_REFERENCE + ringFrameCount + dataFrameCount;
  const grantFrameCount = Math.ceil((references * GRANT_ENTRY_BYTES) / FRAME_SIZE);
  const ringFrame = 1 + grantFrameCount;
  const dataFrame = ringFrame + ringFrameCount;
  return {
    ringOrder,
    entryCount,
    controlFrame: 0,
    grantFrame: 1,
    grantFrameCount,
    ringFrame,
    ringFrameCount,
    dataFrame,
    frameCount: dataFrame + dataFrameCount,
  };
}

/** A new region for a link. */
export function allocateLink(ringOrder: number): SharedMemory {
  return SharedMemory.allocate(linkLayout(ringOrder).frameCount);
}
