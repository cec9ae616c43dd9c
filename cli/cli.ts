/**
 * The command line: from arguments to an exit status.
 *
 * @module
 */

import { runParser } from "@optique/core/facade";
import type { PluginTable } from "../core/plugin.ts";
import { checkCommand } from "./check_command.ts";
import { COMMANDS, parser } from "./arguments.ts";
import { ExitStatus } from "./exit_status.ts";
import { runCommand } from "./run_command.ts";

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
    version: { option: true, value: await ownVersion(), onShow: () => ExitStatus.Ok },
    aboveError: "usage",
    colors: Deno.stderr.isTerminal() && !Deno.noColor,
    showDefault: true,
    stdout: (text) => console.log(text),
    stderr: (text) => console.error(text),
    onError: () => ExitStatus.Invalid,
  });
  if (typeof parsed === "number") return parsed;
  return parsed.command === "run" ? await runCommand(parsed, plugins) : await checkCommand(parsed, plugins);
}

async function ownVersion(): Promise<string> {
  const { default: config } = await import("../deno.json", { with: { type: "json" } });
  return config.version;
}
