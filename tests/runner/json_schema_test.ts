import assert from "node:assert/strict";
import type { JsonSchema } from "../../core/runner/describe.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { z } from "../../core/schema.ts";
import { builtins } from "../../plugins/mod.ts";

const folder = new URL("../../scenarios/", import.meta.url);
const schema: JsonSchema = JSON.parse(await Deno.readTextFile(new URL("scenario.schema.json", folder)));
// Reads nothing but the JSON Schema, as an editor does.
const validator = z.fromJSONSchema(schema);

function accepts(text: string): boolean {
  return validator.safeParse(ScenarioDocument.parse("test.yaml", text).toJS()).success;
}

/** All YAML files of a folder and those within it. */
function scenariosIn(directory: URL): URL[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return scenariosIn(new URL(`${name}/`, directory));
    return name.endsWith(".yaml") ? [new URL(name, directory)] : [];
  });
}

const HEAD = `apiVersion: iddr/v1
kind: Scenario
name: test
device: { use: ramdisk, with: { size: 1MiB } }
policy: { use: fixed-spin }
workload: { use: sysbench-fileio }
`;

Deno.test("every shipped scenario fits the JSON Schema, and names it in its first line", async () => {
  const files = scenariosIn(folder);
  assert.ok(files.length > 0);
  for (const file of files) {
    const text = await Deno.readTextFile(file);
    assert.ok(accepts(text), file.pathname);
    const [, reference] = text.match(/^# yaml-language-server: \$schema=(\S+)\n/) ?? [];
    assert.equal(new URL(reference ?? "nothing", file).href, new URL("scenario.schema.json", folder).href);
  }
});

Deno.test("the JSON Schema accepts what a scenario may be", () => {
  for (
    const text of [
      HEAD,
      HEAD.replace(/policy.*/, "policy: { frontend: { use: interrupt }, backend: { use: fixed-spin } }"),
      HEAD.replace(/policy.*\n/, "") + "matrix: { policy: [{ use: interrupt }], workload.with.queueDepth: [1, 8] }\n",
      HEAD.replace(/policy.*\n/, "policy: { backend: { use: interrupt } }\n") +
      "matrix: { policy.frontend: [{ use: interrupt }] }\n",
      `${HEAD}affinity: { application: [0, 1], driver: [2] }\nexpect: [errors == 0]\n`,
      ...["./mine.ts", "../mine.ts", "/mine.ts", "file:///mine.ts", "npm:mine@1"]
        .map((use) => HEAD.replace(/device.*/, `device: { use: "${use}", with: { anything: [1] } }`)),
    ]
  ) assert.ok(accepts(text), text);
});

Deno.test("the JSON Schema refuses what a scenario may not be", () => {
  for (
    const text of [
      HEAD.replace("name: test\n", ""),
      HEAD.replace("ramdisk", "ramdsk"),
      HEAD.replace("1MiB", "1MB"),
      HEAD.replace("size", "sise"),
      `${HEAD}placement: isolatde\n`,
      `${HEAD}placment: isolated\n`,
      `${HEAD}channel: { ringOrder: 5 }\n`,
      `${HEAD}run: { warmup: 5 }\n`,
      `${HEAD}matrix: { name: [a] }\n`,
      `${HEAD}matrix: { placement: [isolatde] }\n`,
      `${HEAD}matrix: { workload.with.mode: [rndxx] }\n`,
      `${HEAD}expect: errors == 0\n`,
    ]
  ) assert.ok(!accepts(text), text);
});

Deno.test("every built-in plugin is in the JSON Schema, and every key has its description", () => {
  for (const [kind, table] of Object.entries(builtins)) {
    const variants = (schema.$defs as Record<string, JsonSchema>)[kind].anyOf as JsonSchema[];
    const names = variants.map(({ properties }) => (properties?.use as JsonSchema).const).filter((name) => name);
    assert.deepEqual(names, Object.keys(table));
  }
  const described = (at: unknown, path: string): void => {
    if (typeof at !== "object" || at === null) return;
    for (const [key, value] of Object.entries(at)) {
      if (key === "properties") {
        for (const [name, property] of Object.entries(value as Record<string, JsonSchema>)) {
          assert.ok((property.description ?? "").length > 0, `${path}.${name} has no description`);
        }
      }
      described(value, `${path}.${key}`);
    }
  };
  described(schema, "");
});

Deno.test("defaults are in the JSON Schema as one writes them", () => {
  const { channel, run } = schema.properties as Record<string, JsonSchema>;
  assert.equal((channel.properties?.ringOrder as JsonSchema).default, 0);
  assert.equal((run.properties?.duration as JsonSchema).default, "1s");
});
