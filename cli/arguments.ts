/**
 * What can be written on the command line.
 *
 * @module
 */

import { object, or } from "@optique/core/constructs";
import { lineBreak, type Message, message, text } from "@optique/core/message";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import type { InferValue, Suggestion } from "@optique/core/parser";
import { argument, command, constant, flag, option } from "@optique/core/primitives";
import { choice, string, type ValueParser } from "@optique/core/valueparser";
import { formatDuration } from "../core/units.ts";
import { QUICK } from "./quick.ts";
import { DEFAULT_OUT } from "./result_file.ts";

const files = multiple(
  argument(path("FILE", "file", [".yaml", ".yml"]), { description: message`Scenario files (YAML).` }),
  { min: 1, errors: { tooFew: message`Name at least one scenario file.` } },
);
const set = multiple(option("--set", string({ metavar: "PATH=VALUE" }), {
  description:
    message`Put a value into every scenario, such as workload.with.queueDepth=8. It also goes before the matrix.`,
}));
const allowPlugin = multiple(option("--allow-plugin", string({ metavar: "REF" }), {
  description:
    message`Let scenarios run this plugin beyond the built-in ones: what they say (./mine.ts, npm:package@1), or its path.`,
}));
const allowDestructive = multiple(option("--allow-destructive", path("PATH", "any"), {
  description: message`Let devices write to this disk, and lose what is on it; named as the scenario names it.`,
}));

const run = command(
  "run",
  object({
    command: constant("run"),
    files,
    set,
    quick: map(optional(flag("--quick", { description: quickDescription() })), (on) => on === true),
    allowPlugin,
    allowDestructive,
    force: map(
      optional(flag("--force", {
        description: message`Lose it even where a partition table, a file system or the like is found.`,
      })),
      (on) => on === true,
    ),
    json: optional(flag("--json", { description: message`Print the results as JSON, one document a line.` })),
    out: withDefault(
      option("--out", path("PATH", "any"), {
        description: message`Where results are saved: a folder, or for one scenario a file ending in .json.`,
      }),
      DEFAULT_OUT,
    ),
    progress: map(
      optional(flag("--no-progress", { description: message`Do not report progress.` })),
      (off) => off !== true,
    ),
  }),
  {
    description: message`Run scenarios. This is what happens without a command, too.`,
    footer:
      message`Every cell is measured, a table is printed and the results are saved. The exit status is 0 when all cells ran and all expectations are met, 1 when not, 2 when nothing could be run, 130 after Ctrl-C (what was measured is saved).`,
  },
);

const check = command("check", object({ command: constant("check"), files, set, allowPlugin }), {
  description: message`Check scenarios without running them.`,
  footer:
    message`Every mistake is named with its line and column. Where there is none, it says how many cells there are and how long they take.`,
});

const list = command(
  "list",
  object({
    command: constant("list"),
    kind: optional(argument(choice(["policy", "device", "workload"], { metavar: "KIND" }), {
      description: message`Plugins of this kind alone: policy, device or workload.`,
    })),
    name: optional(argument(string({ metavar: "NAME" }), { description: message`This plugin alone.` })),
    json: map(optional(flag("--json", { description: message`Print a JSON array.` })), (on) => on === true),
  }),
  { description: message`List the built-in plugins with their options.` },
);

const schema = command("schema", object({ command: constant("schema") }), {
  description: message`Print the JSON Schema of scenarios, with which editors complete and check them.`,
});

/** Parses the command line. */
export const parser = or(run, check, list, schema);
/** What may stand first on the command line; anything else is an argument of `run`. */
export const COMMANDS: readonly string[] = [
  ...["run", "check", "list", "schema", "completion", "help"],
  ...["--help", "-h", "--version"],
];

/** What the command line says. */
export type Arguments = InferValue<typeof parser>;
/** What it says about running. */
export type RunArguments = Extract<Arguments, { command: "run" }>;
/** What it says about checking. */
export type CheckArguments = Extract<Arguments, { command: "check" }>;
/** What it says about listing. */
export type ListArguments = Extract<Arguments, { command: "list" }>;

/** A path, which shells can complete. */
function path(metavar: string, type: "file" | "any", extensions?: readonly string[]): ValueParser<"sync", string> {
  return {
    ...string({ metavar: metavar as "PATH" }),
    *suggest(prefix: string): Iterable<Suggestion> {
      yield { kind: "file", type, pattern: prefix, ...(extensions === undefined ? {} : { extensions }) };
    },
  };
}

function quickDescription(): Message {
  const [warmup, duration] = [QUICK.warmupNs, QUICK.durationNs].map(formatDuration);
  const times = `${QUICK.repetitions} repetition of each cell, ${warmup} of warm-up, ${duration} of measurement`;
  return message`Have a quick look: ${text(times)}. Expectations are reported, but do not decide the exit status.`;
}

/** What the program is for, above its help. */
export const BRIEF: Message = message`Block device drivers that run isolated from the applications they serve.`;
/** How it is used, below its help. */
export const EXAMPLES: Message = [
  text("iddr scenarios/ramdisk-rndrw.yaml           measure a scenario"),
  lineBreak(),
  text("iddr run --quick scenarios/*.yaml           have a quick look at all"),
  lineBreak(),
  text("iddr check --set run.repetitions=20 a.yaml  find mistakes, and say how long it takes"),
  lineBreak(),
  text("iddr list device ramdisk                    what options does a device have?"),
];
