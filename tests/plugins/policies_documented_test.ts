import assert from "node:assert/strict";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { builtins } from "../../plugins/mod.ts";

const read = (path: string): string => Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
const policies = Object.keys(builtins.policy).sort();

Deno.test("docs/policies.md has a row and a paragraph for every built-in policy, and for no other", () => {
  const text = read("docs/policies.md");
  const rows = [...text.matchAll(/^\| `([\w-]+)` +\|/gm)].map(([, name]) => name);
  const paragraphs = [...text.matchAll(/^\*\*`([\w-]+)`\*\*/gm)].map(([, name]) => name);
  assert.deepEqual(rows.sort(), policies);
  assert.deepEqual(paragraphs.sort(), policies);
});

Deno.test("the scenario in docs/policies.md of QEMU's figures is right", async () => {
  const [policy] = [...read("docs/policies.md").matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml]) => yaml);
  const rest = "apiVersion: iddr/v1\nkind: Scenario\nname: t\ndevice: { use: null }\nworkload: { use: idle }\n";
  await expandScenario(
    ScenarioDocument.parse("docs/policies.md", `${rest.replace("null", '"null"')}${policy}`),
    builtins,
  );
});

Deno.test("scenarios/lab/policies.yaml compares every built-in policy", async () => {
  const text = read("scenarios/lab/policies.yaml");
  const { cells } = await expandScenario(ScenarioDocument.parse("policies.yaml", text), builtins);
  assert.deepEqual([...new Set(cells.map(({ labels }) => labels.policy))].sort(), policies);
});
