/**
 * Files whose content follows from their names: the guest writes them, and the host knows what they must hold.
 *
 * @module
 */

/** The files that stay, of several lengths: `file-LENGTH`. */
export const FILES: readonly string[] = [0, 1, 511, 4096, 65_537, 1_000_000, 9_000_001].map((length) =>
  `file-${length}`
);
/** A file that is written and then deleted. */
export const DELETED = "file-8000000";

/** What the file `file-LENGTH` holds. */
export function contentOf(name: string): Uint8Array<ArrayBuffer> {
  const length = Number(name.slice("file-".length));
  const bytes = new Uint8Array(length);
  // A linear congruential generator (Numerical Recipes), begun with the length: no two files have the same.
  let state = length;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
