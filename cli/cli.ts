/**
 * The command line: from arguments to an exit status.
 *
 * @module
 */

import { runParser } from "@optique/core/facade";
import type { PluginTable } from "../core/plugin.ts";
import { adviseCommand } from "./advise_command.ts";
import { checkCommand } from "./check_command.ts";
import { compareCommand } from "./compare_command.ts";
import { BRIEF, COMMANDS, EXAMPLES, parser } from "./arguments.ts";
import { ExitStatus } from "./exit_status.ts";
import { faultsCommand } from "./faults_command.ts";
import { listCommand } from "./list_command.ts";
import { regretCommand } from "./regret_command.ts";
import { reportCommand } from "./report_command.ts";
import { runCommand } from "./run_command.ts";
import { sataIdentifyCommand, sataListCommand } from "./sata_command.ts";
import { schemaCommand } from "./schema_command.ts";
import { serveCommand } from "./serve_command.ts";

/** How wide help is where there is no terminal. */
const LOG_COLUMNS = 120;

/**
 * Runs the command line.
 *
 * @param plugins what scenarios may name
 * @returns the exit status
 */
export async function main(args: readonly string[], plugins: PluginTable): Promise<number> {
  const named = args.length === 0 || COMMANDS.includes(args[0]);
  const parsed = runParser(parser, "iddr", named ? args : ["run", ...args], {
    help: { command: true, option: { names: ["--help", "-h"] }, onShow: () => ExitStatus.Ok },
    completion: { command: true, onShow: () => ExitStatus.Ok },
    version: { option: true, value: await ownVersion(), onShow: () => ExitStatus.Ok },
    brief: BRIEF,
    examples: EXAMPLES,
    aboveError: "usage",
    colors: Deno.stderr.isTerminal() && !Deno.noColor,
    showDefault: { prefix: " (default ", suffix: ")" },
    maxWidth: Deno.stdout.isTerminal() ? Deno.consoleSize().columns : LOG_COLUMNS,
    stdout: (text) => console.log(text),
    stderr: (text) => console.error(text),
    onError: () => ExitStatus.Invalid,
  });
  if (typeof parsed === "number") return parsed;
  switch (parsed.command) {
    case "run":
      return await runCommand(parsed, plugins);
    case "advise":
      return await adviseCommand(parsed, plugins);
    case "regret":
      return await regretCommand(parsed);
    case "report":
      return await reportCommand(parsed);
    case "serve":
      return await serveCommand(parsed, plugins);
    case "faults":
      return await faultsCommand(parsed, plugins);
    case "check":
      return await checkCommand(parsed, plugins);
    case "compare":
      return await compareCommand(parsed);
    case "list":
      return await listCommand(parsed, plugins);
    case "schema":
      return await schemaCommand(plugins);
    case "sata-list":
      return sataListCommand(parsed);
    case "sata-identify":
      return sataIdentifyCommand(parsed);
  }
}

async function ownVersion(): Promise<string> {
  const { default: config } = await import("../deno.json", { with: { type: "json" } });
  return config.version;
}
