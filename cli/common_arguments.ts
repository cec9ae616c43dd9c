/**
 * What several commands of the command line have in common.
 *
 * @module
 */

import { message } from "@optique/core/message";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import type { Suggestion } from "@optique/core/parser";
import { argument, flag, option } from "@optique/core/primitives";
import { string, type ValueParser } from "@optique/core/valueparser";
import { DEFAULT_OUT } from "./result_file.ts";

/** Scenario files. */
export const files = multiple(
  argument(path("FILE", "file", [".yaml", ".yml"]), { description: message`Scenario files (YAML).` }),
  { min: 1, errors: { tooFew: message`Name at least one scenario file.` } },
);
/** Values to put into scenarios. */
export const set = multiple(option("--set", string({ metavar: "PATH=VALUE" }), {
  description:
    message`Put a value into every scenario, such as workload.with.queueDepth=8. It also goes before the matrix.`,
}));
/** Plugins beyond the built-in ones that may run. */
export const allowPlugin = multiple(option("--allow-plugin", string({ metavar: "REF" }), {
  description:
    message`Let scenarios run this plugin beyond the built-in ones: what they say (./mine.ts, npm:package@1), or its path.`,
}));
/** What may be lost. */
export const allowDestructive = multiple(option("--allow-destructive", path("PATH", "any"), {
  description: message`Let devices write to this disk, and lose what is on it; named as the scenario names it.`,
}));

/** Whether it may be lost whatever is on it. */
export const force = map(
  optional(flag("--force", {
    description: message`Lose it even where a partition table, a file system or the like is found.`,
  })),
  (on) => on === true,
);

/** Programs that may run. */
export const allowCommands = multiple(option("--allow-command", string({ metavar: "PROGRAM" }), {
  description: message`Let scenarios run this program, with whatever arguments; named as the scenario names it.`,
}));

/** Where results are saved. */
export const out = withDefault(
  option("--out", path("PATH", "any"), {
    description: message`Where results are saved: a folder, or for one scenario a file ending in .json.`,
  }),
  DEFAULT_OUT,
);

/** Whether progress is reported. */
export const progress = map(
  optional(flag("--no-progress", { description: message`Do not report progress.` })),
  (off) => off !== true,
);

/** A path, which shells can complete. */
export function path(
  metavar: string,
  type: "file" | "any",
  extensions?: readonly string[],
): ValueParser<"sync", string> {
  return {
    ...string({ metavar: metavar as "PATH" }),
    *suggest(prefix: string): Iterable<Suggestion> {
      yield { kind: "file", type, pattern: prefix, ...(extensions === undefined ? {} : { extensions }) };
    },
  };
}
