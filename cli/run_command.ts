/**
 * `run`: runs scenarios, reports progress, saves results and prints them.
 *
 * @module
 */

import { messageOf } from "../core/errors.ts";
import type { PluginTable } from "../core/plugin.ts";
import type { ExpandedScenario } from "../core/runner/expand.ts";
import type { Result } from "../core/runner/result.ts";
import { runScenario } from "../core/runner/run.ts";
import { cLibraryPath } from "../core/measure/thread.ts";
import type { RunArguments } from "./arguments.ts";
import { ExitStatus } from "./exit_status.ts";
import { ensurePermissions, runPermissions } from "./permissions.ts";
import { pluginPermissions } from "./plugin_permissions.ts";
import { createProgress, type Progress } from "./progress.ts";
import { resultDirectory, ResultFile } from "./result_file.ts";
import { printMistakes, readScenarios } from "./scenarios.ts";
import { renderResult } from "./table.ts";

/** Runs the command. */
export async function runCommand(args: RunArguments, plugins: PluginTable): Promise<number> {
  const { scenarios, mistakes } = await readScenarios(args, plugins);
  if (mistakes.length > 0) {
    printMistakes(mistakes);
    return ExitStatus.Invalid;
  }
  if (args.out.endsWith(".json") && scenarios.length > 1) {
    console.error(`iddr: --out ${args.out} names one file for ${scenarios.length} scenarios; name a folder`);
    return ExitStatus.Invalid;
  }
  const directory = resultDirectory(args.out);
  const cells = scenarios.flatMap(({ cells }) => cells);
  if (!ensurePermissions([...runPermissions(directory), ...pluginPermissions(cells)])) return ExitStatus.Invalid;
  try {
    await Deno.mkdir(directory, { recursive: true });
  } catch (thrown) {
    console.error(`iddr: cannot make the folder for results, ${directory}: ${messageOf(thrown)}`);
    return ExitStatus.Invalid;
  }

  const interruption = interruptible();
  const progress = createProgress(args.progress);
  let status: number = ExitStatus.Ok;
  for (const scenario of scenarios) {
    const result = await runOne(scenario, args, directory, interruption, progress);
    if (result.cells.some((cell) => cell.status === "failed")) status = ExitStatus.Failed;
    if (result.interrupted) return ExitStatus.Interrupted;
  }
  if (cLibraryPath() === null) {
    console.error("note: with --allow-ffi, domains are pinned to cores and context switches and cores are recorded");
  }
  return status;
}

async function runOne(
  scenario: ExpandedScenario,
  args: RunArguments,
  directory: string,
  signal: AbortSignal,
  progress: Progress,
): Promise<Result> {
  const file = new ResultFile(args.out, scenario.scenario.name);
  progress.start(scenario);
  const result = await runScenario(scenario, {
    signal,
    scratchParent: directory,
    onRepetition: (state) => progress.repetition(state),
    onUpdate: (update) => file.save(update),
  });
  progress.end();
  await file.save(result);
  if (args.json === true) console.log(JSON.stringify(result));
  else console.log(renderResult(result));
  console.error(`${result.interrupted ? "interrupted; saved" : "saved"} in ${file.path}\n`);
  return result;
}

/** A signal that Ctrl-C, SIGTERM or the end of the terminal aborts; a second one ends the program at once. */
function interruptible(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => {
      if (controller.signal.aborted) Deno.exit(ExitStatus.Interrupted);
      controller.abort();
    });
  }
  return controller.signal;
}
