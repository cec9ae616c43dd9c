import assert from "node:assert/strict";
import { join } from "node:path";
import { flags, type Outcome, outcome, start, withDirectory, writeScenario } from "../e2e/command.ts";
import { cellOf, resultOf } from "../helpers/results.ts";
import type { CellResult, Result } from "../../core/runner/result.ts";

const around = (middle: number): number[] => [0.99, 0.995, 1, 1.001, 1.006, 1.011].map((factor) => factor * middle);

async function compare(directory: string, ...args: string[]): Promise<Outcome> {
  return await outcome(start(["compare", ...args], flags(directory), false, directory));
}

/** Writes results, each of some cells, under names of their own. */
async function write(
  directory: string,
  results: Readonly<Record<string, readonly CellResult[] | Result>>,
): Promise<void> {
  for (const [name, value] of Object.entries(results)) {
    await Deno.writeTextFile(join(directory, name), JSON.stringify("schema" in value ? value : resultOf(value)));
  }
}

Deno.test("the exit status is 0 when nothing is slower and 1 when something is, and the table says what", async () => {
  await withDirectory(async (directory) => {
    await write(directory, {
      "a.json": [cellOf("interrupt", around(100)), cellOf("fixed-spin", around(300))],
      "b.json": [cellOf("interrupt", around(100)), cellOf("fixed-spin", around(285))],
    });
    const same = await compare(directory, "a.json", "a.json");
    assert.equal(same.code, 0, same.stderr);
    assert.match(same.stdout, /│ interrupt +│ +100 │ +100 │ 1\.000 \[.*\] │ +6 │ 1\.0000 │ no evidence +│/);
    assert.match(same.stdout, /\n2 no evidence\n$/);
    const slower = await compare(directory, "a.json", "b.json");
    assert.equal(slower.code, 1);
    assert.match(slower.stdout, /│ fixed-spin +│ +300 │ +285 │ 0\.950 \[0\.9\d+–0\.9\d+\] │ +6 │ 0\.0043 │ slower +│/);
    assert.match(slower.stdout, /\n1 slower, 1 no evidence\n$/);
    assert.equal((await compare(directory, "b.json", "a.json")).code, 0, "faster is fine");
    assert.equal((await compare(directory, "a.json", "b.json", "--threshold", "10%")).code, 0);
    const sure = await compare(directory, "a.json", "b.json", "--confidence", "99.9%");
    assert.equal(sure.code, 2, "nothing is excluded");
    assert.match(sure.stderr, /^iddr: of 2 cells it cannot be said whether they are slower: status 2$/m);
    assert.match(sure.stdout, /too few repetitions to tell: 8 of each side needed, for 2 cells/);
  });
});

Deno.test("--json is the comparison for programs", async () => {
  await withDirectory(async (directory) => {
    await write(directory, {
      "a.json": [cellOf("interrupt", around(100))],
      "b.json": [cellOf("interrupt", around(50))],
    });
    const { code, stdout } = await compare(directory, "a.json", "b.json", "--json", "--metric", "latencyP99Ns");
    const { schema, sides, metric, errorRate, threshold, cells: [cell] } = JSON.parse(stdout);
    assert.deepEqual([code, schema, sides], [1, "iddr.comparison/v1", ["a.json", "b.json"]]);
    assert.deepEqual([metric, errorRate, threshold], ["latencyP99Ns", 0.01, 0]);
    assert.deepEqual([cell.verdict, cell.ratio.median], ["slower", 2]);
  });
});

Deno.test("folders stand for all results in them, and cells of one result are compared by a label", async () => {
  await withDirectory(async (directory) => {
    for (const [side, factor] of [["old", 1], ["new", 1.1]] as const) {
      await Deno.mkdir(join(directory, side));
      for (const [index, iops] of around(100).entries()) {
        const startedAt = `2026-01-02T03:${10 + 2 * index + (side === "new" ? 1 : 0)}:00.000Z`;
        const cells = [cellOf("interrupt", [iops * factor])];
        await write(directory, { [`${side}/${index}.json`]: resultOf(cells, { startedAt }) });
      }
    }
    const { code, stdout } = await compare(directory, "old", "new");
    assert.equal(code, 0);
    assert.match(stdout, /│ +6 │ 0\.0022 │ faster +│/);
    assert.doesNotMatch(stdout, /warning/);

    await write(directory, { "one.json": [cellOf("interrupt", around(100)), cellOf("fixed-spin", around(90))] });
    const within = await compare(directory, "one.json", "--by", "policy");
    assert.equal(within.code, 1);
    assert.match(within.stdout, /^A: interrupt\nB: each other policy\n/);
    assert.equal((await compare(directory, "one.json", "--by", "policy", "--baseline", "fixed-spin")).code, 0);
  });
});

