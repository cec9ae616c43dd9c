// Filters in scenarios: what they become, what they are called, and what is wrong with some.
import assert from "node:assert/strict";
import { cLibraryNeed } from "../../core/libc.ts";
import { DEFAULT_CHANNEL } from "../../core/link.ts";
import { ScenarioError } from "../../core/runner/diagnostics.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { type Override, ScenarioDocument } from "../../core/runner/load.ts";
import { permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import { encodeScenario } from "../../core/runner/scenario.ts";
import { builtins } from "../../plugins/mod.ts";
import { withFiles } from "../helpers/run_deno.ts";

const HEAD = `apiVersion: iddr/v1
kind: Scenario
name: test
policy: { use: interrupt }
workload: { use: verify }
`;
const DELAY = "{ use: delay, with: { time: 5us } }";

async function expand(text: string, overrides: Override[] = []) {
  return await expandScenario(ScenarioDocument.parse("test.yaml", HEAD + text, overrides), builtins);
}

/** The mistakes of a scenario, with lines counted from the first after the head. */
async function mistakes(text: string): Promise<string[]> {
  try {
    await expand(text);
  } catch (thrown) {
    assert(thrown instanceof ScenarioError);
    return thrown.diagnostics.map(({ line, column, message }) => `${line - 5}:${column} ${message}`);
  }
  return [];
}

Deno.test("filters are in the plan in the scenario's order, and in the label as requests pass them", async () => {
  const { cells: [cell] } = await expand(`device: { use: ramdisk, filters: [{ use: readonly }, ${DELAY}] }\n`);
  assert.equal(cell.labels.device, "readonly > delay(time=5us) > ramdisk");
  const [device] = planMachine(cell).devices;
  assert.deepEqual(device.filters?.map(({ url }) => url), [builtins.filter.readonly, builtins.filter.delay]);
  assert.equal((device.filters?.[1].options as { time: number }).time, 5000);
});

Deno.test("a device without filters is what it always was: its plan, its id, how it is written", async () => {
  const [bare, empty] = [
    await expand("device: { use: ramdisk }\n"),
    await expand("device: { use: ramdisk, filters: [] }\n"),
  ];
  assert.equal(bare.cells[0].id, empty.cells[0].id);
  assert.deepEqual(planMachine(bare.cells[0]), planMachine(empty.cells[0]));
  assert.deepEqual(planMachine(bare.cells[0]).links.map(({ channel }) => channel), [DEFAULT_CHANNEL]);
  assert.equal("filters" in planMachine(bare.cells[0]).devices[0], false);
  assert.deepEqual(encodeScenario(bare.cells[0].scenario).device, { use: "ramdisk", with: {} });
});

Deno.test("filters, their order and their options are part of a cell's id; how an option is written is not", async () => {
  const id = async (filters: string) => (await expand(`device: { use: ramdisk, filters: [${filters}] }\n`)).cells[0].id;
  const ids = await Promise.all(["", DELAY, DELAY.replace("5us", "6us"), `${DELAY}, { use: readonly }`].map(id));
  ids.push(await id(`{ use: readonly }, ${DELAY}`));
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(await id(DELAY.replace("5us", "5000ns")), ids[1]);
});

Deno.test("a matrix varies the filters as a whole, or an option of one, of a device of several too", async () => {
  const whole = await expand(
    `device: { use: ramdisk }\nmatrix: { device.filters: [[], [${DELAY}, { use: readonly }]] }\n`,
  );
  assert.deepEqual(whole.cells.map(({ labels }) => labels["device.filters"]), ["none", "delay(time=5us) > readonly"]);
  const one = await expand(
    `device: { use: ramdisk, filters: [${DELAY}] }\nmatrix: { device.filters.0.with.time: [1us, 2us] }\n`,
  );
  assert.deepEqual(one.cells.map(({ labels }) => [labels["device.filters.0.with.time"], labels.device]), [
    ["1us", "delay(time=1us) > ramdisk"],
    ["2us", "delay(time=2us) > ramdisk"],
  ]);
  const several = await expand(
    `device: [{ use: ramdisk }, { use: "null" }]\nmatrix: { device.1.filters: [[], [${DELAY}]] }\n`,
  );
  assert.deepEqual(several.cells.map(({ labels }) => [labels["device.1.filters"], labels.device]), [
    ["none", "ramdisk + null"],
    ["delay(time=5us)", "ramdisk + delay(time=5us) > null"],
  ]);
});

Deno.test("the command line sets an option of a filter", async () => {
  const set = [{ path: "device.filters.0.with.time", value: "7us" }];
  const { cells: [cell] } = await expand(`device: { use: ramdisk, filters: [${DELAY}] }\n`, set);
  assert.equal(cell.labels.device, "delay(time=7us) > ramdisk");
});

Deno.test("mistakes in filters are named with their places", async () => {
  assert.deepEqual(await mistakes("device: { use: ramdisk, filters: [{ use: delai }] }\n"), [
    '1:42 device.filters.0.use: "delai" is not a known filter; did you mean delay? (allowed: delay, rate, error, ' +
    "readonly, trace)",
  ]);
  assert.match(
    (await mistakes(`device: { use: ramdisk, filters: [{ use: delay, with: { tyme: 1us } }] }\n`))[0],
    /^1:57 .*tyme.*time/,
  );
  assert.match(
    (await mistakes("device: { use: ramdisk, filters: [{ use: delay, whith: {} }] }\n"))[0],
    /whith.*did you mean with/,
  );
  assert.match(
    (await mistakes("device: { use: ramdisk, filters: { use: delay } }\n"))[0],
    /^1:34 device\.filters: .*list/,
  );
  assert.match((await mistakes("device: { use: ramdisk, filter: [] }\n"))[0], /filter.*did you mean filters/);
  const many = Array(17).fill("{ use: readonly }").join(", ");
  assert.match((await mistakes(`device: { use: ramdisk, filters: [${many}] }\n`))[0], /device\.filters: .*16/);
  const options: [string, RegExp][] = [
    ["shape: 2", /with\.shape: is not for constant/],
    ["distribution: pareto, shape: 1", /with\.shape: must be above 1/],
    ["time: 2s", /with\.time: must be at most max/],
    ["by: processor, parallel: 2", /with\.parallel: is for a device/],
  ];
  for (const [given, said] of options) {
    const found = await mistakes(`device: { use: ramdisk, filters: [{ use: delay, with: { ${given} } }] }\n`);
    assert.match(found[0], said);
  }
});

Deno.test("what filters need to touch is the driver's need, or the application's where that has the device in place", async () => {
  const text = `device: { use: ramdisk, filters: [{ use: trace, with: { directory: /x } }, ${DELAY}] }\n`;
  const { cells: [isolated] } = await expand(text);
  assert.deepEqual(permissionNeeds(isolated).write, ["/x"]);
  const needs = (plan: ReturnType<typeof planMachine>) =>
    plan.domains.map(({ name, needs }) => [name, needs?.write, needs?.ffi]);
  assert.deepEqual(needs(planMachine(isolated)), [["application", [], []], ["driver", ["/x"], [cLibraryNeed()]]]);
  const { cells: [monolithic] } = await expand(`${text}placement: monolithic\n`);
  assert.deepEqual(needs(planMachine(monolithic)), [["application", ["/x"], [cLibraryNeed()]]]);
});

const COUNTING = (name: string, counters: string): string => `
export default {
  apiVersion: "iddr/v1", kind: "filter", name: ${JSON.stringify(name)}, description: "Counts.",
  options: (await import("iddr")).z.strictObject({}),
  counters: ${counters},
  create: (_, next) => next,
};`;

Deno.test("two plugins of a cell cannot count by the same name; a filter that is there twice counts for both", async () => {
  const files = {
    "s.yaml": "",
    "a.ts": COUNTING("a", "{ seen: 'A.' }"),
    "b.ts": COUNTING("b", "{ seen: 'B.' }"),
    "c.ts": COUNTING("c", "{ sectorsVerified: 'As verify does.' }"),
  };
  await withFiles(files, async (folder) => {
    const found = async (uses: string, workload = "verify"): Promise<string> => {
      const text = `${HEAD.replace("verify", workload)}device: { use: ramdisk, filters: [${uses}] }\n`;
      const document = ScenarioDocument.parse(`${folder}/s.yaml`, text);
      try {
        await expandScenario(document, builtins, { allowPlugins: ["./a.ts", "./b.ts", "./c.ts"] });
        return "";
      } catch (thrown) {
        return (thrown as Error).message;
      }
    };
    assert.equal(await found("{ use: ./a.ts }, { use: ./a.ts }"), "");
    assert.match(
      await found("{ use: ./a.ts }, { use: ./b.ts }"),
      /:6:35: device\.filters\.0: counts seen, and so does b below it/,
    );
    assert.match(await found("{ use: ./c.ts }"), /workload: counts sectorsVerified/);
  });
});
