/**
 * How large text is.
 *
 * @module
 */

/** Height of text in pixels. */
export const FONT = 13;
/** Height of a line of text. */
export const LINE = 20;

/** About how wide a text is in pixels, rather too wide than too narrow: which sans-serif it is shown in is not known. */
export function textWidth(text: string): number {
  return Array.from(text).reduce((sum, letter) => {
    return sum + FONT * (/[A-Z0-9mw%@_=µ]/.test(letter) ? 0.68 : /[ijlt.,:;()'|]/.test(letter) ? 0.38 : 0.6);
  }, 0);
}
