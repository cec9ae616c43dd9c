/**
 * `faults`: tries faults on the driver of a scenario, and says what came of them.
 *
 * @module
 */

import { messageOf } from "../core/errors.ts";
import type { PluginTable } from "../core/plugin.ts";
import type { ExpandedScenario } from "../core/runner/cell.ts";
import { missingConsent } from "../core/runner/consent.ts";
import { campaignMistake, runFaultCampaign } from "../core/runner/fault_campaign.ts";
import type { FaultReport } from "../core/runner/fault_report.ts";
import { permissionNeeds } from "../core/runner/plan.ts";
import type { FaultsArguments } from "./arguments.ts";
import { forceMistake } from "./consent.ts";
import { ExitStatus } from "./exit_status.ts";
import { renderFaults } from "./faults_table.ts";
import { interruptible } from "./interruption.ts";
import { counted } from "./labels.ts";
import { ensurePermissions, filePermissions, mediaPermissions } from "./permissions.ts";
import { pluginPermissions } from "./plugin_permissions.ts";
import { prepareFile, saveFile } from "./report_file.ts";
import { DEFAULT_OUT, prepareOut } from "./result_file.ts";
import { printMistakes, readScenarios } from "./scenarios.ts";

/** How often the log says where the campaign is. */
const LOG_EVERY = 100;
const CLEAR_LINE = "\r\x1b[2K";

/** Runs the command. */
export async function faultsCommand(args: FaultsArguments, plugins: PluginTable): Promise<number> {
  const forced = forceMistake(args);
  if (forced !== undefined) return refuse(forced);
  const { scenarios: [scenario], mistakes } = await readScenarios({
    ...{ files: [args.file], set: args.set, allowPlugin: args.allowPlugin, oneCell: true },
  }, plugins);
  const refused = scenario === undefined ? [] : missingConsent(scenario, args);
  if (mistakes.length > 0 || refused.length > 0) {
    printMistakes([...mistakes, ...refused]);
    return ExitStatus.Invalid;
  }
  const mistake = campaignMistake(scenario.cells[0]);
  if (mistake !== null) return refuse(`cannot try faults on ${args.file}: ${mistake}`);
  const { scratch } = permissionNeeds(scenario.cells[0]);
  const media = scratch ? mediaPermissions(DEFAULT_OUT) : [];
  const report = args.json === undefined ? [] : filePermissions(args.json);
  if (!ensurePermissions([...media, ...report, ...pluginPermissions(scenario.cells)])) return ExitStatus.Invalid;
  const unwritable = scratch ? prepareOut(DEFAULT_OUT) : undefined;
  if (unwritable !== undefined) return refuse(`no medium can be made in ${DEFAULT_OUT}: ${unwritable}`);
  const unsaved = args.json === undefined ? undefined : prepareFile(args.json);
  if (unsaved !== undefined) return refuse(`the report cannot be saved in ${args.json}: ${unsaved}`);
  return await tryFaults(scenario, args);
}

async function tryFaults(scenario: ExpandedScenario, args: FaultsArguments): Promise<number> {
  const finish = interruptible();
  const progress = progressOf(args);
  try {
    const report = await runFaultCampaign(scenario, {
      ...{ faults: args.faults, seed: args.seed, firstMachine: args.machine },
      ...{ finish, scratchParent: DEFAULT_OUT, allowDestructive: args.allowDestructive, force: args.force },
      onFault: progress.fault,
    });
    progress.end();
    console.log(renderFaults(report));
    const unsaved = args.json === undefined ? undefined : saveFile(args.json, `${JSON.stringify(report, null, 2)}\n`);
    if (unsaved === undefined) return statusOf(report);
    console.error(`iddr: the report could not be saved in ${args.json}: ${unsaved}`);
    return ExitStatus.Failed;
  } catch (thrown) {
    progress.end();
    console.error(`iddr: ${messageOf(thrown)}`);
    return ExitStatus.Failed;
  }
}

function statusOf({ ok, interrupted }: FaultReport): number {
  if (!ok) return ExitStatus.Failed;
  return interrupted ? ExitStatus.Interrupted : ExitStatus.Ok;
}

/** Says on standard error how many faults there were: on a terminal in one line, in a log now and then. */
function progressOf({ faults, progress }: FaultsArguments): { readonly fault: () => void; readonly end: () => void } {
  if (!progress) return { fault() {}, end() {} };
  const terminal = Deno.stderr.isTerminal();
  const write = (text: string): void => void Deno.stderr.writeSync(new TextEncoder().encode(text));
  let done = 0;
  return {
    fault() {
      done++;
      if (terminal) write(`${CLEAR_LINE}${counted(done, "fault")} of ${faults}`);
      else if (done % LOG_EVERY === 0) console.error(`  ${counted(done, "fault")} of ${faults}`);
    },
    end: () => write(terminal ? CLEAR_LINE : ""),
  };
}

function refuse(message: string): number {
  console.error(`iddr: ${message}`);
  return ExitStatus.Invalid;
}
