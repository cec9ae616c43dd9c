import assert from "node:assert/strict";
import { ScenarioError } from "../../core/runner/diagnostics.ts";
import type { ExpandedScenario } from "../../core/runner/cell.ts";
import { type ExpandOptions, expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { permissionFlags, permissionsOf } from "../../core/permissions.ts";
import { isAllowed, isReference, moduleUrl, shellQuote } from "../../core/runner/plugin_reference.ts";
import { builtins } from "../../plugins/mod.ts";
import { PROJECT } from "../helpers/run_deno.ts";

async function expand(policy: string, options?: ExpandOptions): Promise<ExpandedScenario> {
  const text = `apiVersion: iddr/v1
kind: Scenario
name: test
device: { use: ramdisk }
policy: { use: "${policy}" }
workload: { use: sysbench-fileio }
`;
  const document = ScenarioDocument.parse(`${PROJECT}scenarios/test.yaml`, text);
  return await expandScenario(document, builtins, options);
}

/** A plugin that is there for certain, named as a third party's. */
const FILE = "../plugins/policies/fixed_spin.ts";

Deno.test("a program allows the modules that its scenarios may name, and none when it says nothing", async () => {
  await assert.rejects(expand(FILE), ScenarioError);
  await assert.rejects(expand(FILE, { allowPlugins: [] }), ScenarioError);
  await assert.rejects(expand(FILE, { allowPlugins: ["../plugins/policies/interrupt.ts"] }), ScenarioError);
  const { cells } = await expand(FILE, { allowPlugins: [FILE] });
  const { frontend } = cells[0].policy;
  assert.deepEqual([frontend.plugin.name, frontend.reference, frontend.url], [
    "fixed-spin",
    FILE,
    builtins.policy["fixed-spin"],
  ]);
});

Deno.test("a built-in and the same module by its path have the same labels and different ids", async () => {
  const [builtIn] = (await expand("fixed-spin")).cells;
  const [byPath] = (await expand(FILE, { allowPlugins: [FILE] })).cells;
  assert.equal(builtIn.policy.frontend.reference, undefined);
  assert.deepEqual(builtIn.labels, byPath.labels);
  assert.notEqual(builtIn.id, byPath.id);
});

Deno.test("a label has no defaults, where an option must be given, too", async () => {
  const document = ScenarioDocument.parse(
    "test.yaml",
    `{ apiVersion: iddr/v1, kind: Scenario, name: test, policy: { use: interrupt }, device: { use: ramdisk },
      workload: { use: mounted, with: { command: [dd, of=x], queueDepth: 64, timeout: 60s } } }`,
  );
  const { cells: [{ labels }] } = await expandScenario(document, builtins);
  assert.equal(labels.workload, 'mounted(command=["dd","of=x"], timeout=1min)');
});

Deno.test("a reference is a path that says it is one, a file URL or a package; all else is a name", () => {
  for (const use of ["./a.ts", "../a.ts", "/a.ts", "file:///a.ts", "npm:a@1", "npm:@a/b"]) {
    assert(isReference(use), use);
  }
  for (const use of ["a", "a.ts", "a/b.ts", "...", ".a/b", "https://a/b.ts", "jsr:@a/b", "data:,x", "node:fs"]) {
    assert(!isReference(use), use);
  }
});

Deno.test("a path is relative to the scenario's file; what stands in it is no part of a URL", () => {
  assert.equal(moduleUrl("../b/m.ts", "/x/a/s.yaml"), "file:///x/b/m.ts");
  assert.equal(moduleUrl("./m #1?%20.ts", "/x/s.yaml"), "file:///x/m%20%231%3F%2520.ts");
  assert.equal(moduleUrl("/y/m.ts", "/x/s.yaml"), "file:///y/m.ts");
  assert.equal(moduleUrl("npm:a@^1", "/x/s.yaml"), "npm:a@^1");
});

Deno.test("allowing one package does not allow another, nor a file", () => {
  assert(isAllowed("npm:a@1", "npm:a@1", ["npm:a@1"]));
  for (const allowed of ["npm:a", "npm:a@1.0.0", "npm:ab@1", "a", ""]) {
    assert(!isAllowed("npm:a@1", "npm:a@1", [allowed]));
  }
  assert(!isAllowed("./a.ts", "file:///x/a.ts", ["npm:a", "", "/x", "/x/a"]));
});

Deno.test("a flag to copy is one word for a shell", () => {
  assert.equal(shellQuote("npm:@a/b@^1.2"), "npm:@a/b@^1.2");
  assert.equal(shellQuote("npm:a@>=1 <2"), "'npm:a@>=1 <2'");
  assert.equal(shellQuote("./it's.ts"), "'./it'\\''s.ts'");
  assert.equal(shellQuote("./$(rm).ts"), "'./$(rm).ts'");
});

Deno.test("flags of permissions have each value once, with its commas doubled", () => {
  const needs = { read: ["/a,b", "/c", "/c"], write: [], net: ["h:1", "h:2"], sys: ["cpus"], scratch: true };
  assert.deepEqual(permissionFlags(permissionsOf(needs)), [
    "--allow-read=/a,,b,/c",
    "--allow-net=h:1,h:2",
    "--allow-sys=cpus",
  ]);
});