Deno.test("a failed cell, cells that one side alone has and different machines are named", async () => {
  await withDirectory(async (directory) => {
    const failed = { ...cellOf("fixed-spin", []), status: "failed", error: "the driver died" } as const;
    const before = resultOf([cellOf("interrupt", around(100)), cellOf("fixed-spin", around(100))]);
    const machine = { ...before.machine, cores: 64 };
    await write(directory, {
      "a.json": before,
      "b.json": resultOf([cellOf("interrupt", around(100)), failed, cellOf("busy-poll", [1])], { machine }),
    });
    const { code, stdout } = await compare(directory, "a.json", "b.json");
    assert.equal(code, 1);
    assert.match(stdout, /\nfailed: policy=fixed-spin: b\.json failed: the driver died\n/);
    assert.match(stdout, /\nonly in b\.json: policy=busy-poll, device=ramdisk/);
    assert.match(stdout, /\nwarning: they were not measured on the same machine: cores 2 and 64\n/);
    assert.match(stdout, /\n1 failed, 1 no evidence\n$/);
  });
});

Deno.test("what cannot be compared is refused in one line that names it, with status 2", async () => {
  await withDirectory(async (directory) => {
    await write(directory, {
      "a.json": [cellOf("interrupt", around(100))],
      "b.json": [cellOf("busy-poll", around(100))],
    });
    await Deno.writeTextFile(join(directory, "bad.json"), '{"schema": "iddr.result/v1", "cells": 7}');
    await Deno.mkdir(join(directory, "empty"));
    for (
      const [args, message] of [
        [["a.json", "none.json"], /^iddr: none\.json: there is no such file or folder\n$/],
        [["a.json", "bad.json"], /^iddr: bad\.json: scenario must be a mapping/],
        [["a.json", "b.json"], /^iddr: a\.json and b\.json have no cell in common/],
        [["a.json", "empty"], /^iddr: empty: is a folder without a result/],
        [["a.json"], /^iddr: name two results, or one and --by/],
        [
          ["a.json", "b.json", "--by", "policy"],
          /^iddr: --by compares cells of one result; named are a\.json and b\.json/,
        ],
        [["a.json", "b.json", "--baseline", "x"], /^iddr: --baseline is a value of --by, which is missing/],
        [["a.json", "--by", "color"], /^iddr: there is no label color/],
        [["a.json", "a.json", "--threshold", "0.05"], /must say which it is: 0\.05% or 5%; found "?0\.05/],
        [["a.json", "a.json", "--confidence", "200%"], /must be a percentage from 50% to 99\.9999%: found "?200%/],
        [["a.json", "a.json", "--metric", "speed"], /iops.*latencyP99Ns/s],
      ] as const
    ) {
      const { code, stdout, stderr } = await compare(directory, ...args);
      assert.deepEqual([code, stdout], [2, ""], args.join(" "));
      assert.match(stderr, message);
    }
  });
});

Deno.test("what run has saved is compared: the same code differs by nothing that few repetitions could show", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory);
    for (const out of ["a.json", "b.json"]) {
      const ran = await outcome(start(["run", scenario, "--out", join(directory, out)], flags(directory)));
      assert.equal(ran.code, 0, ran.stderr);
    }
    const { code, stdout } = await compare(directory, "a.json", "b.json");
    assert.equal(code, 2, stdout);
    assert.match(stdout, /too few repetitions to tell: 5 of each side needed, for 1 cell\n/);
    assert.match(stdout, /warning: all of a\.json was measured before b\.json/);
  });
});
