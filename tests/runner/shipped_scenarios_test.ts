import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { builtins } from "../../plugins/mod.ts";

function scenariosIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? scenariosIn(path) : name.endsWith(".yaml") ? [path] : [];
  });
}

const shipped = scenariosIn(fileURLToPath(import.meta.resolve("../../scenarios")));

for (const file of shipped) {
  Deno.test(`${file.slice(file.lastIndexOf("/scenarios/") + 1)} is right, and says what it shows`, async () => {
    const { cells, scenario } = await expandScenario(await ScenarioDocument.read(file), builtins);
    assert.ok(cells.length > 0);
    assert.match(scenario.description, /^\S.*\.$/);
  });
}

Deno.test("no two shipped scenarios have the same name: results are named by it", async () => {
  const names = await Promise.all(shipped.map(async (file) => {
    return (await expandScenario(await ScenarioDocument.read(file), builtins)).scenario.name;
  }));
  assert.deepEqual(names.filter((name, index) => names.indexOf(name) !== index), []);
});

Deno.test("the scenarios in docs/nbd.md are right", async () => {
  const text = Deno.readTextFileSync(new URL("../../docs/nbd.md", import.meta.url));
  const whole = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml]) => yaml)
    .filter((yaml) => yaml.includes("apiVersion:"));
  assert.ok(whole.length > 0);
  for (const yaml of whole) await expandScenario(ScenarioDocument.parse("docs/nbd.md", yaml), builtins);
});
