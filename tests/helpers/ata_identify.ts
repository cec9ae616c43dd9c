/**
 * IDENTIFY DEVICE data, put together word by word from the table of ACS-4.
 *
 * @module
 */

/** A block of 512 bytes with these words in it, and a text in the words of which each has two characters. */
export function identifyBytes(
  words: Readonly<Record<number, number>>,
  texts: Readonly<Record<number, readonly [text: string, wordCount: number]>> = {},
): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  for (const [word, value] of Object.entries(words)) view.setUint16(2 * Number(word), value, true);
  for (const [word, [text, wordCount]] of Object.entries(texts)) {
    const padded = text.padEnd(2 * wordCount);
    for (let i = 0; i < wordCount; i++) {
      view.setUint16(2 * (Number(word) + i), padded.charCodeAt(2 * i) << 8 | padded.charCodeAt(2 * i + 1), true);
    }
  }
  return bytes;
}

/** The words of a number of sectors, as four words from `first` on. */
export function sectorWords(first: number, sectors: number): Record<number, number> {
  return Object.fromEntries([0, 1, 2, 3].map((i) => [first + i, Math.floor(sectors / 2 ** (16 * i)) % 2 ** 16]));
}

/** Gives data its checksum: word 255 has A5h and what makes the sum of all bytes 0. */
export function withChecksum(bytes: Uint8Array): Uint8Array {
  bytes[510] = 0xa5;
  bytes[511] = 0;
  bytes[511] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return bytes;
}
