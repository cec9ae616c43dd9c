/**
 * Where two copies of a region differ, in words for people.
 *
 * @module
 */

import type { LinkLayout } from "../../../../core/link.ts";

const FRAME_WORDS = 1024;
const SHOWN = 8;

/** The first places at which `found` is not as `expected`. */
export function differenceBetween(found: Int32Array, expected: Int32Array, layout: LinkLayout): string {
  const different: string[] = [];
  for (let word = 0; word < expected.length && different.length < SHOWN; word++) {
    if (found[word] === expected[word]) continue;
    different.push(`${place(word, layout)} is ${hex(found[word])}, expected ${hex(expected[word])}`);
  }
  return different.join("; ");
}

function place(word: number, layout: LinkLayout): string {
  const frame = Math.floor(word / FRAME_WORDS);
  const parts = [
    ["data", layout.dataFrame],
    ["segments", layout.segmentFrame],
    ["ring", layout.ringFrame],
    ["grants", layout.grantFrame],
    ["control", layout.controlFrame],
  ] as const;
  const [name, first] = parts.find(([, start]) => frame >= start) ?? ["region", 0];
  return `word ${word - first * FRAME_WORDS} of the ${name}`;
}

function hex(word: number): string {
  return `0x${(word >>> 0).toString(16)}`;
}
