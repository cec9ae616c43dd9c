/**
 * What can be written after `advise` and `regret`.
 *
 * @module
 */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, constant, flag, option } from "@optique/core/primitives";
import { choice, float, string, type ValueParser } from "@optique/core/valueparser";
import { ESTIMATES } from "../core/runner/result.ts";
import { duration, formatDuration } from "../core/units.ts";
import { allowCommands, allowDestructive, allowPlugin, force, out, path, progress, set } from "./common_arguments.ts";

/** How long `advise` may take unless `--time` says otherwise. */
const ADVISE_TIME_NS = 240e9;

const cpuPrice = withDefault(
  option("--cpu-price", float({ metavar: "PRICE", min: 0, max: 1 }), {
    description:
      message`What CPU time counts: from 0, only throughput (or latency) matters, to 1, only what is done for it.`,
  }),
  0,
);

/** `advise` */
export const advise = command(
  "advise",
  object({
    command: constant("advise"),
    file: argument(path("FILE", "file", [".yaml", ".yml"]), { description: message`The scenario file (YAML).` }),
    cpuPrice,
    timeNs: withDefault(
      option("--time", time(), { description: message`How long it may take, such as 90s or 5min.` }),
      ADVISE_TIME_NS,
    ),
    policies: multiple(option("--policy", string({ metavar: "NAME" }), {
      description: message`Compare these policies alone, in place of all built-in ones and the scenario's own.`,
    })),
    fixedLoad: map(
      optional(flag("--fixed-load", { description: message`Look at the scenario's own load alone.` })),
      (on) => on === true,
    ),
    set,
    allowPlugin,
    allowDestructive,
    force,
    allowCommands,
    json: map(optional(flag("--json", { description: message`Print the answer as JSON.` })), (on) => on === true),
    out,
    progress,
  }),
  {
    description: message`Say which policy is best for a scenario on this machine, at which load, and what it costs.`,
    footer:
      message`Policies are measured in turns; those that are clearly worse are left out, and the rest of the time goes to the others. The exit status is 0 when there is an answer ("they cannot be told apart" is one), 1 when all failed, nothing was measured, or the result could not be saved, 2 when nothing could be run, 130 after Ctrl-C (what is known until then is printed).`,
  },
);

/** `regret` */
export const regret = command(
  "regret",
  object({
    command: constant("regret"),
    choose: multiple(
      option("--choose", path("PATH", "any", [".json"]), {
        description: message`Results from which the best are chosen: a file, or a folder of them. Can be repeated.`,
      }),
      { min: 1, errors: { tooFew: message`Name at least one result with --choose.` } },
    ),
    confirm: multiple(option("--confirm", path("PATH", "any", [".json"]), {
      description: message`Results of other runs, from which the figures are. Can be repeated.`,
    })),
    metric: withDefault(
      option("--metric", choice(ESTIMATES, { metavar: "METRIC" }), { description: message`What is compared.` }),
      "iops" as const,
    ),
    policies: multiple(option("--policy", string({ metavar: "LABEL" }), {
      description: message`Show these policies alone, by their labels, such as auto(cpuPrice=0).`,
    })),
    goal: optional(option("--goal", float({ metavar: "SHARE", min: 0, max: 1 }), {
      description: message`Say where each reaches this share of the best, such as 0.97.`,
    })),
    json: map(optional(flag("--json", { description: message`Print JSON.` })), (on) => on === true),
  }),
  {
    description: message`Of each load in some results the best policy, and all others relative to it.`,
    footer:
      message`It prints a Markdown table. What is best by chance is chosen more often than it deserves: so choose from one set of runs and confirm with another. The exit status is 0, or 1 when a policy that is shown surely misses the goal, 2 when the results cannot be used.`,
  },
);

/** A time with its unit, in nanoseconds; `m` is a minute, as for other programs that take a time. */
function time(): ValueParser<"sync", number> {
  const schema = duration();
  const wrong = message`Expected a time with its unit, such as 90s or 5min.`;
  return {
    mode: "sync",
    metavar: "TIME",
    placeholder: ADVISE_TIME_NS,
    format: formatDuration,
    parse(input) {
      const parsed = schema.safeParse(/^[\d.]+m$/.test(input) ? `${input}in` : input);
      return parsed.success && parsed.data > 0
        ? { success: true, value: parsed.data }
        : { success: false, error: wrong };
    },
  };
}
