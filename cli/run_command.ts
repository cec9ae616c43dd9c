/**
 * `run`: runs scenarios, reports progress, saves results and prints them.
 *
 * @module
 */

import { messageOf } from "../core/errors.ts";
import type { PluginTable } from "../core/plugin.ts";
import type { ExpandedScenario } from "../core/runner/cell.ts";
import { missingConsent } from "../core/runner/consent.ts";
import type { Result } from "../core/runner/result.ts";
import { runScenario } from "../core/runner/run.ts";
import { cLibraryPath } from "../core/measure/thread.ts";
import type { RunArguments } from "./arguments.ts";
import { forceMistake } from "./consent.ts";
import { ExitStatus } from "./exit_status.ts";
import { interruptible } from "./interruption.ts";
import { ensurePermissions, runPermissions } from "./permissions.ts";
import { pluginPermissions } from "./plugin_permissions.ts";
import { createProgress, type Progress } from "./progress.ts";
import { pagePath } from "./page_file.ts";
import { prepareOut, resultDirectory, ResultFile, writeText } from "./result_file.ts";
import { printMistakes, readScenarios } from "./scenarios.ts";
import { renderResult, tableColumns } from "./table.ts";

/** Runs the command. */
export async function runCommand(args: RunArguments, plugins: PluginTable): Promise<number> {
  const forced = forceMistake(args);
  if (forced !== undefined) {
    console.error(`iddr: ${forced}`);
    return ExitStatus.Invalid;
  }
  const { scenarios, mistakes } = await readScenarios(args, plugins);
  const refused = scenarios.flatMap((scenario) => missingConsent(scenario, args));
  if (mistakes.length > 0 || refused.length > 0) {
    printMistakes([...mistakes, ...refused]);
    return ExitStatus.Invalid;
  }
  if (args.out.endsWith(".json") && scenarios.length > 1) {
    console.error(`iddr: --out ${args.out} names one file for ${scenarios.length} scenarios; name a folder`);
    return ExitStatus.Invalid;
  }
  if (args.out === "") {
    console.error("iddr: --out is empty; name a folder, or a file that ends in .json");
    return ExitStatus.Invalid;
  }
  const directory = resultDirectory(args.out);
  const cells = scenarios.flatMap(({ cells }) => cells);
  if (!ensurePermissions([...runPermissions(directory), ...pluginPermissions(cells)])) return ExitStatus.Invalid;
  const refusal = prepareOut(args.out);
  if (refusal !== undefined) {
    console.error(`iddr: results cannot be saved in ${args.out}: ${refusal}`);
    return ExitStatus.Invalid;
  }

  const interruption = interruptible();
  const progress = createProgress(args.progress);
  let status: number = ExitStatus.Ok;
  for (const scenario of scenarios) {
    const { result, saved } = await runOne(scenario, args, directory, interruption, progress);
    if (!saved || failed(result, args.quick)) status = ExitStatus.Failed;
    if (result.interrupted) return ExitStatus.Interrupted;
  }
  if (cLibraryPath() === null) {
    console.error("note: with --allow-ffi, domains are pinned to cores and context switches and cores are recorded");
  }
  return status;
}

/** Whether a result is bad news. A quick look is too short to say whether an expectation is met. */
function failed({ cells, expectations }: Result, quick: boolean): boolean {
  return cells.some(({ status }) => status === "failed") ||
    (!quick && expectations.some(({ status }) => status === "unmet"));
}

async function runOne(
  scenario: ExpandedScenario,
  args: RunArguments,
  directory: string,
  signal: AbortSignal,
  progress: Progress,
): Promise<{ readonly result: Result; readonly saved: boolean }> {
  const file = new ResultFile(args.out, scenario.scenario.name);
  progress.start(scenario);
  const result = await runScenario(scenario, {
    signal,
    scratchParent: directory,
    allowDestructive: args.allowDestructive,
    force: args.force,
    allowCommands: args.allowCommands,
    onRepetition: (state) => progress.repetition(state),
    onUpdate(update) {
      const before = file.error;
      file.save(update);
      if (file.error === undefined || before !== undefined) return;
      progress.end();
      console.error(`iddr: cannot save in ${file.path} now: ${file.error}. The run goes on`);
    },
  });
  progress.end();
  file.save(result);
  console.log(args.json === true ? JSON.stringify(result) : renderResult(result, tableColumns()));
  if (args.quick && result.expectations.length > 0) {
    console.error("note: a quick look; its expectations do not decide the exit status");
  }
  if (file.error !== undefined) {
    console.error(`iddr: the result could not be saved in ${file.path}: ${file.error}\n`);
    return { result, saved: false };
  }
  console.error(`${result.interrupted ? "interrupted; saved" : "saved"} in ${file.path}`);
  if (args.report) await writePage(result, pagePath(file.path));
  console.error("");
  return { result, saved: true };
}

/** Writes a result's page. What was measured is saved already, so that nothing which goes wrong here fails the run. */
async function writePage(result: Result, path: string): Promise<void> {
  try {
    // The library that draws is loaded by those alone who want its pictures.
    const { renderReport } = await import("../core/runner/report/report.ts");
    writeText(path, (await renderReport([result])).html);
    console.error(`report in ${path}`);
  } catch (thrown) {
    console.error(`iddr: the report could not be written in ${path}: ${messageOf(thrown)}`);
  }
}
