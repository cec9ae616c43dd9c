import assert from "node:assert/strict";
import { describePlugins, typeInWords } from "../../core/runner/describe.ts";
import { z } from "../../core/schema.ts";
import { duration, size } from "../../core/units.ts";
import { builtins } from "../../plugins/mod.ts";

Deno.test("what an option may be is said in words", () => {
  const words = (schema: z.ZodType) => typeInWords(z.toJSONSchema(schema, { io: "input" }));
  assert.equal(words(duration()), "time");
  assert.equal(words(size()), "size");
  assert.equal(words(z.string()), "text");
  assert.equal(words(z.boolean()), "true | false");
  assert.equal(words(z.enum(["a", "b"])), "a | b");
  assert.equal(words(z.int().min(1).max(512)), "integer 1–512");
  assert.equal(words(z.number().positive()), "number above 0");
  assert.equal(words(z.number().min(0).lt(1)), "number from 0 below 1");
  assert.equal(words(z.array(z.boolean())), "list of true | false");
  assert.equal(words(z.union([z.literal("auto"), size()])), "auto | size");
  assert.equal(words(z.unknown()), "anything");
});

Deno.test("every built-in plugin is described, with its options and what they are without being given", async () => {
  const plugins = await describePlugins(builtins);
  assert.deepEqual(
    plugins.map(({ kind, name }) => `${kind} ${name}`),
    Object.entries(builtins).flatMap(([kind, table]) => Object.keys(table).map((name) => `${kind} ${name}`)),
  );
  for (const { name, description, options } of plugins) {
    assert.match(description, /\.$/, name);
    for (const option of options) assert.notEqual(option.description, "", `${name}.${option.name}`);
  }
  assert.deepEqual(plugins.find(({ name }) => name === "fixed-spin")?.options.find(({ name }) => name === "spin"), {
    name: "spin",
    type: "time",
    default: "50us",
    required: false,
    description: "How long to spin before sleeping.",
  });
});

Deno.test("a workload and a device are described with what they count", async () => {
  const counting = import.meta.resolve("./fixtures/counting_workload.ts");
  const [plugin] = await describePlugins({ policy: {}, device: {}, workload: { counting } });
  assert.deepEqual(plugin.counters, { blocks: "Blocks that were counted." });
  const disk = import.meta.resolve("../helpers/plugins/counting_disk.ts");
  const [device] = await describePlugins({ policy: {}, device: { disk }, workload: {} });
  assert.deepEqual(device.counters, { diskReads: "Reads that reached the disk." });
});
