/**
 * What the driver after a dead one must know of its flushes. Linux tells of a failed write-back once; a flush that is tried
 * again would succeed, though data was lost. So the record of a flush that failed outlives the driver, and its successor
 * answers one flush as failed for it.
 *
 * @module
 */

/** Flushes that the device has. */
const UNDER_WAY = 0;
/** See {@link Failure}. */
const FAILURE = 1;

const Failure = {
  None: 0,
  /** One has failed, and nobody may have been told. */
  Untold: 1,
  /** It was answered, but the answer may not have arrived. */
  Told: 2,
} as const;

/** The flushes of one device, in memory that every driver of it is handed. */
export class FlushRecord {
  readonly #words: Int32Array;

  /**
   * The record, as a driver finds it when it begins.
   *
   * @param words at least two, zero before the first driver
   * @param reopened whether this driver's medium was opened apart from its predecessor's, so that the kernel tells it of
   * failures, too; if not, a flush in whose midst the predecessor died counts as failed
   */
  constructor(words: Int32Array, reopened: boolean) {
    this.#words = words;
    const failed = words[FAILURE] !== Failure.None || (words[UNDER_WAY] > 0 && !reopened);
    words[FAILURE] = failed ? Failure.Untold : Failure.None;
    words[UNDER_WAY] = 0;
  }

  /** A flush begins. Returns false where it must be answered as failed, for one before this driver. */
  begin(): boolean {
    if (this.#words[FAILURE] === Failure.Untold) {
      this.#words[FAILURE] = Failure.Told;
      return false;
    }
    this.#words[FAILURE] = Failure.None;
    this.#words[UNDER_WAY]++;
    return true;
  }

  /** A flush that {@link begin} let through is over. */
  end(succeeded: boolean): void {
    this.#words[UNDER_WAY]--;
    if (!succeeded) this.#words[FAILURE] = Failure.Told;
  }
}
