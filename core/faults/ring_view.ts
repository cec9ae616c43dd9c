/**
 * A link's shared words as neither of its ends sees them: for who breaks them, and for who looks on from outside.
 *
 * @module
 */

import { carriesData, ENTRY_WORDS, entryWord, Operation } from "../blkif.ts";
import { linkLayout, type LinkOptions } from "../link.ts";
import type { SharedMemory } from "../memory.ts";
import { type XenbusState, XenbusStore } from "../xenbus.ts";

// Words of the ring's header, as in `ring.ts`.
const REQ_PROD = 0;
const RSP_PROD = 2;
// Of a grant's first word, as in `grant_table.ts`.
const GRANT_ENTRY_WORDS = 2;
/** It is read or written by the domain that has mapped it. */
const IN_USE = 0x18;

/** The shared words of one link. */
export class RingView {
  /** The link's region. */
  readonly memory: SharedMemory;
  readonly #control: Int32Array;
  readonly #words: Int32Array;
  readonly #grants: Int32Array;
  readonly #entryCount: number;

  /** A view of a link's region. */
  constructor(memory: SharedMemory, options: LinkOptions) {
    const layout = linkLayout(options);
    this.memory = memory;
    this.#control = memory.frameWords(layout.controlFrame, 1);
    this.#words = memory.frameWords(layout.ringFrame, layout.ringFrameCount);
    this.#grants = memory.frameWords(layout.grantFrame, layout.grantFrameCount);
    this.#entryCount = layout.entryCount;
  }

  /** What the frontend says that it is. */
  get frontendState(): number {
    return XenbusStore.backend(this.#control).read("state");
  }

  /** What the backend says that it is. */
  get backendState(): number {
    return XenbusStore.frontend(this.#control).read("state");
  }

  /** Says so in the frontend's place. */
  forceFrontendState(state: number): void {
    XenbusStore.frontend(this.#control).force(state as XenbusState);
  }

  /** Says so in the backend's place. */
  forceBackendState(state: number): void {
    XenbusStore.backend(this.#control).force(state as XenbusState);
  }

  /** Grants that the backend has mapped. */
  get mappedGrants(): number {
    let count = 0;
    for (let word = 0; word < this.#grants.length; word += GRANT_ENTRY_WORDS) {
      if ((Atomics.load(this.#grants, word) & IN_USE) !== 0) count++;
    }
    return count;
  }

  /** Index up to which there are requests. */
  get requestsPublished(): number {
    return Atomics.load(this.#words, REQ_PROD);
  }

  /** Index up to which there are responses. */
  get responsesPublished(): number {
    return Atomics.load(this.#words, RSP_PROD);
  }

  /** Claims so many requests more, or fewer, than there are. */
  moveRequestIndex(by: number): void {
    Atomics.add(this.#words, REQ_PROD, by);
  }

  /** Claims so many responses more, or fewer, than there are. */
  moveResponseIndex(by: number): void {
    Atomics.add(this.#words, RSP_PROD, by);
  }

  /**
   * The first request that carries data of those that no response has followed, as words of the ring's own memory; null
   * where there is none. While the backend has taken none of them, it is one that the backend will see.
   */
  pendingRequest(): Int32Array | null {
    const end = this.requestsPublished;
    for (let index = this.responsesPublished; index !== end; index = (index + 1) | 0) {
      const at = entryWord(index & (this.#entryCount - 1));
      const operation = this.#words[at] & 0xff;
      if (carriesData(operation) || operation === Operation.Indirect) return this.#words.subarray(at, at + ENTRY_WORDS);
    }
    return null;
  }
}
