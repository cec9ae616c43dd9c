/**
 * What a frontend must make of what its workload asks and its backend answers: the fuzzer's oracle. It knows the
 * operations of the slots, reads what the frontend publishes as a backend would, and says what the next poll returns.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { LinkLayout } from "../../../../core/link.ts";
import {
  bytesOf,
  entryAt,
  type FoundRequest,
  INDIRECT,
  readRequestFields,
  readResponseFields,
  readSegmentBytes,
  RingWord,
  type Segment,
  SEGMENT_BYTES,
} from "../wire.ts";

const FRAME_BYTES = 4096;
const FRAME_WORDS = FRAME_BYTES / 4;
const SECTOR_BYTES = 512;
const SECTORS_PER_FRAME = 8;
/** Operations with data: read, write and durable write. */
const WITH_DATA = [0, 1, 17];

/** What a workload asked for. */
export interface Asked {
  /** The operation. */
  readonly operation: number;
  /** First sector on the device: no two that are in flight have a sector in common. */
  readonly sector: number;
  /** Length in bytes. */
  readonly byteLength: number;
}

interface Operation extends Asked {
  /** Bytes of which no request was seen yet, and those that were not answered. */
  unseen: number;
  unanswered: number;
  /** The outcome so far. */
  status: number;
}

/** A request that was published and not answered. */
export interface Request {
  /** Low word of the id. */
  readonly id: number;
  /** High word of the id. */
  readonly idHigh: number;
  /** The operation of the answer. */
  readonly operation: number;
  /** The slots that it carries in order, with so many bytes of each. */
  readonly parts: readonly (readonly [slot: number, byteLength: number])[];
}

/** What a poll must come to: a slot and its status, nothing, a broken connection, or what cannot be known. */
export type Polled = readonly [slot: number, status: number] | "nothing" | "broken" | "either";

/** A model of a frontend that has connected. */
export class FrontendModel {
  /** Requests that were published and not answered, by the low word of their id. */
  readonly requests = new Map<number, Request>();
  /** High words of all ids so far. */
  readonly highs = new Map<number, number>();
  /** Free-running index up to which requests were seen. */
  published = 0;
  /** Free-running index of the next response. */
  consumed = 0;
  readonly #slots: (Operation | null)[];
  readonly #ring: Int32Array;
  readonly #region: Int32Array;
  readonly #layout: LinkLayout;
  /** For each reference the frame that the frontend granted. */
  readonly #frames: readonly number[];
  /** Responses that the frontend has seen and not taken. */
  #seen = 0;
  /** Requests whose id is in use until the responses are taken that the last poll took before it issued them. */
  #early: FoundRequest[] = [];
  /** The slots of a merged request after the first. */
  #more: [slot: number, status: number][] = [];

