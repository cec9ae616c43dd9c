/**
 * A frontend that does whatever a test likes with the words of a link, against any backend.
 *
 * @module
 */

import { type LinkLayout, linkLayout, type LinkOptions } from "../../../core/link.ts";
import type { LinkEnd } from "../../../core/link_end.ts";
import { FRAME_SIZE } from "../../../core/memory.ts";
import { BACKEND_WORDS, ControlWords, FRONTEND_WORDS, State } from "./control_words.ts";
import { GrantWords } from "./grant_words.ts";
import {
  entryAt,
  type FoundResponse,
  readResponseFields,
  type RequestFields,
  RingWord,
  type Segment,
  writeRequestFields,
} from "./wire.ts";

/**
 * The frontend's side of a link, played by hand: each method does one step, honest or not. Nothing is checked, and
 * nothing waits.
 *
 * @example A request that claims more segments than fit
 * ```ts
 * import type { LinkOptions } from "../../../core/link.ts";
 * import type { LinkEnd } from "../../../core/link_end.ts";
 * import { HostileFrontend } from "./hostile_frontend.ts";
 *
 * function attack(end: LinkEnd, options: LinkOptions): void {
 *   const frontend = new HostileFrontend(end, options);
 *   frontend.offer();
 *   frontend.postRequest({ operation: 0, segments: [[frontend.grant(0), 0, 7]], segmentCount: 255 });
 *   frontend.notify();
 * }
 * ```
 */
export class HostileFrontend {
  /** Where everything lies in the region. */
  readonly layout: LinkLayout;
  /** The ring's words. */
  readonly ring: Int32Array;
  /** The grant table's words. */
  readonly grantWords: Int32Array;
  /** The grant table. */
  readonly grants: GrantWords;
  /** The frontend's keys. */
  readonly keys: ControlWords<keyof typeof FRONTEND_WORDS, keyof typeof BACKEND_WORDS>;
  /** Free-running index of the next request. */
  produced = 0;
  /** Free-running index of the next response. */
  consumed = 0;
  readonly #end: LinkEnd;

  /** The frontend at one end of a link, of which nothing is written yet. */
  constructor(end: LinkEnd, options: LinkOptions) {
    this.#end = end;
    this.layout = linkLayout(options);
    this.grantWords = end.memory.frameWords(this.layout.grantFrame, this.layout.grantFrameCount);
    this.grants = new GrantWords(this.grantWords);
    this.ring = end.memory.frameWords(this.layout.ringFrame, this.layout.ringFrameCount);
    this.keys = new ControlWords(end.memory.frameWords(0, 1), FRONTEND_WORDS, BACKEND_WORDS);
  }

  /** Initialises and grants the ring, and writes the keys that offer it. */
  offer(): HostileFrontend["keys"] {
    this.ring.fill(0, 0, 16);
    this.ring.set([this.produced, this.produced + 1, this.consumed, this.consumed + 1]);
    this.keys.write("ring-page-order", this.layout.ringOrder);
    for (let i = 0; i < this.layout.ringFrameCount; i++) {
      const reference = this.grants.grantAccess(this.#end.peerDomainId, this.layout.ringFrame + i, false);
      this.keys.write("ring-ref0", reference, i);
    }
    return this.keys;
  }

  /** Takes the step of the handshake that an honest frontend would take, seeing its backend's state; rings its bell. */
  step(): void {
    const [own, peer] = [this.keys.own("state"), this.keys.read("state")];
    if (own === State.Unknown) this.keys.write("state", State.Initialising);
    if (peer === State.InitWait) this.keys.write("state", State.Initialised);
    if (peer === State.Connected) this.keys.write("state", State.Connected);
    this.#end.channel.wakePeer();
  }

  /** Grants a data frame, counted from the first, to the backend. */
  grant(dataFrame: number, readOnly = false): number {
    return this.grants.grantAccess(this.#end.peerDomainId, this.layout.dataFrame + dataFrame, readOnly);
  }

  /** Bytes of a data frame. */
  frame(dataFrame: number): Uint8Array {
    const start = (this.layout.dataFrame + dataFrame) * FRAME_SIZE;
    return this.#end.memory.bytes.subarray(start, start + FRAME_SIZE);
  }

  /** Has an entry written, and publishes it. */
  post(write: (words: Int32Array, at: number) => void): void {
    write(this.ring, entryAt(this.produced, this.layout.entryCount));
    this.produced = (this.produced + 1) | 0;
    this.publish(this.produced);
  }

  /** Writes a request, and publishes it. */
  postRequest(request: RequestFields): void {
    this.post((words, at) => writeRequestFields(words, at, request));
  }

  /** Posts a read or a write of these segments. */
  postTransfer(operation: number, id: number, sector: number, ...segments: Segment[]): void {
    this.postRequest({ operation, id, sector, segments });
  }

  /** Claims that requests up to a free-running index are there. */
  publish(index: number): void {
    Atomics.store(this.ring, RingWord.RequestProducer, index | 0);
  }

  /** Rings the backend's doorbell. */
  notify(): void {
    this.#end.channel.notify();
  }

  /** The responses since the last call. */
  responses(): FoundResponse[] {
    const found: FoundResponse[] = [];
    while (this.consumed !== Atomics.load(this.ring, RingWord.ResponseProducer)) {
      found.push(readResponseFields(this.ring, entryAt(this.consumed, this.layout.entryCount)));
      this.consumed = (this.consumed + 1) | 0;
    }
    return found;
  }
}
