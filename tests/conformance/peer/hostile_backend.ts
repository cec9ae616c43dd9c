/**
 * A backend that does whatever a test likes with the words of a link, against any frontend.
 *
 * @module
 */

import type { DeviceInfo } from "../../../core/block_device.ts";
import { type LinkLayout, linkLayout, type LinkOptions } from "../../../core/link.ts";
import type { LinkEnd } from "../../../core/link_end.ts";
import { BACKEND_WORDS, ControlWords, FRONTEND_WORDS, State } from "./control_words.ts";
import { entryAt, type FoundRequest, readRequestFields, RingWord, writeResponseFields } from "./wire.ts";

const SECTOR_BYTES = 512;
const TWO_32 = 2 ** 32;
/** `VDISK_READONLY`. */
const READ_ONLY = 4;

/** The backend's side of a link, played by hand: each method does one step, honest or not. Nothing waits. */
export class HostileBackend {
  /** Where everything lies in the region. */
  readonly layout: LinkLayout;
  /** The ring's words. */
  readonly ring: Int32Array;
  /** The backend's keys. */
  readonly store: ControlWords<keyof typeof BACKEND_WORDS, keyof typeof FRONTEND_WORDS>;
  /** Free-running index of the next request. */
  taken = 0;
  /** Free-running index of the next response. */
  answered = 0;
  #noted = 0;
  /** For each id the high word of its last request. */
  readonly #idHigh = new Map<number, number>();
  readonly #end: LinkEnd;

  /** The backend at one end of a link, of which nothing is written yet. */
  constructor(end: LinkEnd, options: LinkOptions) {
    this.#end = end;
    this.layout = linkLayout(options);
    this.ring = end.memory.frameWords(this.layout.ringFrame, this.layout.ringFrameCount);
    this.store = new ControlWords(end.memory.frameWords(0, 1), BACKEND_WORDS, FRONTEND_WORDS);
  }

  /** Writes the keys that say what the device is, however absurd. */
  describe(info: DeviceInfo): void {
    this.store.write("feature-flush-cache", info.canFlush ? 1 : 0);
    this.store.write("feature-discard", info.canDiscard ? 1 : 0);
    this.store.write("feature-write-zeroes", info.canWriteZeroes === true ? 1 : 0);
    this.store.write("feature-fua", info.canFua === true ? 1 : 0);
    this.store.write("sectors", (info.sizeBytes / SECTOR_BYTES) % TWO_32);
    this.store.write("sectors-high", Math.floor(info.sizeBytes / SECTOR_BYTES / TWO_32));
    this.store.write("sector-size", info.sectorSize);
    this.store.write("info", info.readOnly ? READ_ONLY : 0);
  }

  /** Takes the step of the handshake that an honest backend would take, seeing its frontend's state; rings its bell. */
  step(): void {
    const [own, peer] = [this.store.own("state"), this.store.read("state")];
    if (own === State.Unknown) this.store.write("state", State.InitWait);
    if (peer === State.Initialised) this.store.write("state", State.Connected);
    if (peer === State.Closing || peer === State.Closed) this.store.write("state", State.Closed);
    this.#end.channel.wakePeer();
  }

  /** The requests that the frontend pushed since the last call. */
  take(): FoundRequest[] {
    const requests: FoundRequest[] = [];
    while (this.taken !== Atomics.load(this.ring, RingWord.RequestProducer)) {
      requests.push(readRequestFields(this.ring, entryAt(this.taken, this.layout.entryCount)));
      this.taken = (this.taken + 1) | 0;
    }
    return requests;
  }

  /** Writes a response and publishes it. Its id is that of the last request with such a low word. */
  answer(id: number, operation: number, status: number, idHigh: number = this.idHigh(id)): void {
    const at = entryAt(this.answered, this.layout.entryCount);
    writeResponseFields(this.ring, at, { id, idHigh, operation, status });
    this.answered = (this.answered + 1) | 0;
    this.publish(this.answered);
  }

  /** High word of the last request's id with this low word, 0 if there was none. */
  idHigh(id: number): number {
    for (; this.#noted !== Atomics.load(this.ring, RingWord.RequestProducer); this.#noted = (this.#noted + 1) | 0) {
      const at = entryAt(this.#noted, this.layout.entryCount);
      this.#idHigh.set(this.ring[at + 2], this.ring[at + 3]);
    }
    return this.#idHigh.get(id) ?? 0;
  }

  /** Claims that responses up to a free-running index are there. */
  publish(index: number): void {
    Atomics.store(this.ring, RingWord.ResponseProducer, index | 0);
  }

  /** Rings the frontend's doorbell. */
  notify(): void {
    this.#end.channel.notify();
  }
}
