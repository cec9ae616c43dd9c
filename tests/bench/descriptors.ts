/**
 * What it costs a backend not to trust a descriptor: to copy it out of the ring before it is looked at, and to check the
 * copy.
 *
 * @module
 */

import {
  ENTRY_BYTES,
  entryWord,
  FIRST_SEGMENT,
  MAX_SEGMENTS,
  Operation,
  RequestCopy,
  segmentFirstSector,
  segmentLastSector,
  segmentReference,
  segmentWord,
  writeRequest,
  writeSegment,
} from "../../core/blkif.ts";
import { GrantMapper, GrantTable } from "../../core/grant_table.ts";
import { FRAME_SIZE, SECTORS_PER_FRAME, SharedMemory } from "../../core/memory.ts";
import { ringEntryCount } from "../../core/ring.ts";

const TURNS = 50_000;

/** Costs in nanoseconds a request. */
export interface DescriptorCosts {
  /** Of the copy. */
  readonly fetchNs: number;
  /** Of the copy and all checks. */
  readonly fetchAndCheckNs: number;
}

/** Measures the costs for requests of one segment, such as those of 512 bytes. */
export function descriptorCosts(): DescriptorCosts {
  const entryCount = ringEntryCount(0, ENTRY_BYTES);
  const memory = SharedMemory.allocate(2 + entryCount);
  const ring = memory.frameWords(0, 1);
  const table = memory.frameWords(1, 1);
  const grants = new GrantTable(table);
  for (let entry = 0; entry < entryCount; entry++) {
    const at = entryWord(entry);
    const reference = grants.grantAccess(1, 2 + entry, false);
    writeRequest(ring, at, Operation.Write, 1, 0xca00, entry, 0, entry * 8);
    writeSegment(ring, segmentWord(at), reference, 0, 0);
  }
  const mapper = new GrantMapper(table, 1, memory.frameCount);
  const copy = new RequestCopy();
  let sum = 0;
  const check = (): void => {
    const { segmentCount, words } = copy;
    if (segmentCount === 0 || segmentCount > MAX_SEGMENTS) throw new RangeError("no request of these");
    for (let i = 0; i < segmentCount; i++) {
      const word = FIRST_SEGMENT + 2 * i;
      const first = segmentFirstSector(words[word + 1]);
      const last = segmentLastSector(words[word + 1]);
      if (first > last || last >= SECTORS_PER_FRAME) throw new RangeError("no segment of these");
      sum += mapper.map(segmentReference(words[word]), false) * FRAME_SIZE;
    }
  };
  // Who trusts the peer reads the ring in place: what takes longer than that is the price.
  const trust = (turns: number): void => {
    for (let turn = 0; turn < turns; turn++) {
      for (let entry = 0; entry < entryCount; entry++) {
        const at = entryWord(entry);
        sum += ring[at] + ring[at + 2] + ring[at + 4] + ring[at + 6] + ring[at + 7];
      }
    }
  };
  const fetch = (turns: number): void => {
    for (let turn = 0; turn < turns; turn++) {
      for (let entry = 0; entry < entryCount; entry++) {
        copy.fetch(ring, entryWord(entry));
        sum += copy.idLow;
      }
    }
  };
  const fetchAndCheck = (turns: number): void => {
    for (let turn = 0; turn < turns; turn++) {
      for (let entry = 0; entry < entryCount; entry++) {
        copy.fetch(ring, entryWord(entry));
        check();
      }
    }
  };
  const timed = (work: (turns: number) => void): number => {
    work(TURNS / 10);
    const startedAt = performance.now();
    work(TURNS);
    return ((performance.now() - startedAt) * 1e6) / (TURNS * entryCount);
  };
  const trustingNs = timed(trust);
  const costs = { fetchNs: timed(fetch) - trustingNs, fetchAndCheckNs: timed(fetchAndCheck) - trustingNs };
  if (sum === 0) throw new Error("nothing was measured");
  return costs;
}
