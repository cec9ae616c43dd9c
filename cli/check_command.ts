/**
 * `check`: says what is wrong with scenarios, or how many cells they make.
 *
 * @module
 */

import type { PluginTable } from "../core/plugin.ts";
import type { Cell } from "../core/runner/cell.ts";
import { consentFlag, type Demand } from "../core/runner/consent.ts";
import { workloadNeeds } from "../core/runner/plan.ts";
import type { Scenario } from "../core/runner/scenario.ts";
import type { CheckArguments } from "./arguments.ts";
import { ExitStatus } from "./exit_status.ts";
import { counted } from "./labels.ts";
import { repetitionsInWords } from "./quantities.ts";
import { printMistakes, readScenarios } from "./scenarios.ts";

/** Runs the command. */
export async function checkCommand(args: CheckArguments, plugins: PluginTable): Promise<number> {
  const { scenarios, mistakes } = await readScenarios(args, plugins);
  for (const { file, scenario, cells, demands } of scenarios) {
    console.log(
      `${file}: valid, ${counted(cells.length, "cell")}, ${repetitionsInWords(scenario)}, ${timeInWords(cells)}`,
    );
    for (const line of new Set(demands.map(demandInWords))) console.log(`${file}: ${line}`);
  }
  if (mistakes.length === 0) return ExitStatus.Ok;
  printMistakes(mistakes);
  return ExitStatus.Invalid;
}

function mostRepetitions({ repetitions, precision, maxRepetitions }: Scenario["run"]): number {
  return precision === null ? repetitions : maxRepetitions;
}

function demandInWords(demand: Demand): string {
  const { consent, name } = demand;
  const does = consent === "allowDestructive"
    ? `writes to ${name}, what is on it is lost`
    : `runs the program ${name}, which may do all that you may`;
  return `a run ${does}: it takes ${consentFlag(demand)}`;
}

/** How long cells will take. Where a conductor or a wanted precision decides, only an upper limit is known. */
function timeInWords(cells: readonly Cell[]): string {
  const limits = cells.map((cell) => workloadNeeds(cell).conductNs);
  const ns = cells.reduce((sum, { scenario: { run } }, index) => {
    return sum + mostRepetitions(run) * (limits[index] ?? run.warmup + run.duration);
  }, 0);
  const seconds = Math.ceil(ns / 1e9);
  const isKnown = limits.every((limit) => limit === undefined) &&
    cells.every(({ scenario }) => scenario.run.precision === null);
  return isKnown ? `about ${seconds} s` : `${seconds} s at most`;
}
