/**
 * How the policies at both ends of a ring can talk: a word each, in the padding of the ring's header.
 *
 * Xen's `ring.h` keeps that padding out of the protocol, so a peer that knows nothing of it reads and writes nothing there,
 * and its word stays 0. The words are hints. They order nothing, the peer may write any number at any time, and what they
 * mean is the policies' business: nobody may come to harm by one that lies.
 *
 * @module
 */

/** Two words of the padding, which goes from the fifth word after Xen's four indices, its `pvt`, to the end of 64 bytes. */
const FRONT_WORD = 8;
const BACK_WORD = 9;

/** The policy at the other end of a ring. */
export interface Counterpart {
  /** What it said last, of 32 bits, without a sign; 0 if it has said nothing. */
  said(): number;
  /** Says a number of 32 bits to it. 0: nothing. */
  tell(word: number): void;
}

/** The counterpart of one end. */
export class RingCounterpart implements Counterpart {
  readonly #words: Int32Array;
  readonly #own: number;
  readonly #peer: number;

  private constructor(words: Int32Array, own: number, peer: number) {
    this.#words = words;
    this.#own = own;
    this.#peer = peer;
  }

  /**
   * The backend's policy, as the frontend's sees it.
   *
   * @param words the ring's frames
   */
  static ofFront(words: Int32Array): RingCounterpart {
    return new RingCounterpart(words, FRONT_WORD, BACK_WORD);
  }

  /** The frontend's policy, as the backend's sees it. */
  static ofBack(words: Int32Array): RingCounterpart {
    return new RingCounterpart(words, BACK_WORD, FRONT_WORD);
  }

  said(): number {
    return Atomics.load(this.#words, this.#peer) >>> 0;
  }

  tell(word: number): void {
    Atomics.store(this.#words, this.#own, word | 0);
  }
}