  /** A model of a frontend with so many slots that has just granted its frames in `region`. */
  constructor(region: Int32Array, layout: LinkLayout, slotCount: number) {
    this.#region = region;
    this.#layout = layout;
    this.#slots = Array(slotCount).fill(null);
    this.#ring = region.subarray(
      layout.ringFrame * FRAME_WORDS,
      (layout.ringFrame + layout.ringFrameCount) * FRAME_WORDS,
    );
    const table = layout.grantFrame * FRAME_WORDS;
    const count = (layout.grantFrameCount * FRAME_WORDS) / 2;
    this.#frames = Array.from({ length: count }, (_, reference) => region[table + reference * 2 + 1]);
  }

  /** Operations that were submitted and not returned. */
  get inFlight(): number {
    return this.#slots.filter((slot) => slot !== null).length;
  }

  /** Whether a slot is free. */
  isIdle(slot: number): boolean {
    return this.#slots[slot] === null;
  }

  /** A slot's operation. */
  operation(slot: number): Asked | null {
    return this.#slots[slot];
  }

  /** The workload has submitted an operation. */
  submitted(slot: number, asked: Asked): void {
    const { byteLength } = asked;
    this.#slots[slot] = { ...asked, unseen: byteLength, unanswered: byteLength, status: 0 };
  }

  /** Reads what was published since the last look; each request must be one that somebody asked for. */
  look(): number {
    const producer = Atomics.load(this.#ring, RingWord.RequestProducer);
    const count = (producer - this.published) >>> 0;
    // What the backend has scribbled there is not what the frontend published.
    if (count > this.#layout.entryCount) return 0;
    for (let i = 0; i < count; i++) {
      const found = readRequestFields(this.#ring, this.#entry(this.published + i));
      if (this.requests.has(found.idLow)) this.#early.push(found);
      else this.#lookAt(found);
    }
    this.published = producer;
    return count;
  }

  /** What a poll must have returned; {@link look} comes first. */
  poll(): Polled {
    const polled = this.#poll();
    if (polled !== "broken" && polled !== "either") { for (const found of this.#early.splice(0)) this.#lookAt(found); }
    return polled;
  }

  #poll(): Polled {
    for (;;) {
      const next = this.#more.shift();
      if (next !== undefined) return this.#finished(...next);
      if (this.#seen === 0) {
        this.#seen = (Atomics.load(this.#ring, RingWord.ResponseProducer) - this.consumed) >>> 0;
        if (this.#seen === 0) return "nothing";
        if (this.#seen > this.requests.size + this.#early.length) return "broken";
      }
      this.#seen--;
      const taken = this.#take();
      if (taken !== null) return taken;
    }
  }

  /** Takes a response: what it comes to, or null if its operation goes on. */
  #take(): Polled | null {
    const { id, idHigh, operation, status } = readResponseFields(this.#ring, this.#entry(this.consumed));
    this.consumed = (this.consumed + 1) | 0;
    const request = this.requests.get(id);
    if (request?.idHigh !== idHigh) {
      // Perhaps the next request of that id waits to be published: an answer that only guesses it may be taken.
      return request === undefined && idHigh === (((this.highs.get(id) ?? 0) + 1) | 0) ? "either" : "broken";
    }
    if (operation !== request.operation || status > 0 || status < -2) return "broken";
    this.requests.delete(id);
    for (const [slot, byteLength] of request.parts) {
      const asked = this.#slots[slot];
      assert(asked !== null);
      asked.unanswered -= byteLength;
      if (status !== 0) asked.status = status;
    }
    const [[first], ...others] = request.parts;
    const asked = this.#slots[first];
    assert(asked !== null);
    if (asked.unanswered > 0) return null;
    this.#more = others.map(([slot]) => [slot, status]);
    return this.#finished(first, asked.status);
  }

  #finished(slot: number, status: number): Polled {
    this.#slots[slot] = null;
    return [slot, status];
  }

  /** A request names no frame, no byte and no sector but those of operations that were asked for and not yet seen. */
  #lookAt(found: FoundRequest): void {
    const { idLow: id, idHigh, operation: outer, sector } = found;
    const operation = outer === INDIRECT ? found.indirectOperation : outer;
    assert(!this.requests.has(id), `id ${id} is in use`);
    assert.notEqual(this.highs.get(id), idHigh, `id ${id} has the high word of the request before`);
    this.highs.set(id, idHigh);
    const segments = outer === INDIRECT ? this.#indirectSegments(found) : found.segments;
    const parts = WITH_DATA.includes(operation) && segments.length > 0
      ? this.#partsOf(operation, sector, segments)
      : [this.#whole(operation, sector, found.discardSectors * SECTOR_BYTES)];
    this.requests.set(id, { id, idHigh, operation, parts });
  }

  #partsOf(operation: number, sector: number, segments: readonly Segment[]): [slot: number, byteLength: number][] {
    const { dataFrame, slotFrameCount } = this.#layout;
    const parts: [number, number][] = [];
    let at = sector;
    for (const [reference, first, last] of segments) {
      const frame = this.#frames[reference] - dataFrame;
      const slot = Math.floor(frame / slotFrameCount);
      const asked = this.#slots[slot];
      assert(asked && asked.operation === operation, `slot ${slot} asked for no ${operation}`);
      assert.equal(first, 0);
      assert.equal(at, asked.sector + (frame % slotFrameCount) * SECTORS_PER_FRAME, `a sector of slot ${slot}`);
      const byteLength = (last + 1) * SECTOR_BYTES;
      at += last + 1;
      asked.unseen -= byteLength;
      assert(asked.unseen >= 0, `slot ${slot} has fewer bytes`);
      if (parts.at(-1)?.[0] === slot) parts[parts.length - 1][1] += byteLength;
      else parts.push([slot, byteLength]);
    }
    return parts;
  }

  /** An operation without data: found by its sector, as none other has it. */
  #whole(operation: number, sector: number, byteLength: number): [slot: number, byteLength: number] {
    const slot = this.#slots.findIndex((asked) => asked?.operation === operation && asked.sector === sector);
    const asked = this.#slots[slot];
    assert(asked, `nobody asked for operation ${operation} at sector ${sector}`);
    if (!WITH_DATA.includes(operation)) assert.equal(byteLength, asked.byteLength);
    asked.unseen = 0;
    return [slot, asked.byteLength];
  }

  #indirectSegments({ indirectReference, indirectSegmentCount }: FoundRequest): Segment[] {
    const { segmentFrame, segmentFrameCount } = this.#layout;
    const frame = this.#frames[indirectReference];
    assert(frame >= segmentFrame && frame < segmentFrame + segmentFrameCount, `frame ${frame} holds no segments`);
    const bytes = bytesOf(this.#region);
    return Array.from(
      { length: indirectSegmentCount },
      (_, i) => readSegmentBytes(bytes, frame * FRAME_BYTES + i * SEGMENT_BYTES),
    );
  }

  #entry(index: number): number {
    return entryAt(index, this.#layout.entryCount);
  }
}
