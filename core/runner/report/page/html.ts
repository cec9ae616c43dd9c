/**
 * HTML out of text that others wrote: whatever is put into a template is escaped, unless it is HTML already.
 *
 * @module
 */

/** HTML that was made by {@link html}. */
export class Html {
  /** The markup. */
  readonly markup: string;

  /** Takes markup as it is: it must come from this program alone. */
  constructor(markup: string) {
    this.markup = markup;
  }
}

/** What a template can have in its places. */
export type Content = Html | string | number | null | readonly Content[];

const ESCAPED: Readonly<Record<string, string>> = {
  ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" },
};

/** Text for the inside of elements and of quoted attributes. */
export function escapeHtml(text: string): string {
  return withoutControls(text).replaceAll(/[&<>"']/g, (letter) => ESCAPED[letter]);
}

/** A text without the characters that neither HTML nor XML may have; the sign for what cannot be shown is in their place. */
export function withoutControls(text: string): string {
  return text.toWellFormed().replaceAll(/[^\t\n\P{Cc}]|\p{Noncharacter_Code_Point}/gu, "\ufffd");
}

/** A template: `` html`<p>${text}</p>` ``. Null is nothing, and a list its members after each other. */
export function html(strings: TemplateStringsArray, ...contents: readonly Content[]): Html {
  return new Html(
    strings.map((text, index) => text + (index < contents.length ? markupOf(contents[index]) : "")).join(""),
  );
}

function markupOf(content: Content): string {
  if (content === null) return "";
  if (content instanceof Html) return content.markup;
  if (typeof content === "object") return content.map(markupOf).join("");
  return escapeHtml(String(content));
}
