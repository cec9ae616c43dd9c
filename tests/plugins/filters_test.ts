import assert from "node:assert/strict";
import { builtins } from "../../plugins/mod.ts";
import { type FilterExpectation, testFilter } from "../conformance/filter.ts";

const expectations: Readonly<Record<string, FilterExpectation>> = {
  "delay": {
    examples: [
      { time: "20us" },
      { time: "2us", by: "processor" },
      { time: "30us", distribution: "lognormal", max: "1ms", operations: "writes", parallel: 2 },
    ],
  },
  "rate": { examples: [{ iops: 50_000, burst: "1ms" }, { bandwidth: "64MiB", burst: "100us" }] },
  "error": { examples: [{ every: 3 }, { share: 0.5, operations: "writes" }], changes: "it makes operations fail" },
  "readonly": { changes: "it refuses to change anything" },
  "trace": { examples: [(directory) => ({ directory: `${directory}/new` })] },
};

Deno.test("every built-in filter is held to something", () => {
  assert.deepEqual(Object.keys(expectations).sort(), Object.keys(builtins.filter).sort());
});

for (const [name, expectation] of Object.entries(expectations)) testFilter(name, builtins.filter[name], expectation);
