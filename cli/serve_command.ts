/**
 * `serve`: drives the device of a scenario, and serves it to others over NBD.
 *
 * @module
 */

import { messageOf } from "../core/errors.ts";
import type { PluginTable } from "../core/plugin.ts";
import type { ExpandedScenario } from "../core/runner/cell.ts";
import { missingConsent } from "../core/runner/consent.ts";
import { permissionNeeds } from "../core/runner/plan.ts";
import type { Sample } from "../core/runner/result.ts";
import { serveScenario, servingOverrides } from "../core/runner/serve.ts";
import { isLocal, parseSocketAddress } from "../core/socket_address.ts";
import type { ServeArguments } from "./arguments.ts";
import { forceMistake } from "./consent.ts";
import { ExitStatus } from "./exit_status.ts";
import { interruptible } from "./interruption.ts";
import { counted } from "./labels.ts";
import { ensurePermissions, mediaPermissions } from "./permissions.ts";
import { pluginPermissions } from "./plugin_permissions.ts";
import { DEFAULT_OUT, prepareOut } from "./result_file.ts";
import { printMistakes, readScenarios } from "./scenarios.ts";

/** The workload that serves. */
const EXPORT = "nbd-export";
/** Replaces the driver, where it is a process, by its module as it is now on the disk. */
const UPGRADE_SIGNAL = "SIGUSR2";

/** Runs the command. */
export async function serveCommand(args: ServeArguments, plugins: PluginTable): Promise<number> {
  const mistake = addressMistake(args.nbd) ?? forceMistake(args);
  if (mistake !== undefined) return refuse(mistake);
  const { scenarios: [scenario], mistakes } = await readScenarios({
    ...{ files: [args.file], set: args.set, allowPlugin: args.allowPlugin, oneCell: true },
    overrides: servingOverrides(EXPORT, { listen: args.nbd, name: args.name, readOnly: args.readOnly }),
  }, plugins);
  const refused = scenario === undefined ? [] : missingConsent(scenario, args);
  if (mistakes.length > 0 || refused.length > 0) {
    printMistakes([...mistakes, ...refused]);
    return ExitStatus.Invalid;
  }
  const { scratch } = permissionNeeds(scenario.cells[0]);
  const media = scratch ? mediaPermissions(DEFAULT_OUT) : [];
  if (!ensurePermissions([...media, ...pluginPermissions(scenario.cells)])) return ExitStatus.Invalid;
  const unwritable = scratch ? prepareOut(DEFAULT_OUT) : undefined;
  if (unwritable !== undefined) return refuse(`no medium can be made in ${DEFAULT_OUT}: ${unwritable}`);
  return await serve(scenario, args);
}

async function serve(scenario: ExpandedScenario, args: ServeArguments): Promise<number> {
  const finish = interruptible();
  finish.addEventListener("abort", () => {
    console.error("finishing: what is in flight is answered, then the device is flushed; a second signal ends it now");
  });
  try {
    const sample = await serveScenario(scenario, {
      onStarted: (machine) => Deno.addSignalListener(UPGRADE_SIGNAL, machine.upgrade),
      ...{ finish, scratchParent: DEFAULT_OUT, allowDestructive: args.allowDestructive, force: args.force },
      onNote: (text) => printNote(text, args.json),
    });
    console.log(args.json ? JSON.stringify(sample) : summary(sample));
    return ExitStatus.Ok;
  } catch (thrown) {
    console.error(`iddr: ${messageOf(thrown)}`);
    return ExitStatus.Failed;
  }
}

/** Where it listens is what who started it waits for; the rest is for people. */
function printNote(text: string, json: boolean): void {
  const listening = /^listening on (.+)$/.exec(text)?.[1];
  if (listening === undefined) console.error(`note: ${text}`);
  else console.log(json ? JSON.stringify({ listening }) : text);
}

function summary({ counters, bytes, durationNs }: Sample): string {
  const clients = counted(counters.nbdConnections, "connection");
  const requests = counted(counters.nbdRequests, "request");
  const failed = counters.nbdErrors > 0 ? ` (${counters.nbdErrors} failed)` : "";
  return `served ${clients}, ${requests}${failed}, ${(bytes / 2 ** 20).toFixed(1)} MiB in ${
    (durationNs / 1e9).toFixed(1)
  } s`;
}

/** Why an address cannot be listened on; NBD as it is spoken here has neither passwords nor encryption. */
function addressMistake(text: string): string | undefined {
  try {
    if (isLocal(parseSocketAddress(text))) return undefined;
  } catch (thrown) {
    return `--nbd: ${messageOf(thrown)}`;
  }
  return `--nbd ${text} can be reached from other machines, and NBD here is neither encrypted nor does it ask who ` +
    "connects: allowed are unix:PATH, tcp:127.0.0.1:PORT and tcp:[::1]:PORT. For others, put a tunnel in front of " +
    "one of these, such as ssh -L or stunnel (docs/nbd.md)";
}

function refuse(message: string): number {
  console.error(`iddr: ${message}`);
  return ExitStatus.Invalid;
}
