/**
 * Colours, markers, dashes and patterns. Colours follow Okabe and Ito's, darkened for the light theme and lightened for the
 * dark one until each has a contrast of 3:1 against the page (WCAG 2.2, 1.4.11); text has 4.5:1 (1.4.3).
 *
 * @module
 */

/** A colour in both themes. */
export interface Colour {
  /** The CSS variable that pages have for it. */
  readonly name: string;
  /** On light ground: also that of files and of paper. */
  readonly light: string;
  /** On dark ground. */
  readonly dark: string;
}

/** What pages and charts are made of. Values of one theme differ from each other, as pages find colours by them. */
export const COLOURS = {
  ground: { name: "--ground", light: "#ffffff", dark: "#14171c" },
  ink: { name: "--ink", light: "#1b1f24", dark: "#e8eaed" },
  quiet: { name: "--quiet", light: "#505860", dark: "#aab2bb" },
  line: { name: "--line", light: "#d5dae0", dark: "#363c45" },
} as const satisfies Readonly<Record<string, Colour>>;

/** The colours of what is compared. */
export const SERIES_COLOURS: readonly Colour[] = [
  { name: "--series-1", light: "#0072b2", dark: "#4fa8e0" },
  { name: "--series-2", light: "#c85200", dark: "#ff9248" },
  { name: "--series-3", light: "#007a5a", dark: "#2cc99a" },
  { name: "--series-4", light: "#a8447c", dark: "#e58fbd" },
  { name: "--series-5", light: "#8a6d00", dark: "#e0b83a" },
  { name: "--series-6", light: "#3f4753", dark: "#c3cad3" },
  { name: "--series-7", light: "#2f86b8", dark: "#8fd0f5" },
  { name: "--series-8", light: "#6a4fb3", dark: "#b8a4f5" },
];

/** The colours of what domains do: working, spinning, having lost the core, sleeping. */
export const STATE_COLOURS: readonly Colour[] = [
  { name: "--state-1", light: "#00503f", dark: "#5fe3bf" },
  { name: "--state-2", light: "#cc4f08", dark: "#ff9450" },
  { name: "--state-3", light: "#3e4652", dark: "#c5ccd5" },
  { name: "--state-4", light: "#7f93aa", dark: "#6f8298" },
];

/** Grounds for text, from the least to the most: ink on them has a contrast of 4.5:1. */
export const TINTS: readonly Colour[] = [
  { name: "--tint-1", light: "#f3f6f9", dark: "#1b2129" },
  { name: "--tint-2", light: "#dbe9f3", dark: "#1f3040" },
  { name: "--tint-3", light: "#bcd9ec", dark: "#224158" },
  { name: "--tint-4", light: "#8fc3e6", dark: "#265877" },
];

/** All colours, each with a CSS variable. */
export const ALL_COLOURS: readonly Colour[] = [
  ...Object.values(COLOURS),
  ...SERIES_COLOURS,
  ...STATE_COLOURS,
  ...TINTS,
];

const MARKERS = [
  ...["circle", "rect", "triangle", "diamond"],
  "path://M0 0L10 0L5 10Z", // a triangle on its tip
  "path://M3 0H7V3H10V7H7V10H3V7H0V3H3Z", // a cross
  "path://M0 0L10 0L0 10L10 10Z", // an hourglass
] as const;
const DASHES: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [9, 3, 2, 3], [12, 4]];

/** How a series looks. Their numbers of colours, markers and dashes have no common factor, so that 280 series differ. */
export interface Look {
  /** Its colour on light ground. */
  readonly colour: string;
  /** The name of its marker. */
  readonly marker: string;
  /** Lengths of dashes and gaps of its line; none when it is solid. */
  readonly dash: readonly number[];
}

/** The look of a series. */
export function lookOf(style: number): Look {
  return {
    colour: SERIES_COLOURS[style % SERIES_COLOURS.length].light,
    marker: MARKERS[style % MARKERS.length],
    dash: DASHES[style % DASHES.length],
  };
}
