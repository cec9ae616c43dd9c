/**
 * `check`: says what is wrong with scenarios, or how many cells they make.
 *
 * @module
 */

import type { PluginTable } from "../core/plugin.ts";
import type { Cell } from "../core/runner/cell.ts";
import { destructionFlag } from "../core/runner/destruction.ts";
import { workloadNeeds } from "../core/runner/plan.ts";
import type { CheckArguments } from "./arguments.ts";
import { ExitStatus } from "./exit_status.ts";
import { counted } from "./labels.ts";
import { printMistakes, readScenarios } from "./scenarios.ts";

/** Runs the command. */
export async function checkCommand(args: CheckArguments, plugins: PluginTable): Promise<number> {
  const { scenarios, mistakes } = await readScenarios(args, plugins);
  for (const { file, scenario, cells, destructions } of scenarios) {
    const { repetitions } = scenario.run;
    const [cellCount, repetitionCount] = [counted(cells.length, "cell"), counted(repetitions, "repetition")];
    console.log(`${file}: valid, ${cellCount}, ${repetitionCount}, ${timeInWords(cells)}`);
    for (const path of new Set(destructions.map(({ path }) => path))) {
      console.log(`${file}: a run writes to ${path}, what is on it is lost: it takes ${destructionFlag(path)}`);
    }
  }
  if (mistakes.length === 0) return ExitStatus.Ok;
  printMistakes(mistakes);
  return ExitStatus.Invalid;
}

/** How long cells will take. Where a conductor decides, only an upper limit is known. */
function timeInWords(cells: readonly Cell[]): string {
  const limits = cells.map((cell) => workloadNeeds(cell).conductNs);
  const ns = cells.reduce((sum, { scenario: { run } }, index) => {
    return sum + run.repetitions * (limits[index] ?? run.warmup + run.duration);
  }, 0);
  const seconds = Math.ceil(ns / 1e9);
  return limits.every((limit) => limit === undefined) ? `about ${seconds} s` : `${seconds} s at most`;
}
