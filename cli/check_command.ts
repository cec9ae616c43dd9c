/**
 * `check`: says what is wrong with scenarios, or how many cells they make.
 *
 * @module
 */

import type { PluginTable } from "../core/plugin.ts";
import { destructionFlag } from "../core/runner/destruction.ts";
import type { CheckArguments } from "./arguments.ts";
import { ExitStatus } from "./exit_status.ts";
import { counted } from "./labels.ts";
import { printMistakes, readScenarios } from "./scenarios.ts";

/** Runs the command. */
export async function checkCommand(args: CheckArguments, plugins: PluginTable): Promise<number> {
  const { scenarios, mistakes } = await readScenarios(args, plugins);
  for (const { file, scenario, cells, destructions } of scenarios) {
    const { repetitions, warmup, duration } = scenario.run;
    const seconds = (cells.length * repetitions * (warmup + duration)) / 1e9;
    const [cellCount, repetitionCount] = [counted(cells.length, "cell"), counted(repetitions, "repetition")];
    console.log(`${file}: valid, ${cellCount}, ${repetitionCount}, about ${Math.ceil(seconds)} s`);
    for (const path of new Set(destructions.map(({ path }) => path))) {
      console.log(`${file}: a run writes to ${path}, what is on it is lost: it takes ${destructionFlag(path)}`);
    }
  }
  if (mistakes.length === 0) return ExitStatus.Ok;
  printMistakes(mistakes);
  return ExitStatus.Invalid;
}
