/** Programs that a scenario names, as a person meets them: none runs that was not allowed. */

import assert from "node:assert/strict";
import { builtins, expandScenario, runScenario, ScenarioDocument, ScenarioError } from "iddr";
import { threadUsage } from "../../core/measure/thread.ts";
import { runCli, withFiles } from "../helpers/run_deno.ts";
import { PROJECT } from "./command.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

/** Line 7 has the options. */
function scenario(options: string, more = ""): string {
  return `apiVersion: iddr/v1
kind: Scenario
name: test
policy: { use: interrupt }
device: { use: ramdisk, with: { size: 1MiB } }
workload: { use: mounted,
  with: { ${options} } }
run: { repetitions: 1 }
${more}`;
}

const TOUCH = "command: [touch, x], prepare: [[sh, -c, touch]], cleanup: [[./my prog]]";

/** The places and flags of what was refused. */
async function refused(folder: string, ...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runCli(["s.yaml", ...args], folder);
  assert.deepEqual([code, stdout], [2, ""], stderr);
  await assert.rejects(Deno.stat(`${folder}/results`), Deno.errors.NotFound);
  return [...stderr.matchAll(/^s\.yaml:(\d+:\d+: .*?): runs the program .* add (.*)$/gm)].map(([, at, flag]) => {
    return `${at} ${flag}`;
  });
}

Deno.test("a run of programs is refused before anything happens, with the place and the flag of each", async () => {
  await withFiles({ "s.yaml": scenario(TOUCH) }, async (folder) => {
    const all = [
      "7:43: workload.with.prepare.0.0 --allow-command=sh",
      "7:21: workload.with.command.0 --allow-command=touch",
      "7:71: workload.with.cleanup.0.0 --allow-command='./my prog'",
    ];
    assert.deepEqual(await refused(folder), all);
    assert.deepEqual(await refused(folder, "--allow-destructive=sh", "--allow-command=/bin/touch"), all);
    assert.deepEqual(await refused(folder, "--allow-command=sh", "--allow-command=touch"), [all[2]]);
    const one = await runCli(["s.yaml", "--allow-command=sh", "--allow-command=./my prog"], folder);
    assert.equal(
      one.stderr,
      "s.yaml:7:21: workload.with.command.0: runs the program touch, which may do all that you may. If that is meant, " +
        "add --allow-command=touch\niddr: 1 mistake; nothing was run\n",
    );
  });
});

Deno.test("programs of the matrix and of the command line are named where those have them", async () => {
  const matrix =
    "matrix: { workload.with.command: [[dd, of=x], [fio, x]], policy: [{ use: interrupt }, { use: fixed-spin }] }\n";
  await withFiles({ "s.yaml": scenario("timeout: 1min", matrix) }, async (folder) => {
    assert.deepEqual(await refused(folder, "--allow-command=dd"), [
      "9:48: matrix.workload.with.command.1.0 --allow-command=fio",
    ]);
  });
  await withFiles({ "s.yaml": scenario("command: [dd, of=x]") }, async (folder) => {
    const [line] = await refused(folder, "--allow-command=dd", "--set", "workload.with.command=[sh, -c, x]");
    assert.match(line, /workload\.with\.command\.0 \(from --set\) --allow-command=sh$/);
  });
});

Deno.test("check demands no consent, and says what a run would run", async () => {
  await withFiles({ "s.yaml": scenario(TOUCH) }, async (folder) => {
    const { code, stdout, stderr } = await runCli(["check", "s.yaml"], folder);
    assert.deepEqual([code, stderr], [0, ""]);
    const said = (program: string, flag: string) => {
      return `s.yaml: a run runs the program ${program}, which may do all that you may: it takes --allow-command=${flag}`;
    };
    assert.deepEqual(stdout.split("\n").slice(1), [
      ...[said("sh", "sh"), said("touch", "touch"), said("./my prog", "'./my prog'"), ""],
    ]);
  });
});

Deno.test("serve needs no such consent: the scenario's own workload is left out", async () => {
  await withFiles({ "s.yaml": scenario(TOUCH) }, async (folder) => {
    const { code, stderr } = await runCli(["serve", "s.yaml", "--nbd", "unix:nosuch/sock"], folder);
    // Which come after consent.
    assert.equal(code, 2);
    assert.match(stderr, /^iddr: permissions are missing/);
  });
});

Deno.test("options of mkfs and mount bring in no program", async () => {
  const options = 'command: [dd], mkfsOptions: ["/tmp/x;touch y;", 1M, -c, -L], mountOptions: uhelper=x';
  await withFiles({ "s.yaml": scenario(options.replace("1M", '"1M"')) }, async (folder) => {
    const { code, stderr } = await runCli(["s.yaml", "--allow-command=dd"], folder);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^s\.yaml:7:40: workload\.with\.mkfsOptions\.0: is "\/tmp\/x;.*; allowed are the options -b /m,
    );
    assert.match(stderr, /^s\.yaml:7:\d+: workload\.with\.mountOptions: must not have uhelper, which names a program/m);
  });
});

Deno.test("the thesis's scenarios ask for sysbench alone, each once", async () => {
  const folder = `${PROJECT}/scenarios/thesis`;
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".yaml")).sort();
  assert.ok(files.length >= 6);
  const { code, stdout, stderr } = await runCli(files, folder);
  assert.deepEqual([code, stdout], [2, ""]);
  const lines = stderr.trim().split("\n");
  assert.equal(lines.pop(), `iddr: ${files.length} mistakes; nothing was run`);
  assert.deepEqual(lines.map((line) => line.split(":")[0]), files);
  for (const line of lines) assert.match(line, /: runs the program sysbench, .* add --allow-command=sysbench$/);
});

Deno.test("a program is protected as well: what it runs starts nothing that it does not name", async () => {
  const document = ScenarioDocument.parse("s.yaml", scenario(TOUCH));
  const expanded = await expandScenario(document, builtins);
  const names = ["sh", "touch", "./my prog"];
  assert.deepEqual(
    expanded.demands.map(({ consent, name }) => [consent, name]),
    names.map((name) => {
      return ["allowCommands", name];
    }),
  );
  for (const options of [{}, { allowCommands: ["sh", "./my prog"] }, { allowDestructive: names, force: true }]) {
    await assert.rejects(runScenario(expanded, options), (error) => {
      return error instanceof ScenarioError && error.message.includes("add --allow-command=touch");
    });
  }
});
