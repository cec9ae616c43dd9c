/// <reference lib="dom" />

/**
 * What tests ask of a page, from within it. Each function is sent to the browser as text, so that it can use nothing of this
 * module.
 *
 * @module
 */

/** The widths of the bars of a picture, and its texts. */
export function barsOf(svg: Element): { widths: number[]; texts: (string | null)[] } {
  const filled = [...svg.querySelectorAll<SVGGraphicsElement>("[fill]")].filter((element) => {
    return /--series|url/.test(element.getAttribute("fill") ?? "") && element.closest("defs") === null;
  });
  return {
    widths: filled.map((element) => element.getBBox().width),
    texts: [...svg.querySelectorAll("text")].map(({ textContent }) => textContent),
  };
}

/** The colour of the page, and the contrast of every text with it, as WCAG 2.2 defines it. */
export function contrasts(): { ground: string; texts: { text: string; colour: string; contrast: number }[] } {
  const luminance = (colour: string): number => {
    const parts = (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map((part) => {
      const value = Number(part) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ground = getComputedStyle(document.body).backgroundColor;
  const texts = [...document.querySelectorAll("body *")]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.nodeValue?.trim()))
    .filter((element) => !element.closest("title, desc, style"))
    .map((element) => {
      const style = getComputedStyle(element);
      const colour = element.closest("svg") === null ? style.color : style.fill;
      const [dark, light] = [luminance(colour), luminance(ground)].sort((a, b) => a - b);
      return { text: (element.textContent ?? "").slice(0, 40), colour, contrast: (light + 0.05) / (dark + 0.05) };
    });
  return { ground, texts };
}

/** The labels of charts that lie on each other or beyond their chart's edge. */
export function misplacedLabels(): { mistakes: string[]; charts: number } {
  const mistakes: string[] = [];
  const pictures = [...document.querySelectorAll("svg")];
  for (const svg of pictures) {
    const edge = svg.getBoundingClientRect();
    const name = svg.querySelector("title")?.textContent;
    const labels = [...svg.querySelectorAll("text")].map((text) => {
      return { text: text.textContent, box: text.getBoundingClientRect() };
    });
    for (const [index, { text, box }] of labels.entries()) {
      const outside = box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 ||
        box.bottom > edge.bottom + 1;
      if (outside) mistakes.push(`${name}: ${text} is beyond the edge`);
      for (const other of labels.slice(index + 1)) {
        const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        // The box of a line of text is higher than its letters.
        if (across > 1 && down > 4) mistakes.push(`${name}: ${text} lies on ${other.text}`);
      }
    }
  }
  return { mistakes, charts: pictures.length };
}

/** How wide the page is with all that sticks out of it, and how high the text of its first chart is shown. */
export function sizes(): { page: number; text: number } {
  const svg = document.querySelector("svg") as SVGSVGElement;
  return {
    page: document.documentElement.scrollWidth,
    text: 13 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width,
  };
}

/** The page's colour. */
export function groundColour(): string {
  return getComputedStyle(document.body).backgroundColor;
}

/** What has the focus: its id, or else its name. */
export function focused(): string {
  const element = document.activeElement;
  return element?.id || element?.getAttribute("aria-label") || element?.textContent || "";
}

/** How what has the focus is marked. */
export function focusOutline(): string {
  return getComputedStyle(document.activeElement as Element).outlineStyle;
}

/** What is there of the page, and how. */
export function shown(): Record<"ground" | "bar" | "form" | "table", string> & Record<"cells" | "scenario", number> {
  const style = (selector: string): CSSStyleDeclaration => {
    return getComputedStyle(document.querySelector(selector) as Element);
  };
  const height = (selector: string): number => document.querySelector(selector)?.getBoundingClientRect().height ?? 0;
  return {
    ground: style("body").backgroundColor,
    bar: style('[fill="var(--series-1)"]').fill,
    form: style("form").display,
    table: style("#figure-throughput details").display,
    cells: height("#figure-cells table"),
    scenario: height("details.paper pre"),
  };
}
