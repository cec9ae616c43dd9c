import assert from "node:assert/strict";
import { join } from "node:path";
import { renderRegret, tally } from "../../cli/regret_table.ts";
import { regretTable } from "../../core/runner/regret.ts";
import type { CellResult, Result } from "../../core/runner/result.ts";
import { flags, type Outcome, outcome, start, withDirectory } from "../e2e/command.ts";
import { cellOf, resultOf } from "../helpers/results.ts";

function cell(policy: string, depth: number, iops: readonly number[]): CellResult {
  const own = cellOf(policy, iops);
  return { ...own, labels: { ...own.labels, "workload.with.queueDepth": `${depth}` } };
}

const result: Result = resultOf([
  ...[
    cell("interrupt", 1, [98, 100, 102]),
    cell("auto(cpuPrice=0)", 1, [200, 200, 200]),
    cell("nap|", 1, [150, 150, 150]),
  ],
  ...[
    cell("interrupt", 8, [500, 500, 500]),
    cell("auto(cpuPrice=0)", 8, [450, 450, 450]),
    cell("nap|", 8, [10, 10, 10]),
  ],
]);

async function regret(directory: string, ...args: string[]): Promise<Outcome> {
  return await outcome(start(["regret", ...args], flags(directory)));
}

Deno.test("the table is Markdown: a row a load, a column a policy, the best in bold, and what is worst", () => {
  const lines = renderRegret(regretTable("iops", [result]), [], null).split("\n");
  assert.deepEqual(lines.slice(0, 6), [
    "IOPS relative to the best policy of each load. The best was chosen from the same runs, which favours it: --confirm takes the figures from others.",
    "",
    "| queueDepth | best | interrupt | auto(cpuPrice=0) | nap\\| |",
    "| --- | --- | --: | --: | --: |",
    "| 1 | auto(cpuPrice=0) | 0.50 [0.49–0.51] worst | **1** | 0.75 |",
    "| 8 | interrupt | **1** | 0.90 | 0.020 worst |",
  ]);
  assert.equal(
    lines[8],
    "- auto(cpuPrice=0): the best at 1 of 2 loads; lowest 0.90 (queueDepth=8); the worst surely at 0, perhaps at 0.",
  );
});

Deno.test("each policy can be held against a goal, by its interval", () => {
  const table = regretTable("iops", [result], [result]);
  assert.deepEqual(tally(table, "auto(cpuPrice=0)", 0.97), { met: 1, open: 0, missed: 1 });
  assert.deepEqual(tally(table, "interrupt", 0.5), { met: 1, open: 1, missed: 0 });
  const text = renderRegret(table, ["auto(cpuPrice=0)"], 0.97);
  assert.match(text, /^IOPS relative .*; the best was chosen from other runs than the figures are from\.$/m);
  assert.match(text, /^\| queueDepth \| best \| auto\(cpuPrice=0\) \|$/m);
  assert.match(text, /At least 0\.97: surely at 1, surely not at 1, not told at 0\.$/m);
});

Deno.test("the command reads files and folders, prints the table or JSON, and its status says whether the goal is missed", async () => {
  await withDirectory(async (directory) => {
    const [first, second] = [join(directory, "first"), join(directory, "second.json")];
    await Deno.mkdir(first);
    await Deno.writeTextFile(join(first, "a.json"), JSON.stringify(result));
    await Deno.writeTextFile(join(first, "b.txt"), "no result");
    await Deno.writeTextFile(second, JSON.stringify(result));
    const both = ["--choose", first, "--confirm", second];
    const table = await regret(directory, ...both);
    assert.equal(table.code, 0, table.stderr);
    assert.match(table.stdout, /^\| 8 \| interrupt \| \*\*1\*\* \| 0\.90 \| 0\.020 worst \|$/m);
    const { code, stdout } = await regret(directory, ...both, "--json", "--metric", "latencyP99Ns");
    assert.equal(code, 0);
    const parsed = JSON.parse(stdout);
    assert.deepEqual([parsed.metric, parsed.confirmed, parsed.loads.length], ["latencyP99Ns", true, 2]);
    const policy = ["--policy", "auto(cpuPrice=0)"];
    assert.equal((await regret(directory, ...both, ...policy, "--goal", "0.97")).code, 1);
    assert.equal((await regret(directory, ...both, ...policy, "--goal", "0.9")).code, 0);
  });
});

Deno.test("what cannot be used is named, with status 2", async () => {
  await withDirectory(async (directory) => {
    const good = join(directory, "good.json");
    await Deno.writeTextFile(good, JSON.stringify(result));
    const other = join(directory, "other.json");
    await Deno.writeTextFile(other, JSON.stringify({ ...result, scenario: { name: "other" } }));
    const text = join(directory, "bad.json");
    await Deno.writeTextFile(text, "{}");
    const empty = join(directory, "empty");
    await Deno.mkdir(empty);
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [["--choose", join(directory, "none.json")], /none\.json: there is no such file or folder$/m],
      [["--choose", text], /^iddr: .*bad\.json: .*it is no result of a run/m],
      [["--choose", empty], /empty: no file in it ends in \.json$/m],
      [["--choose", good, "--confirm", other], /^iddr: no load is in the results of both/m],
      [
        ["--choose", good, "--policy", "auto"],
        /^iddr: --policy auto: no cell has it; there are interrupt, auto\(cpuPrice=0\), nap\|$/m,
      ],
      [["--confirm", good], /--choose/],
      [["--choose", good, "--metric", "speed"], /iopsPerCpuCore/],
    ];
    for (const [args, said] of wrong) {
      const { code, stdout, stderr } = await regret(directory, ...args);
      assert.equal(code, 2, args.join(" "));
      assert.equal(stdout, "");
      assert.match(stderr, said);
    }
  });
});
