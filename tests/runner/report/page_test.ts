import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { parse } from "csv-parse/sync";
import { type DefaultTreeAdapterTypes, parse as parseHtml, type ParserError } from "parse5";
import { escapeHtml, html } from "../../../core/runner/report/page/html.ts";
import { renderReport } from "../../../core/runner/report/report.ts";
import type { Result } from "../../../core/runner/result.ts";
import { cellOf, resultOf, sampleOf } from "../../helpers/results.ts";
import { fixture } from "./fixture.ts";

type Node = DefaultTreeAdapterTypes.Node;
type Element = DefaultTreeAdapterTypes.Element;

/** All elements of a page that must have no mistake in it. */
function elementsOf(page: string): Element[] {
  const errors: ParserError[] = [];
  const document = parseHtml(page, { onParseError: (error) => errors.push(error), sourceCodeLocationInfo: true });
  assert.deepEqual(errors.map(({ code, startLine }) => `${code}:${startLine}`), []);
  const visit = (node: Node): Element[] => {
    const children = "childNodes" in node ? node.childNodes.flatMap(visit) : [];
    return "tagName" in node ? [node, ...children] : children;
  };
  return visit(document);
}

function attribute({ attrs }: Element, name: string): string | undefined {
  return attrs.find((each) => each.name === name)?.value;
}

function textOf(node: Node): string {
  if ("value" in node && node.nodeName === "#text") return node.value as string;
  return "childNodes" in node ? node.childNodes.map(textOf).join("") : "";
}

/** What others may have written wherever a result has text. */
const EVIL = `<img src=x onerror=alert(1)>"'&</script></style></title><!--\u0000\u0007]]>`;
const SHOWN = EVIL.replace("\u0000", "\ufffd").replace("\u0007", "\ufffd");

function evilResult(): Result {
  const samples = [sampleOf(0, [3, 4], { disturbed: EVIL, redone: [EVIL], counters: { [EVIL]: 5 } })];
  const cells = [EVIL, `${EVIL}2`].flatMap((policy) =>
    ["1", "2", "4"].map((depth) => {
      const cell = cellOf(policy, [5], { notes: [EVIL], samples });
      const counters = { [EVIL]: { median: 1, low: 1, high: 1, interval: "minmax" as const } };
      return {
        ...cell,
        labels: { ...cell.labels, [EVIL]: depth, device: EVIL },
        summary: { ...cell.summary, counters },
      };
    })
  );
  const failed = { ...cellOf("c", []), status: "failed" as const, error: EVIL };
  return resultOf([...cells, { ...failed, labels: { ...failed.labels, [EVIL]: "8", device: EVIL } }], {
    scenario: { name: EVIL, description: EVIL, [EVIL]: EVIL },
    startedAt: "2026-01-02T03:04:05.678Z",
    machine: { cpuModel: EVIL, cores: 2, kernel: EVIL, deno: EVIL, v8: EVIL },
    figures: { [EVIL]: EVIL },
    expectations: [{ text: EVIL, labels: { [EVIL]: EVIL }, status: "unmet", left: 1, right: null }],
  });
}

Deno.test("the page of a real result is HTML without a mistake, and every id in it is there once", async () => {
  const result = await fixture();
  for (const results of [[result], [result, result]]) {
    const elements = elementsOf((await renderReport(results)).html);
    const ids = elements.flatMap((element) => attribute(element, "id") ?? []);
    assert.equal(new Set(ids).size, ids.length);
    for (const element of elements) {
      for (const name of ["aria-labelledby", "aria-describedby"]) {
        for (const id of attribute(element, name)?.split(" ") ?? []) assert.ok(ids.includes(id), id);
      }
      const link = attribute(element, "href");
      if (link?.startsWith("#")) assert.ok(ids.includes(link.slice(1)), link);
    }
  }
});

