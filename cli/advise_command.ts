/**
 * `advise`: says which policy is best for a scenario.
 *
 * @module
 */

import type { PluginTable } from "../core/plugin.ts";
import { advise, type AdviseProgress } from "../core/runner/advise/advise.ts";
import type { Advice } from "../core/runner/advise/advice.ts";
import { screeningNs } from "../core/runner/advise/load_axis.ts";
import { prepareAdvice, type Prepared } from "../core/runner/advise/prepare.ts";
import { missingConsent } from "../core/runner/consent.ts";
import { type Diagnostic, ScenarioError } from "../core/runner/diagnostics.ts";
import { formatDuration } from "../core/units.ts";
import { renderAdvice } from "./advice_table.ts";
import type { AdviseArguments } from "./arguments.ts";
import { forceMistake } from "./consent.ts";
import { ExitStatus } from "./exit_status.ts";
import { interruptible } from "./interruption.ts";
import { counted, labelsInLine, varyingLabels } from "./labels.ts";
import { renderNotes } from "./notes.ts";
import { ensurePermissions, runPermissions } from "./permissions.ts";
import { pluginPermissions } from "./plugin_permissions.ts";
import { prepareOut, resultDirectory, ResultFile } from "./result_file.ts";
import { LOG_COLUMNS } from "./table.ts";
import { overrideMistake, parseOverride, printMistakes } from "./scenarios.ts";

/** How often the log says where it is, in repetitions. */
const LOG_EVERY = 20;
/** Width of a terminal that does not know its own. */
const USUAL_COLUMNS = 80;
const CLEAR_LINE = "\r\x1b[2K";

/** Runs the command. */
export async function adviseCommand(args: AdviseArguments, plugins: PluginTable): Promise<number> {
  const forced = forceMistake(args);
  if (forced !== undefined) return refuse(forced);
  if (args.out === "") return refuse("--out is empty; name a folder, or a file that ends in .json");
  const prepared = await prepare(args, plugins);
  const mistakes = "expanded" in prepared ? missingConsent(prepared.expanded, args) : prepared;
  if (!("expanded" in prepared) || mistakes.length > 0) {
    printMistakes(mistakes);
    return ExitStatus.Invalid;
  }
  const directory = resultDirectory(args.out);
  const needs = [...runPermissions(directory), ...pluginPermissions(prepared.expanded.cells)];
  if (!ensurePermissions(needs)) return ExitStatus.Invalid;
  const refusal = prepareOut(args.out);
  if (refusal !== undefined) return refuse(`results cannot be saved in ${args.out}: ${refusal}`);
  return await answer(prepared, args, directory);
}

/** What is to be compared, or all that is wrong with the scenario. */
async function prepare(args: AdviseArguments, plugins: PluginTable): Promise<Prepared | readonly Diagnostic[]> {
  const mistakes = args.set.flatMap(overrideMistake);
  if (mistakes.length > 0) return mistakes;
  const { cpuPrice, timeNs, policies, fixedLoad, allowPlugin: allowPlugins } = args;
  try {
    const question = { cpuPrice, timeNs, policies, fixedLoad, allowPlugins };
    return await prepareAdvice(args.file, args.set.map(parseOverride), plugins, question);
  } catch (thrown) {
    if (thrown instanceof ScenarioError) return thrown.diagnostics;
    throw thrown;
  }
}

/** Says before anything is measured that the time is too short for an answer. */
function warnOfTime({ expanded, loads, axis }: Prepared, { timeNs }: AdviseArguments): void {
  const { warmup: warmupNs, duration: durationNs } = expanded.scenario.run;
  const neededNs = screeningNs({ cells: expanded.cells.length, warmupNs, durationNs });
  if (neededNs <= timeNs) return;
  const needed = `${Math.ceil(neededNs / 1e9)} s`;
  console.error(
    `iddr: warning: it takes at least ${needed} until policies can be left out (` +
      `${counted(loads[0].cells.length, "candidate")} at ${counted(loads.length, "load")}), and --time is ` +
      `${formatDuration(timeNs)}: there may be no answer. Give more time, ` +
      `${axis === null && loads.length > 1 ? "fewer loads (the scenario's matrix)" : "--fixed-load"}, fewer policies ` +
      "(--policy) or a shorter --set run.warmup",
  );
}

