import assert from "node:assert/strict";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { builtins } from "../../plugins/mod.ts";

const text = await Deno.readTextFile(new URL("../../docs/scenarios.md", import.meta.url));
const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) => block);
const [whole, recovery, clients, neighbours, matrix, expect] = blocks;

Deno.test("the examples of docs/scenarios.md are right, and say how often an expectation is checked", async () => {
  assert.equal(blocks.length, 6);
  const expand = async (yaml: string) => await expandScenario(ScenarioDocument.parse("docs", yaml), builtins);
  assert.equal((await expand(whole)).cells.length, 1);
  assert.equal((await expand(whole + clients)).cells.length, 1);
  assert.deepEqual((await expand(whole + neighbours)).cells[0].scenario.neighbours, {
    ...{ count: 1, cpus: "spread", duty: 0.5 },
  });
  // Keys that the whole example has already are replaced, not written twice.
  const without = whole.replaceAll(/^(domains|recovery):.*\n(?:[ \t]+.*\n)*/gm, "");
  const [restarted] = (await expand(without + recovery)).cells;
  assert.equal(restarted.scenario.recovery.onFailure, "restart");
  const { cells, expectations } = await expand(whole + matrix + expect);
  assert.equal(cells.length, 9);
  assert.deepEqual(expectations.map(({ cases }) => cases.length), [3, 1, 3, 9]);
});
