/**
 * The library that draws, as much of it as is used here: from options to SVG, without a page.
 *
 * It is the file that stands for the whole library, as the modules that it is made of read an environment variable each time
 * (`NODE_ENV`), for which this program would have to ask.
 *
 * @module
 */

import { textWidth } from "./text.ts";

/** A place in pixels. */
export type Pixel = readonly [x: number, y: number];

/** What the drawing of an item is given. */
export interface ItemApi {
  /** From values on both axes to pixels. */
  coord(values: readonly [number, number]): Pixel;
}

/** Something drawn: a shape or text with its style, or a group of them. */
export type Element = Readonly<Record<string, unknown>>;

/** Draws one item of a series of kind `custom`. */
export type RenderItem = (parameters: { readonly dataIndex: number }, api: ItemApi) => Element | null;

/** Options, as {@link https://echarts.apache.org/en/option.html} has them. */
export type Options = Readonly<Record<string, unknown>>;

interface Library {
  setPlatformAPI(api: { measureText(text: string): { width: number } }): void;
  init(dom: null, theme: null, options: { renderer: "svg"; ssr: true; width: number; height: number }): {
    getZr(): { readonly animation: { start: () => void } };
    setOption(options: Options): void;
    renderToSVGString(): string;
    dispose(): void;
  };
}

/** A picture. */
export interface Picture {
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
  /** What is in it. */
  readonly options: Options;
}

let library: Promise<Library> | undefined;

async function load(): Promise<Library> {
  // deno-lint-ignore no-import-prefix -- named in full, so that this folder can be imported from any project
  const loaded: Library = await import("npm:echarts@6.1.0/dist/echarts.esm.min.mjs");
  loaded.setPlatformAPI({ measureText: (text) => ({ width: textWidth(text) }) });
  return loaded;
}

/** Draws a picture: SVG as the library writes it. It is loaded the first time. */
export async function render({ width, height, options }: Picture): Promise<string> {
  library ??= load();
  const chart = (await library).init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    // Nothing moves here; it would start a timer, which outlives the picture.
    chart.getZr().animation.start = () => {};
    chart.setOption({ animation: false, ...options });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