async function answer(prepared: Prepared, args: AdviseArguments, directory: string): Promise<number> {
  warnOfTime(prepared, args);
  const file = new ResultFile(args.out, prepared.expanded.scenario.name);
  const progress = progressOf(prepared, args.progress);
  const { advice, result } = await advise(prepared, args, {
    signal: interruptible(),
    scratchParent: directory,
    allowDestructive: args.allowDestructive,
    force: args.force,
    allowCommands: args.allowCommands,
    onTrial: progress.trial,
    onUpdate(update) {
      const before = file.error;
      file.save(update);
      if (file.error === undefined || before !== undefined) return;
      progress.end();
      console.error(`iddr: cannot save in ${file.path} now: ${file.error}. It goes on`);
    },
  });
  progress.end();
  if (result !== null) file.save(result);
  console.log(args.json ? JSON.stringify(advice) : renderAdvice(advice, columns()));
  if (!args.json && result !== null) {
    for (const note of renderNotes(result.cells, varyingLabels(result.cells))) console.log(note);
  }
  if (file.error !== undefined) {
    console.error(`iddr: the result could not be saved in ${file.path}: ${file.error}`);
  } else if (result !== null) {
    console.error(`${result.interrupted ? "interrupted; saved" : "saved"} in ${file.path}`);
  }
  return file.error === undefined ? statusOf(advice) : ExitStatus.Failed;
}

function statusOf({ ended, loads }: Advice): number {
  if (ended === "interrupted") return ExitStatus.Interrupted;
  const asked = loads.filter(({ asked }) => asked);
  const answered = (asked.length === 0 ? loads : asked).some(({ best }) => best.length > 0);
  return answered ? ExitStatus.Ok : ExitStatus.Failed;
}

/** Where it is: on a terminal in one line, in a log now and then. */
function progressOf(
  { expanded, loads }: Prepared,
  wanted: boolean,
): { readonly trial: (state: AdviseProgress) => void; readonly end: () => void } {
  if (!wanted) return { trial() {}, end() {} };
  const { name } = expanded.scenario;
  const varying = varyingLabels(expanded.cells);
  const write = (text: string): void => void Deno.stderr.writeSync(new TextEncoder().encode(text));
  const secondsLeft = ({ leftNs }: AdviseProgress): string => `${Math.max(0, Math.ceil(leftNs / 1e9))} s left at most`;
  if (!Deno.stderr.isTerminal()) {
    const policies = counted(loads[0].cells.length, "candidate");
    console.error(`${name} (${expanded.file}): ${policies} at ${counted(loads.length, "load")}`);
    return {
      trial(state) {
        if (state.done % LOG_EVERY !== 0 || state.done === 0) return;
        console.error(`  ${counted(state.done, "repetition")} done, ${secondsLeft(state)}`);
      },
      end() {},
    };
  }
  return {
    trial(state) {
      const { cell, done, contenders } = state;
      const columns = Deno.consoleSize().columns || USUAL_COLUMNS;
      const line = `${name}  ${counted(done, "repetition")}, ${secondsLeft(state)}  ` +
        `${labelsInLine(cell.labels, varying)} (of ${contenders})`;
      write(CLEAR_LINE + line.slice(0, columns - 1));
    },
    end: () => write(CLEAR_LINE),
  };
}

/** Width of the tables. A terminal that does not know its own is taken for a log. */
function columns(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns || LOG_COLUMNS : LOG_COLUMNS;
}

function refuse(message: string): number {
  console.error(`iddr: ${message}`);
  return ExitStatus.Invalid;
}
