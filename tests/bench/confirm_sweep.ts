/**
 * Measures once more what decides a sweep: of each load, the policies that can be the answer.
 *
 * `deno task lab:confirm CHOSEN OUT` reads the results of a first sweep of scenarios/lab/sweep from the folder CHOSEN. Of
 * each load it runs `auto`, and the best and the worst of the other policies by throughput, by throughput for each core,
 * by the 99th percentile and by CPU time: `regret` holds a policy against the one that was chosen as the best of the
 * others, and asks whether it is the worst. The warm-up is twice as long, as a policy that learns should have learnt. A
 * load's cells take turns, and its result is a file in the folder OUT, for `regret --choose CHOSEN --confirm OUT`.
 *
 * @module
 */

import { join } from "node:path";
import { readSaved } from "../../cli/saved_results.ts";
import { moreIsBetter, regretTable } from "../../core/runner/regret.ts";
import type { EstimateName, Result } from "../../core/runner/result.ts";
import { duration, formatDuration } from "../../core/units.ts";

/** Policies that are measured in any case. */
const OWN = /^auto\(/;
/** By what the best and the worst are. */
const METRICS: readonly EstimateName[] = ["iops", "iopsPerCpuCore", "latencyP99Ns", "cpuCores"];

interface Chosen {
  readonly labels: Readonly<Record<string, string>>;
  readonly policies: Set<string>;
}

/** The policies of each load that can be the best or the worst by any metric. */
function chosenOf(result: Result): Chosen[] {
  const loads = new Map<string, Chosen>();
  for (const metric of METRICS) {
    for (const { labels, cells } of regretTable(metric, [result]).loads) {
      const key = JSON.stringify(labels);
      const chosen = loads.get(key) ?? { labels, policies: new Set() };
      loads.set(key, chosen);
      const goodness = (value: number): number => moreIsBetter(metric) ? value : -value;
      const ranked = cells.filter(({ estimate, policy }) => estimate !== null && !OWN.test(policy))
        .map(({ policy, estimate }) => ({ policy, value: goodness(estimate?.median ?? NaN) }))
        .toSorted((a, b) => b.value - a.value);
      for (const { policy } of [...ranked.slice(0, 1), ...ranked.slice(-1)]) chosen.policies.add(policy);
      for (const { policy } of cells) if (OWN.test(policy)) chosen.policies.add(policy);
    }
  }
  return [...loads.values()];
}

/** The scenario of one load, with its policies alone. */
function scenarioOf({ scenario: whole, cells }: Result, { labels, policies }: Chosen): unknown {
  const scenario = whole as { run: { warmup: string }; matrix: Record<string, unknown[]> };
  // Cells are in the order of the matrix.
  const inOrder = [...new Set(cells.map((cell) => cell.labels.policy))];
  const matrix = Object.fromEntries(
    Object.entries(scenario.matrix).map(([path, values]) => [
      path,
      values.filter((value, index) =>
        path === "policy" ? policies.has(inOrder[index]) : String(value) === labels[path]
      ),
    ]),
  );
  const warmup = formatDuration(2 * duration().parse(scenario.run.warmup));
  return { ...scenario, run: { ...scenario.run, warmup }, matrix };
}

const [chosenFolder, outFolder] = Deno.args;
if (outFolder === undefined) throw new Error("usage: deno task lab:confirm CHOSEN OUT");
await Deno.mkdir(outFolder, { recursive: true });
let number = 0;
for (const result of await readSaved([chosenFolder])) {
  for (const chosen of chosenOf(result)) {
    const path = join(outFolder, String(++number).padStart(2, "0"));
    const scenario = `${path}.scenario.yaml`;
    await Deno.writeTextFile(scenario, JSON.stringify(scenarioOf(result, chosen)));
    const flags = ["--frozen", "--allow-all"];
    const args = [
      "run",
      ...flags,
      "cli/main.ts",
      "run",
      scenario,
      "--out",
      `${path}.json`,
      "--no-progress",
      "--no-report",
    ];
    const { code } = await new Deno.Command(Deno.execPath(), { args, stdout: "inherit", stderr: "inherit" }).output();
    if (code !== 0) Deno.exit(code);
  }
}