Deno.test("the page has no script and no address, and its policy lets nothing but its own style sheet in", async () => {
  const elements = elementsOf((await renderReport([await fixture()])).html);
  const policy = elements.find((element) => attribute(element, "http-equiv") === "Content-Security-Policy");
  assert.ok(policy);
  const [style, ...others] = elements.filter(({ tagName }) => tagName === "style");
  assert.deepEqual(others, []);
  const hash = createHash("sha256").update(textOf(style)).digest("base64");
  assert.equal(
    attribute(policy, "content"),
    `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`,
  );
  for (const element of elements) {
    assert.ok(
      !["script", "link", "img", "iframe", "object", "embed", "base"].includes(element.tagName),
      element.tagName,
    );
    for (const { name, value } of element.attrs) {
      assert.ok(!/^(?:on|style$|src)/.test(name), name);
      if (name === "href") assert.match(value, /^(?:#|data:text\/csv;)/);
    }
  }
  assert.doesNotMatch(textOf(style), /url\(|@import|@font-face/);
});

Deno.test("each figure's table has the document's numbers with all digits, and its CSV the same", async () => {
  const result = await fixture();
  const { html: page, files } = await renderReport([result]);
  const elements = elementsOf(page);
  const figures = elements.filter(({ tagName }) => tagName === "figure");
  assert.ok(figures.length >= 9);
  for (const figure of figures) {
    const inside = within(figure);
    const link = inside.find((element) => attribute(element, "download") !== undefined);
    assert.ok(link);
    const csv = decodeURIComponent((attribute(link, "href") ?? "").replace("data:text/csv;charset=utf-8,", ""));
    assert.equal(csv, files.get(attribute(link, "download") ?? ""));
    const lines: string[][] = parse(csv);
    const rows = inside.filter(({ tagName }) => tagName === "tr");
    const cellsOf = (row: Element): string[] =>
      within(row).filter(({ tagName }) => tagName === "td").map((cell) => {
        const data = within(cell).find(({ tagName }) => tagName === "data");
        if (data !== undefined) return attribute(data, "value") ?? "";
        return within(cell).some((each) => attribute(each, "title") === "not measured") ? "" : textOf(cell);
      });
    assert.deepEqual(rows.slice(1).map(cellsOf), lines.slice(1));
  }
  const throughput: Record<string, string>[] = parse(files.get("throughput.csv") ?? "", { columns: true });
  assert.deepEqual(throughput.map(({ iops }) => Number(iops)), result.cells.map(({ summary }) => summary.iops?.median));
});

function within(element: Element): Element[] {
  return element.childNodes.flatMap((node) => "tagName" in node ? [node, ...within(node)] : []);
}

Deno.test("whatever the texts of a result are, they stay text in the page, and name no other file", async () => {
  const plain = elementsOf((await renderReport([resultOf([cellOf("a", [5]), cellOf("b", [6])])])).html);
  const known = new Set(plain.map(({ tagName }) => tagName));
  const { html: page, files } = await renderReport([evilResult(), evilResult()]);
  const elements = elementsOf(page);
  const strange = elements.filter(({ tagName }) => !known.has(tagName)).map(({ tagName }) => tagName);
  assert.deepEqual([...new Set(strange)].filter((name) => !SVG_AND_LISTS.includes(name)), []);
  for (const { attrs } of elements) assert.ok(!attrs.some(({ name }) => name.startsWith("on")));
  for (const place of ["h1", "li", "td", "dd", "pre"]) {
    const texts = elements.filter(({ tagName }) => tagName === place).map(textOf);
    if (place === "h1") assert.deepEqual(texts, ["2 results"]);
    else assert.ok(texts.some((text) => text.includes(place === "pre" ? "<img src=x" : SHOWN)), place);
  }
  for (const name of files.keys()) assert.match(name, /^[\w-]+\.(?:svg|csv)$/);
});

/** Elements that a page has only for longer results. */
const SVG_AND_LISTS = [
  "nav",
  "ul",
  "li",
  "div",
  "strong",
  "span",
  "h2",
  "defs",
  "clippath",
  "clipPath",
  "pattern",
  "circle",
  "polygon",
];

Deno.test("failed cells, causes and what was not settled are said before the figures", async () => {
  const samples = [sampleOf(0, [1, 1]), sampleOf(1, [1, 1], { disturbed: "the host took 20 %" })];
  const cell = cellOf("slow", [1, 1], { samples });
  const result = resultOf([
    { ...cell, summary: { ...cell.summary, steady: { settled: false, slopePercent: -12.34 } } },
    { ...cellOf("broken", []), status: "failed", error: "The driver died" },
    { ...cellOf("later", []), status: "pending" },
  ], { interrupted: true });
  const elements = elementsOf((await renderReport([result])).html);
  const [warnings] = elements.filter((element) => attribute(element, "class") === "warnings").map(textOf);
  for (
    const said of [
      "The run was interrupted before its end.",
      "1 of 3 cells do not have all their repetitions.",
      "Failed: policy=broken: The driver died",
      "Not settled, as the rate rose or fell within the window: policy=slow by -12.3 %.",
      "Disturbed: policy=slow, repetition 1: the host took 20 %",
    ]
  ) assert.ok(warnings.includes(said), `${said} in ${warnings}`);
});

Deno.test("results of one scenario are told apart by when they were started", async () => {
  const result = await fixture();
  const other = { ...result, startedAt: "2026-01-02T03:04:05.678Z" };
  const elements = elementsOf((await renderReport([result, other, other])).html);
  const headings = elements.filter(({ tagName }) => tagName === "h2").map(textOf);
  assert.equal(new Set(headings).size, 3);
  assert.match(headings[1], /^policies-by-queue-depth, 2026-01-02 03:04:05$/);
  const overview = elements.find((element) => attribute(element, "id") === "figure-overview");
  assert.ok(overview !== undefined, "they have cells in common");
});

Deno.test("a report of nothing is refused", async () => {
  await assert.rejects(renderReport([]), { name: "RangeError", message: /one result or more/ });
});

Deno.test("templates escape what is put into them, once", () => {
  const inner = html`<b title="${`"'`}">${"<&>"}</b>`;
  assert.equal(html`<p>${inner}${[1, inner]}${null}</p>`.markup.includes("&amp;lt;"), false);
  assert.equal(inner.markup, '<b title="&quot;&#39;">&lt;&amp;&gt;</b>');
  assert.equal(escapeHtml("a\u0000\u001b\ud800\ufffe\n\tb"), "a\ufffd\ufffd\ufffd\ufffd\n\tb");
});
