/**
 * What can be written on the command line.
 *
 * @module
 */

import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { argument, command, constant, flag, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { DEFAULT_OUT } from "./result_file.ts";

const files = multiple(argument(string({ metavar: "FILE" }), { description: message`Scenario files (YAML).` }), {
  min: 1,
});
const set = multiple(option("--set", string({ metavar: "PATH=VALUE" }), {
  description:
    message`Put a value into every scenario, such as workload.with.queueDepth=8. It also goes before the matrix.`,
}));
const allowPlugin = multiple(option("--allow-plugin", string({ metavar: "REF" }), {
  description:
    message`Let scenarios run this plugin beyond the built-in ones: what they say (./mine.ts, npm:package@1), or its path.`,
}));

const run = command(
  "run",
  object({
    command: constant("run"),
    files,
    set,
    allowPlugin,
    json: optional(flag("--json", { description: message`Print the results as JSON, one document a line.` })),
    out: withDefault(
      option("--out", string({ metavar: "PATH" }), {
        description: message`Where results are saved: a folder, or for one scenario a file ending in .json.`,
      }),
      DEFAULT_OUT,
    ),
    progress: map(
      optional(flag("--no-progress", { description: message`Do not report progress.` })),
      (off) => off !== true,
    ),
  }),
  { description: message`Run scenarios. This is what happens without a command, too.` },
);

const check = command("check", object({ command: constant("check"), files, set, allowPlugin }), {
  description: message`Check scenarios without running them.`,
});

/** Parses the command line. */
export const parser = or(run, check);
/** What may stand first on the command line; anything else is an argument of `run`. */
export const COMMANDS: readonly string[] = ["run", "check", "help", "--help", "-h", "--version"];

/** What the command line says. */
export type Arguments = InferValue<typeof parser>;
/** What it says about running. */
export type RunArguments = Extract<Arguments, { command: "run" }>;
/** What it says about checking. */
export type CheckArguments = Extract<Arguments, { command: "check" }>;
