/**
 * From charts to SVG that is small, holds no style and no script, and says what it is to those who do not see it.
 *
 * @module
 */

import type { Chart } from "../figure.ts";
import { areas } from "./areas.ts";
import { bars } from "./bars.ts";
import { type Picture, render } from "./echarts.ts";
import { matrix } from "./matrix.ts";
import { ALL_COLOURS, COLOURS } from "./palette.ts";
import { plot } from "./plot.ts";
import { FONT } from "./text.ts";

/** What a picture is called. */
export interface Caption {
  /** What its ids begin with: letters, digits and dashes. */
  readonly id: string;
  /** Its name. */
  readonly title: string;
  /** What it shows. */
  readonly description: string;
}

/** Draws a chart in the colours of the light theme, as a document of its own. */
export async function draw(chart: Chart, { id, title, description }: Caption): Promise<string> {
  const picture = pictureOf(chart);
  const { width, height } = picture;
  const [, content] = /^<svg[^>]*>([\s\S]*)<\/svg>\s*$/.exec(await render(picture)) ?? [];
  if (content === undefined) throw new Error("The library that draws wrote no SVG");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="sans-serif" font-size="${FONT}px" dominant-baseline="central" role="img" aria-labelledby="${id}-title" aria-describedby="${id}-description">`,
    `<title id="${id}-title">${escapeXml(title)}</title>`,
    `<desc id="${id}-description">${escapeXml(description)}</desc>`,
    `<rect width="${width}" height="${height}" fill="${COLOURS.ground.light}"/>`,
    cleaned(content, id),
    "</svg>\n",
  ].join("\n");
}

/** The same picture with the CSS variables of a page in place of the light theme's colours. */
export function withVariables(svg: string): string {
  const names = new Map(ALL_COLOURS.map(({ light, name }) => [light, name]));
  return svg.replaceAll(/(fill|stroke)="(#[0-9a-f]{6})"/g, (all, attribute, colour) => {
    const name = names.get(colour);
    return name === undefined ? all : `${attribute}="var(${name})"`;
  });
}

function pictureOf(chart: Chart): Picture {
  switch (chart.kind) {
    case "bars":
      return bars(chart);
    case "plot":
      return plot(chart);
    case "areas":
      return areas(chart);
    case "matrix":
      return matrix(chart);
  }
}

/** Without what serves a mouse; styles become attributes, so that a page can forbid styles; ids become the picture's own. */
function cleaned(content: string, id: string): string {
  return content
    .replaceAll(/<style\s*>[\s\S]*?<\/style>/g, "")
    .replaceAll(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, "")
    .replaceAll(/ style="([^"]*)"/g, (_, style: string) => attributes(style))
    .replaceAll(` font-size="${FONT}px"`, "") // The whole picture has these.
    .replaceAll(' dominant-baseline="central"', "")
    .replaceAll(/\b(id="|url\(#)zr\d+-/g, `$1${id}-`)
    .replaceAll(/<rect [^>]*fill="none"><\/rect>\n?/g, "")
    .replaceAll(/<path [^>]*fill-opacity="0"[^>]*><\/path>\n?/g, "")
    .replaceAll(/<path (?=[^>]*fill="none")(?![^>]*stroke=)[^>]*><\/path>\n?/g, "")
    .trim();
}

function attributes(style: string): string {
  return style.split(";").filter((rule) => rule.includes(":") && !rule.startsWith("font-family"))
    .map((rule) => ` ${rule.replace(/:\s*/, '="').trim()}"`).join("");
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
