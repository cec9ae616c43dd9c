/**
 * A backend that answers whatever a test likes, against a real frontend.
 *
 * @module
 */

import { entryWord, RequestCopy, writeResponse } from "../../core/blkif.ts";
import type { DeviceInfo } from "../../core/block_device.ts";
import { type LinkLayout, linkLayout } from "../../core/link.ts";
import { SECTOR_SIZE } from "../../core/memory.ts";
import { VDISK_READONLY, XenbusStore } from "../../core/xenbus.ts";
import { deviceInfo } from "./devices.ts";
import {
  connectFrontend,
  type FrontendUnderTest,
  type LinkChanges,
  type LinkEnds,
  linkEnds,
  linkOptions,
  makeFrontend,
  PumpWaiter,
} from "./link.ts";

const REQ_PROD = 0;
const RSP_PROD = 2;

export class ScriptedBackend {
  readonly layout: LinkLayout;
  readonly ends: LinkEnds;
  readonly ring: Int32Array;
  readonly store: ReturnType<typeof XenbusStore.backend>;
  readonly test: FrontendUnderTest;
  #taken = 0;
  #noted = 0;
  /** For each id the high word of its last request. */
  readonly #idHigh = new Map<number, number>();
  #answered = 0;

  constructor(info: DeviceInfo = deviceInfo(), changes: LinkChanges = {}) {
    const options = linkOptions(changes);
    this.layout = linkLayout(options);
    this.ends = linkEnds(options);
    const { memory } = this.ends;
    this.ring = memory.frameWords(this.layout.ringFrame, this.layout.ringFrameCount);
    this.store = XenbusStore.backend(memory.frameWords(0, 1));
    this.test = makeFrontend(this.ends, new PumpWaiter());
    this.store.write("feature-flush-cache", info.canFlush ? 1 : 0);
    this.store.write("feature-discard", info.canDiscard ? 1 : 0);
    this.store.write("feature-write-zeroes", info.canWriteZeroes === true ? 1 : 0);
    this.store.write("feature-fua", info.canFua === true ? 1 : 0);
    this.store.write("sectors", (info.sizeBytes / SECTOR_SIZE) % 2 ** 32);
    this.store.write("sectors-high", Math.floor(info.sizeBytes / SECTOR_SIZE / 2 ** 32));
    this.store.write("sector-size", info.sectorSize);
    this.store.write("info", info.readOnly ? VDISK_READONLY : 0);
  }

  /** Lets the frontend go through the handshake. */
  connect(): this {
    connectFrontend(this.test, this.ends);
    return this;
  }

  /** The requests that the frontend pushed since the last call. */
  take(): RequestCopy[] {
    const requests: RequestCopy[] = [];
    while (this.#taken !== Atomics.load(this.ring, REQ_PROD)) {
      const copy = new RequestCopy();
      copy.fetch(this.ring, entryWord(this.#taken & (this.layout.entryCount - 1)));
      requests.push(copy);
      this.#taken = (this.#taken + 1) | 0;
    }
    return requests;
  }

  /** Writes a response and publishes it. Its id is that of the last request with such a low word. */
  answer(id: number, operation: number, status: number, idHigh = this.idHigh(id)): void {
    const at = entryWord(this.#answered & (this.layout.entryCount - 1));
    writeResponse(this.ring, at, id, idHigh, operation, status);
    this.#answered++;
    this.publish(this.#answered);
  }

  /** High word of the last request's id with this low word, 0 if there was none. */
  idHigh(id: number): number {
    for (; this.#noted !== Atomics.load(this.ring, REQ_PROD); this.#noted = (this.#noted + 1) | 0) {
      const at = entryWord(this.#noted & (this.layout.entryCount - 1));
      this.#idHigh.set(this.ring[at + 2], this.ring[at + 3]);
    }
    return this.#idHigh.get(id) ?? 0;
  }

  /** Claims that responses up to a free-running index are there. */
  publish(index: number): void {
    Atomics.store(this.ring, RSP_PROD, index | 0);
  }
}
