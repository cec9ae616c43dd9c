import assert from "node:assert/strict";
import { SaxesParser } from "saxes";
import { draw, withVariables } from "../../../core/runner/report/draw/draw.ts";
import { ALL_COLOURS } from "../../../core/runner/report/draw/palette.ts";
import type { BarChart, Chart } from "../../../core/runner/report/figure.ts";
import { renderReport } from "../../../core/runner/report/report.ts";
import { cellOf, resultOf } from "../../helpers/results.ts";
import { fixture } from "./fixture.ts";

interface Tag {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** The tags and the texts of a document that must be well-formed XML. */
function parse(svg: string): { tags: Tag[]; texts: string[] } {
  const tags: Tag[] = [];
  const texts: string[] = [];
  const parser = new SaxesParser();
  parser.on("error", (error) => assert.fail(`${error.message} in ${svg.slice(0, 400)}`));
  parser.on("opentag", ({ name, attributes }) => tags.push({ name, attributes: attributes as Tag["attributes"] }));
  parser.on("text", (text) => texts.push(text));
  parser.write(svg).close();
  return { tags, texts: texts.filter((text) => text.trim() !== "") };
}

const CAPTION = { id: "picture", title: "A title", description: "What it shows" };

function barChart(name: string, group = ""): BarChart {
  return {
    ...{ kind: "bars", axis: { title: "operations a second", unit: "count", scale: "linear" } },
    series: [{ name, style: 0 }],
    groups: [{
      name: group,
      bars: [
        { name, series: 0, value: 1234, low: 1000, high: 2000, missing: "" },
        { name: "gone", series: 0, value: null, low: null, high: null, missing: "failed" },
      ],
    }],
  };
}

Deno.test("every picture of a real result is well-formed, names itself, and holds no script, style or address", async () => {
  const { files } = await renderReport([await fixture()]);
  const pictures = [...files].filter(([name]) => name.endsWith(".svg"));
  assert.deepEqual(pictures.map(([name]) => name), [
    "throughput.svg",
    "efficiency.svg",
    "relative.svg",
    "latency.svg",
    "distribution.svg",
    "sweep-queueDepth-throughput.svg",
    "sweep-queueDepth-latency-p99.svg",
    "sweep-queueDepth-cpu.svg",
    "timeline-1.svg",
    "timeline-2.svg",
  ]);
  for (const [name, svg] of pictures) {
    const { tags } = parse(svg);
    const [root] = tags;
    assert.equal(root.attributes.role, "img");
    const ids = tags.flatMap(({ attributes }) => attributes.id ?? []);
    assert.equal(new Set(ids).size, ids.length, name);
    for (const id of root.attributes["aria-labelledby"].split(" ")) assert.ok(ids.includes(id), id);
    assert.ok(ids.includes(root.attributes["aria-describedby"]));
    for (const { name: tag, attributes } of tags) {
      assert.ok(!["script", "style", "image", "foreignObject", "a", "use"].includes(tag), `${name}: ${tag}`);
      for (const [attribute, value] of Object.entries(attributes)) {
        assert.ok(!/^(?:on|style$|class$|href|xlink)/.test(attribute), `${name}: ${attribute}`);
        assert.ok(!/NaN|Infinity|undefined|null/.test(value), `${name}: <${tag} ${attribute}="${value}">`);
        if (attribute.startsWith("xmlns")) continue;
        assert.ok(!/:\/\//.test(value), value);
        const local = /url\(#([^)]+)\)/.exec(value);
        if (local !== null) assert.ok(ids.includes(local[1]), value);
      }
    }
  }
});

Deno.test("bars have their names and values as text, and a missing one says so", async () => {
  const { texts } = parse(await draw(barChart("fixed-spin", "queueDepth 4"), CAPTION));
  for (const text of ["A title", "What it shows", "fixed-spin", "1,234", "queueDepth 4", "failed", "gone"]) {
    assert.ok(texts.includes(text), `${text} in ${texts}`);
  }
});

Deno.test("names that look like markup, templates or attributes are text", async () => {
  for (
    const name of [`<script>alert(1)</script>`, `{a|b}`, `"a" style="x" class="y"`, "]]>", "&amp;", "--><b>", "$1$&"]
  ) {
    const { tags, texts } = parse(await draw(barChart(name, name), { ...CAPTION, title: name, description: name }));
    assert.ok(!tags.some(({ name }) => name === "script" || name === "b"));
    assert.equal(texts.filter((text) => text === name).length, 4, `${name} in ${texts}`);
  }
});

Deno.test("a curve of a plot has a title that is text too", async () => {
  const axis = { title: "<i>x</i>", unit: "plain", scale: "linear" } as const;
  const chart: Chart = {
    ...{ kind: "plot", marks: "lines", series: [{ name: "<b>s</b>", style: 0 }] },
    panels: [{
      title: "<u>p</u>",
      x: axis,
      y: axis,
      lines: [{ series: 0, points: [{ x: 1, y: 2 }, null, { x: 3, y: 4 }] }],
    }],
  };
  const { texts } = parse(await draw(chart, CAPTION));
  for (const text of ["<i>x</i>", "<b>s</b>", "<u>p</u>"]) assert.ok(texts.includes(text), text);
});

Deno.test("all of a picture's colours are the page's, so that it follows the theme", async () => {
  const { files } = await renderReport([await fixture()]);
  const known = new Set(ALL_COLOURS.map(({ light }) => light));
  for (const [name, svg] of files) {
    if (!name.endsWith(".svg")) continue;
    const colours = [...svg.matchAll(/(?:fill|stroke)="(#[^"]+|rgb[^"]+)"/g)].map(([, colour]) => colour);
    // Clipping paths are not seen, whatever their colour.
    assert.deepEqual(colours.filter((colour) => !known.has(colour) && colour !== "#000"), [], name);
    assert.doesNotMatch(withVariables(svg), /="#[0-9a-f]{6}"/);
  }
});

Deno.test("values of zero, of one kind and of all sizes are drawn", async () => {
  const results = [
    resultOf([cellOf("a", [0])]),
    resultOf([cellOf("a", [1e-3]), cellOf("b", [1e12])]),
    resultOf([cellOf("", [5])]),
  ];
  for (const result of results) {
    for (const [name, svg] of (await renderReport([result])).files) {
      if (name.endsWith(".svg")) assert.doesNotMatch(svg, /NaN|Infinity/, name);
    }
  }
});
