/**
 * The command line: what can be written on it, and which command that is.
 *
 * @module
 */

import { object, or } from "@optique/core/constructs";
import { runParser } from "@optique/core/facade";
import { message } from "@optique/core/message";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { argument, command, constant, flag, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { PluginTable } from "../core/plugin.ts";
import { checkCommand } from "./check_command.ts";
import { ExitStatus } from "./exit_status.ts";
import { runCommand } from "./run_command.ts";

const files = multiple(argument(string({ metavar: "FILE" }), { description: message`Scenario files (YAML).` }), {
  min: 1,
});
const set = multiple(option("--set", string({ metavar: "PATH=VALUE" }), {
  description:
    message`Put a value into every scenario, such as workload.with.queueDepth=8. It also goes before the matrix.`,
}));

const run = command(
  "run",
  object({
    command: constant("run"),
    files,
    set,
    json: optional(flag("--json", { description: message`Print the results as JSON, one document a line.` })),
    out: withDefault(
      option("--out", string({ metavar: "PATH" }), {
        description: message`Where results are saved: a folder, or for one scenario a file ending in .json.`,
      }),
      "results",
    ),
    progress: map(
      optional(flag("--no-progress", { description: message`Do not report progress.` })),
      (off) => off !== true,
    ),
  }),
  { description: message`Run scenarios. This is what happens without a command, too.` },
);

const check = command("check", object({ command: constant("check"), files, set }), {
  description: message`Check scenarios without running them.`,
});

const parser = or(run, check);
const COMMANDS = ["run", "check", "help", "--help", "-h", "--version"];

/** What the command line says. */
export type Arguments = InferValue<typeof parser>;
/** What it says about running. */
export type RunArguments = Extract<Arguments, { command: "run" }>;
/** What it says about checking. */
export type CheckArguments = Extract<Arguments, { command: "check" }>;

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
