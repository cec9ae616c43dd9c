import assert from "node:assert/strict";
import { join } from "node:path";
import { quantity } from "../../../core/runner/report/quantity.ts";
import { renderReport } from "../../../core/runner/report/report.ts";
import type { CellResult, Result } from "../../../core/runner/result.ts";
import { browserRefusal, type Page, withBrowser } from "../../helpers/browser.ts";
import { cellOf, resultOf, sampleOf } from "../../helpers/results.ts";
import { testUnless } from "../../helpers/test_unless.ts";
import { fixture } from "./fixture.ts";
import { barsOf, contrasts, focused, focusOutline, groundColour, misplacedLabels, shown, sizes } from "./in_page.ts";

interface Opened {
  readonly page: Page;
  /** What the page asked for and what it complained of. */
  readonly events: string[];
}

/** Opens the report of a result from a file. */
async function open(
  result: Result,
  options: { readonly width?: number; readonly colorScheme?: "light" | "dark" },
  test: (opened: Opened) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "iddr-test-" });
  try {
    const path = join(folder, "report.html");
    await Deno.writeTextFile(path, (await renderReport([result])).html);
    await withBrowser(async (browser) => {
      const { width = 1280, colorScheme = "light" } = options;
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
      const events: string[] = [];
      page.on("console", (message) => events.push(`console: ${message.text()}`));
      page.on("pageerror", (error) => events.push(`error: ${error.message}`));
      page.on("request", (request) => events.push(`request: ${request.url()}`));
      await page.goto(`file://${path}`);
      await test({ page, events });
      assert.deepEqual(events, [`request: file://${path}`]);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** More policies, loads and longer names than fit beside each other. */
function crowded(): Result {
  const policies = ["interrupt", "fixed-spin(spin=20us)", "adaptive-spin", "busy-poll", "hybrid-poll", "halt-poll"];
  policies.push("competitive-spin(mode=randomised)", "coalesce(armDistance=4, holdoff=10us)", "x".repeat(200));
  const cells = ["512B", "4KiB", "64KiB"].flatMap((size, sizeIndex) =>
    ["1", "2", "4", "32"].flatMap((depth, depthIndex) =>
      policies.map((policy, index): CellResult => {
        const iops = 10 ** (index % 6) * (sizeIndex + 1) * (depthIndex + 1);
        const samples = [sampleOf(0, [iops, iops]), sampleOf(1, [iops, iops * 2])];
        const cell = cellOf(policy, [iops, iops * 2], { samples });
        return {
          ...cell,
          labels: { ...cell.labels, "workload.with.blockSize": size, "workload.with.queueDepth": depth },
        };
      })
    )
  );
  return resultOf([...cells, {
    ...cellOf("interrupt", [], { status: "failed", error: "The driver died" }),
    labels: { policy: "interrupt", "workload.with.blockSize": "1MiB", "workload.with.queueDepth": "1" },
  }]);
}

testUnless(browserRefusal, "the page opens from a file, asks for nothing else and complains of nothing", async () => {
  await open(await fixture(), {}, async ({ page }) => {
    assert.equal(await page.title(), "policies-by-queue-depth");
    assert.equal(await page.locator("svg").count(), 10);
    assert.equal(await page.getByRole("img", { name: "Throughput", exact: true }).count(), 1);
    assert.equal(await page.locator("style, script").count(), 1);
  });
});

testUnless(browserRefusal, "bars are as long as the document's medians, which stand beside them", async () => {
  const result = await fixture();
  await open(result, {}, async ({ page }) => {
    const medians = result.cells.map(({ summary }) => summary.iops?.median ?? NaN);
    const { widths, texts } = await page.locator("#figure-throughput svg").evaluate(barsOf);
    const longest = Math.max(...medians);
    assert.equal(widths.length, medians.length);
    for (const [index, median] of medians.entries()) {
      const expected = median / longest * Math.max(...widths);
      assert.ok(Math.abs(widths[index] - expected) <= 0.2, `${widths[index]} pixels for ${expected}`);
      assert.ok(texts.includes(quantity(median, "count")), `${median} in ${texts}`);
    }
  });
});

for (const colorScheme of ["light", "dark"] as const) {
  testUnless(browserRefusal, `text can be read in the ${colorScheme} theme: its contrast is 4.5 or more`, async () => {
    await open(await fixture(), { colorScheme }, async ({ page }) => {
      const found = await page.evaluate(contrasts);
      assert.equal(found.ground, colorScheme === "light" ? "rgb(255, 255, 255)" : "rgb(20, 23, 28)");
      assert.ok(found.texts.length > 100);
      assert.deepEqual(found.texts.filter(({ contrast }) => contrast < 4.5), []);
    });
  });
}

for (const [name, make] of [["a real result", fixture], ["many policies and long names", crowded]] as const) {
  testUnless(browserRefusal, `no label of a chart of ${name} lies on another or beyond the edge`, async () => {
    await open(await make(), {}, async ({ page }) => {
      const found = await page.evaluate(misplacedLabels);
      assert.ok(found.charts > 8);
      assert.deepEqual(found.mistakes, []);
    });
  });
}

for (const width of [400, 1280]) {
  testUnless(
    browserRefusal,
    `at a width of ${width} pixels nothing but charts and tables scrolls sideways`,
    async () => {
      await open(crowded(), { width }, async ({ page }) => {
        const found = await page.evaluate(sizes);
        assert.equal(found.page, width);
        assert.ok(found.text >= 10, `text of charts is ${found.text} pixels high`);
      });
    },
  );
}

testUnless(browserRefusal, "everything can be done by keyboard: the theme, the tables and what scrolls", async () => {
  await open(await fixture(), {}, async ({ page }) => {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(focused), "theme-system");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.evaluate(focused), "theme-dark");
    assert.equal(await page.evaluate(groundColour), "rgb(20, 23, 28)");
    await page.keyboard.press("ArrowLeft");
    assert.equal(await page.evaluate(groundColour), "rgb(255, 255, 255)");

    const table = page.locator("#figure-throughput details");
    assert.equal(await table.getAttribute("open"), null);
    for (let press = 0; press < 20; press++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(focused) === "Throughput: the table") break;
    }
    assert.equal(await page.evaluate(focusOutline), "solid", "what has the focus can be seen");
    await page.keyboard.press("Enter");
    assert.equal(await table.getAttribute("open"), "");
    assert.ok(await table.locator("table").isVisible());
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(focused), "Throughput, table");
  });
});

testUnless(
  browserRefusal,
  "on paper it is light whatever was chosen, with the scenario and without what is for screens",
  async () => {
    await open(await fixture(), { colorScheme: "dark" }, async ({ page }) => {
      await page.locator("#theme-dark").check();
      const pdf = await page.pdf({ format: "A4" });
      assert.equal(new TextDecoder().decode(pdf.slice(0, 5)), "%PDF-");
      const pages = new TextDecoder("latin1").decode(pdf).match(/\/Type\s*\/Page\b/g)?.length ?? 0;
      assert.ok(pages >= 4, `${pages} pages`);
      await page.emulateMedia({ media: "print" });
      const printed = await page.evaluate(shown);
      assert.equal(printed.ground, "rgb(255, 255, 255)");
      assert.equal(printed.bar, "rgb(0, 114, 178)");
      assert.deepEqual([printed.form, printed.table], ["none", "none"]);
      assert.ok(printed.cells > 100 && printed.scenario > 100, JSON.stringify(printed));
    });
  },
);
