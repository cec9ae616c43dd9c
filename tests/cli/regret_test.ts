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

const six = (value: number): number[] => new Array(6).fill(value);

const result: Result = resultOf([
  ...[
    cell("interrupt", 1, [98, 98, 98, 102, 102, 102]),
    cell("auto(cpuPrice=0)", 1, six(200)),
    cell("nap|", 1, six(150)),
  ],
  ...[
    cell("interrupt", 8, six(500)),
    cell("auto(cpuPrice=0)", 8, six(450)),
    cell("nap|", 8, six(10)),
  ],
]);

/** The same, measured anew. */
const again: Result = { ...result, startedAt: "2026-02-03T04:05:06.789Z" };

async function regret(directory: string, ...args: string[]): Promise<Outcome> {
  return await outcome(start(["regret", ...args], flags(directory)));
}

Deno.test("the table is Markdown: a row a load, a column a policy, the best in bold, and what is worst", () => {
  const lines = renderRegret(regretTable("iops", [result]), [], null).split("\n");
  assert.deepEqual(lines.slice(0, 6), [
    "IOPS relative to the best of the other policies of each load. The best was chosen from the same runs, which favours it: --confirm takes the figures from others.",
    "",
    "| queueDepth | best | interrupt | auto(cpuPrice=0) | nap\\| |",
    "| --- | --- | --: | --: | --: |",
    "| 1 | auto(cpuPrice=0) | 0.50 [0.49–0.51] worst | **1.33** | 0.75 |",
    "| 8 | interrupt | **1.11** | 0.90 | 0.020 worst |",
  ]);
  assert.equal(
    lines[8],
    "- auto(cpuPrice=0): the best at 1 of 2 loads; lowest 0.90 (queueDepth=8); the worst surely at 0, perhaps at 0.",
  );
});

Deno.test("each policy can be held against a goal, by its interval", () => {
  const table = regretTable("iops", [result], [again]);
  assert.deepEqual(tally(table, "auto(cpuPrice=0)", 0.97), { met: 1, open: 0, missed: 1 });
  assert.deepEqual(tally(table, "interrupt", 0.5), { met: 1, open: 1, missed: 0 });
  const text = renderRegret(table, ["auto(cpuPrice=0)"], 0.97);
  assert.match(text, /^IOPS relative .*; that one was chosen from other runs than the figures are from\.$/m);
  assert.match(text, /^\| queueDepth \| best \| auto\(cpuPrice=0\) \|$/m);
  assert.match(text, /At least 0\.97, each load by its 95 % interval: met at 1, missed at 1, not told at 0\.$/m);
});

Deno.test("too few repetitions for an interval tell nothing, nor does a cell that was not run; a failure is a miss", () => {
  const failed = { ...cell("failed", 1, []), status: "failed", error: "it was" } as const;
  const few = resultOf([
    cell("a", 1, [100]),
    cell("b", 1, [50]),
    failed,
    cell("a", 8, six(100)),
    cell("c", 8, six(50)),
  ]);
  const table = regretTable("iops", [few]);
  assert.deepEqual(tally(table, "b", 0.97), { met: 0, open: 2, missed: 0 });
  assert.deepEqual(tally(table, "c", 0.97), { met: 0, open: 1, missed: 1 });
  assert.deepEqual(tally(table, "failed", 0.97), { met: 0, open: 1, missed: 1 });
  const [one, eight] = renderRegret(table, [], null).split("\n").slice(4);
  assert.match(one, /^\| 1 \| a \| \*\*2\.00\*\* \| 0\.50 \| failed worst \| not run \|$/);
  assert.match(eight, /^\| 8 \| a \| \*\*2\.00\*\* \| not run \| not run \| 0\.50 worst \|$/);
});

Deno.test("a policy that was chosen by luck does not pass for having been chosen", () => {
  const lucky = resultOf([cell("lucky", 1, six(120)), cell("good", 1, six(100))]);
  const table = regretTable("iops", [lucky], [resultOf([cell("lucky", 1, six(90)), cell("good", 1, six(100))])]);
  assert.deepEqual(tally(table, "lucky", 0.97), { met: 0, open: 0, missed: 1 });
  assert.equal(table.loads[0].best, "lucky");
});

Deno.test("the command reads files and folders, prints the table or JSON, and its status says whether the goal is missed", async () => {
  await withDirectory(async (directory) => {
    const [first, second] = [join(directory, "first"), join(directory, "second.json")];
    await Deno.mkdir(first);
    await Deno.writeTextFile(join(first, "a.json"), JSON.stringify(result));
    await Deno.writeTextFile(join(first, "b.txt"), "no result");
    await Deno.writeTextFile(second, JSON.stringify(again));
    const both = ["--choose", first, "--confirm", second];
    const table = await regret(directory, ...both);
    assert.equal(table.code, 0, table.stderr);
    assert.match(table.stdout, /^\| 8 \| interrupt \| \*\*1\.11\*\* \| 0\.90 \| 0\.020 worst \|$/m);
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
    await Deno.writeTextFile(other, JSON.stringify({ ...again, scenario: { name: "other" } }));
    const text = join(directory, "bad.json");
    await Deno.writeTextFile(text, "{}");
    const empty = join(directory, "empty");
    await Deno.mkdir(empty);
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [["--choose", join(directory, "none.json")], /none\.json: there is no such file or folder$/m],
      [["--choose", text], /^iddr: .*bad\.json: .*it is no result of a run/m],
      [["--choose", empty], /empty: is a folder without a result/m],
      [
        ["--choose", good, "--confirm", good],
        /^iddr: the run that was started at .* is among those of --choose and those/m,
      ],
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
