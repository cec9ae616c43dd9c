import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { figuresDirectory, reportPath } from "../../cli/page_file.ts";
import { flags, type Outcome, outcome, start, withDirectory, writeScenario } from "../e2e/command.ts";
import { FIXTURE } from "../runner/report/fixture.ts";

/** Runs `report` with no more than it needs. */
async function report(directory: string, ...args: string[]): Promise<Outcome> {
  const permissions = [
    "--no-prompt",
    "--allow-read",
    "--allow-env=LOG_TOKENS,LOG_STREAM",
    `--allow-write=${directory}`,
  ];
  return await outcome(start(["report", ...args], permissions));
}

/** A copy of a real result. */
async function copied(directory: string, name: string): Promise<string> {
  const path = join(directory, name);
  await Deno.copyFile(FIXTURE, path);
  return path;
}

function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}

Deno.test("report writes a page beside the result, and every figure as CSV and SVG", async () => {
  await withDirectory(async (directory) => {
    const file = await copied(directory, "mine.json");
    const { code, stdout, stderr } = await report(directory, file);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${join(directory, "mine.html")}\n`);
    assert.match(stderr, /^\d+ files of its figures in .*mine-figures$/m);
    assert.deepEqual(names(directory), ["mine-figures", "mine.html", "mine.json"]);
    assert.match(await Deno.readTextFile(join(directory, "mine.html")), /^<!doctype html>[\s\S]*<\/html>\n$/i);
    const figures = names(join(directory, "mine-figures"));
    for (const name of ["throughput.csv", "throughput.svg", "cells.csv", "timeline-1.svg"]) {
      assert.ok(figures.includes(name), `${name} in ${figures}`);
    }
    assert.ok(!figures.some((name) => name.endsWith(".partial")));
  });
});

Deno.test("several results have one page, in the folder that --out names, which is made", async () => {
  await withDirectory(async (directory) => {
    const files = [await copied(directory, "a.json"), await copied(directory, "b.json")];
    const out = join(directory, "new/folder");
    const { code, stderr } = await report(directory, ...files, "--out", out);
    assert.equal(code, 0, stderr);
    assert.deepEqual(names(out), ["report-figures", "report.html"]);
    assert.match(await Deno.readTextFile(join(out, "report.html")), /<h1>2 results<\/h1>/);
    assert.ok(names(join(out, "report-figures")).includes("overview.svg"));
  });
});

Deno.test("a folder stands for its results, whose page is in it", async () => {
  await withDirectory(async (directory) => {
    await copied(directory, "a.json");
    await copied(directory, "b.json");
    const { code, stdout, stderr } = await report(directory, directory);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${join(directory, "report.html")}\n`);
    const empty = join(directory, "empty");
    await Deno.mkdir(empty);
    const none = await report(directory, empty);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /^iddr: .*empty: is a folder without a result/);
  });
});

Deno.test("each file that holds no result is named, with the place; nothing is written", async () => {
  await withDirectory(async (directory) => {
    const wrong = join(directory, "wrong.json");
    await Deno.writeTextFile(wrong, '{"schema":"iddr.result/v1"}');
    const broken = join(directory, "broken.json");
    await Deno.writeTextFile(broken, "{");
    const missing = join(directory, "missing.json");
    const { code, stdout, stderr } = await report(
      directory,
      wrong,
      broken,
      missing,
      await copied(directory, "ok.json"),
    );
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /^iddr: .*wrong\.json: scenario /m);
    assert.match(stderr, /^iddr: .*broken\.json: /m);
    assert.match(stderr, /^iddr: .*missing\.json: there is no such file or folder$/m);
    assert.deepEqual(names(directory), ["broken.json", "ok.json", "wrong.json"]);
  });
});

Deno.test("an --out that is empty or cannot be a folder is refused", async () => {
  await withDirectory(async (directory) => {
    const file = await copied(directory, "mine.json");
    assert.equal((await report(directory, file, "--out=")).code, 2);
    const { code, stderr } = await report(directory, file, "--out", file);
    assert.equal(code, 1);
    assert.match(stderr, /^iddr: the report could not be written in .*mine\.html: /m);
  });
});

Deno.test("without the permission to write, the one flag to add is named", async () => {
  await withDirectory(async (directory) => {
    const file = await copied(directory, "mine.json");
    const read = ["--no-prompt", "--allow-read", "--allow-env=LOG_TOKENS,LOG_STREAM"];
    const { code, stderr } = await outcome(start(["report", file], read));
    assert.equal(code, 2);
    assert.ok(stderr.includes(`Add: --allow-write=${directory} `), stderr);
  });
});

Deno.test("the page of a result has its name, wherever it lies", () => {
  assert.equal(reportPath(["results/a-1.json"]), "results/a-1.html");
  assert.equal(reportPath(["a.json"]), "a.html");
  assert.equal(reportPath(["a.jsonl"]), "a.html");
  assert.equal(reportPath(["results/a.json"], "out"), "out/a.html");
  assert.equal(reportPath(["x/a.json", "y/b.json"]), "x/report.html");
  assert.equal(figuresDirectory("out/a.html"), "out/a-figures");
});

Deno.test("a run writes its page next to its result and says where, unless it is not wanted", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, { run: { warmup: "10ms", duration: "30ms", repetitions: 1 } });
    const out = join(directory, "out");
    const { code, stderr } = await outcome(start([scenario, "--out", out], flags(out)));
    assert.equal(code, 0, stderr);
    const [page, result] = names(out);
    assert.equal(page, result.replace(/json$/, "html"));
    assert.ok(stderr.includes(`report in ${join(out, page)}`), stderr);
    assert.match(await Deno.readTextFile(join(out, page)), /<h1>test<\/h1>/);

    const without = join(directory, "without.json");
    assert.equal((await outcome(start([scenario, "--no-report", "--out", without], flags(directory)))).code, 0);
    assert.deepEqual(names(directory), ["out", "scenario.yaml", "without.json"]);
  });
});

Deno.test("a run whose page cannot be written says so, keeps its result, and is no failure", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, { run: { warmup: "10ms", duration: "30ms", repetitions: 1 } });
    await Deno.mkdir(join(directory, "mine.html/full"), { recursive: true }); // A name that no file can have.
    const out = join(directory, "mine.json");
    const { code, stdout, stderr } = await outcome(start([scenario, "--out", out], flags(directory)));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /│ fixed-spin/);
    assert.match(stderr, /^saved in .*mine\.json$/m);
    assert.match(stderr, /^iddr: the report could not be written in .*mine\.html: .*os error/m);
    assert.equal(JSON.parse(await Deno.readTextFile(out)).cells[0].status, "ok");
    assert.deepEqual(names(directory).map((name) => basename(name)), ["mine.html", "mine.json", "scenario.yaml"]);
  });
});
