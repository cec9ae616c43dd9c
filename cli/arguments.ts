/**
 * What can be written on the command line.
 *
 * @module
 */

import { object, or } from "@optique/core/constructs";
import { lineBreak, type Message, message, text } from "@optique/core/message";
import { map, multiple, optional, withDefault } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { argument, command, constant, flag, option } from "@optique/core/primitives";
import { choice, integer, string, type ValueParser } from "@optique/core/valueparser";
import { COMPARE_DEFAULTS } from "../core/runner/compare.ts";
import { ESTIMATES } from "../core/runner/result.ts";
import { formatDuration, formatPercentage } from "../core/units.ts";
import {
  allowCommands,
  allowDestructive,
  allowPlugin,
  files,
  force,
  out,
  path,
  progress,
  set,
} from "./common_arguments.ts";
import { advise, regret } from "./lab_arguments.ts";
import { QUICK } from "./quick.ts";

const run = command(
  "run",
  object({
    command: constant("run"),
    files,
    set,
    quick: map(optional(flag("--quick", { description: quickDescription() })), (on) => on === true),
    allowPlugin,
    allowDestructive,
    force,
    allowCommands,
    json: optional(flag("--json", { description: message`Print the results as JSON, one document a line.` })),
    out,
    report: map(
      optional(flag("--no-report", { description: message`Do not write a report beside each result.` })),
      (off) => off !== true,
    ),
    progress,
  }),
  {
    description: message`Run scenarios. This is what happens without a command, too.`,
    footer:
      message`Every cell is measured, a table is printed, the results are saved, and beside each is a page with its figures. The exit status is 0 when all cells ran and all expectations are met, 1 when not, 2 when nothing could be run, 130 after Ctrl-C (what was measured is saved).`,
  },
);

const serve = command(
  "serve",
  object({
    command: constant("serve"),
    file: argument(path("FILE", "file", [".yaml", ".yml"]), { description: message`The scenario file (YAML).` }),
    nbd: option("--nbd", string({ metavar: "ADDRESS" }), {
      description: message`Where clients connect: unix:PATH, or of this machine alone tcp:127.0.0.1:PORT.`,
    }),
    name: withDefault(
      option("--name", string({ metavar: "NAME" }), { description: message`Under which name clients ask for it.` }),
      "",
    ),
    readOnly: map(optional(flag("--read-only", { description: message`Refuse writes.` })), (on) => on === true),
    set,
    allowPlugin,
    allowDestructive,
    force,
    json: map(
      optional(flag("--json", { description: message`Print where it listens and, at the end, the figures as JSON.` })),
      (on) => on === true,
    ),
  }),
  {
    description: message`Serve the device of a scenario over NBD, to Linux, QEMU and others.`,
    footer:
      message`The scenario must make one cell; its workload, times and expectations are left out. It prints where it listens, and ends in order at Ctrl-C or SIGTERM: what is in flight is answered, and the device is flushed. The exit status is 0 then, 1 when it failed, 2 when nothing could be served, 130 after a second Ctrl-C.`,
  },
);

const faults = command(
  "faults",
  object({
    command: constant("faults"),
    file: argument(path("FILE", "file", [".yaml", ".yml"]), { description: message`The scenario file (YAML).` }),
    faults: withDefault(
      option("--faults", integer({ metavar: "N", min: 1, max: 1_000_000 }), { description: message`How many faults.` }),
      200,
    ),
    seed: withDefault(
      option("--seed", integer({ metavar: "SEED", min: 1, max: 2 ** 31 - 1 }), {
        description: message`What they follow from: the same seed gives the same faults.`,
      }),
      1,
    ),
    machine: withDefault(
      option("--machine", integer({ metavar: "M", min: 0, max: 1_000_000 }), {
        description: message`The machine to begin with, to go through one again that went wrong.`,
      }),
      0,
    ),
    set,
    allowPlugin,
    allowDestructive,
    force,
    json: optional(option("--json", path("FILE", "any"), { description: message`Save the report in this file.` })),
    progress,
  }),
  {
    description:
      message`Try faults on the driver of a scenario: kill, stop and corrupt it, while its workload checks that nothing is lost.`,
    footer:
      message`The scenario must make one cell whose driver is a process, and its workload must be verify with errors: tolerate. The exit status is 0 when every fault was detected and nothing lost or corrupted, 1 when not, 2 when nothing could be tried, 130 after Ctrl-C (what was tried until then is reported).`,
  },
);

const report = command(
  "report",
  object({
    command: constant("report"),
    files: multiple(
      argument(path("RESULT", "any", [".json"]), {
        description: message`Results that were saved (JSON), or folders of results.`,
      }),
      { min: 1, errors: { tooFew: message`Name at least one result.` } },
    ),
    out: optional(option("--out", path("FOLDER", "any"), {
      description: message`Where the report is written; without it, beside the first result.`,
    })),
  }),
  {
    description: message`Write a page with figures of results, and each figure as SVG and CSV.`,
    footer:
      message`The page is one file, which needs no network and runs no script. Of several results it has a part each, and shows beside each other what they have in common. The exit status is 0 when all is written, 1 when not, 2 when a file holds no result.`,
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
    kind: optional(argument(choice(["policy", "device", "filter", "workload"], { metavar: "KIND" }), {
      description: message`Plugins of this kind alone: policy, device, filter or workload.`,
    })),
    name: optional(argument(string({ metavar: "NAME" }), { description: message`This plugin alone.` })),
    json: map(optional(flag("--json", { description: message`Print a JSON array.` })), (on) => on === true),
  }),
  { description: message`List the built-in plugins with their options.` },
);

const schema = command("schema", object({ command: constant("schema") }), {
  description: message`Print the JSON Schema of scenarios, with which editors complete and check them.`,
});

const compare = command(
  "compare",
  object({
    command: constant("compare"),
    results: multiple(
      argument(path("RESULT", "any", [".json"]), {
        description: message`Results (JSON), or folders of results, whose repetitions are taken together.`,
      }),
      { min: 1, max: 2, errors: { tooFew: message`Name two results, or one and --by.` } },
    ),
    by: optional(option("--by", string({ metavar: "LABEL" }), {
      description: message`Compare cells of one result that differ in this label alone, such as policy.`,
    })),
    baseline: optional(option("--baseline", string({ metavar: "VALUE" }), {
      description: message`With --by, the value that the others are compared with; by default the first.`,
    })),
    metric: withDefault(
      option("--metric", choice(ESTIMATES, { metavar: "METRIC" }), { description: message`What is compared.` }),
      COMPARE_DEFAULTS.metric,
    ),
    confidence: withDefault(
      option("--confidence", percent("CONFIDENCE", 50, 99.9999), {
        description: message`How sure all verdicts together must be.`,
      }),
      1 - COMPARE_DEFAULTS.errorRate,
    ),
    threshold: withDefault(
      option("--threshold", percent("SHARE", 0, 1000), { description: message`Differences up to this do not count.` }),
      COMPARE_DEFAULTS.threshold,
    ),
    json: map(optional(flag("--json", { description: message`Print the comparison as JSON.` })), (on) => on === true),
  }),
  {
    description: message`Say for each cell whether it is faster or slower than before, or that there is no evidence.`,
    footer:
      message`The first result is what the second is compared with. The exit status is 0 when nothing is slower, 1 when something is, or failed, 2 when that cannot be said, of one cell or of all: there were too few repetitions, or the second result has no such cell.`,
  },
);

const asJson = map(optional(flag("--json", { description: message`Print JSON.` })), (on) => on === true);

const sata = command(
  "sata",
  or(
    command("list", object({ command: constant("sata-list"), json: asJson }), {
      description: message`List the disks of this machine, with what each says of itself.`,
    }),
    command(
      "identify",
      object({
        command: constant("sata-identify"),
        disk: argument(path("DISK", "any"), { description: message`The disk's device file, such as /dev/sda.` }),
        json: asJson,
      }),
      { description: message`Ask one ATA disk for all that it says of itself.` },
    ),
  ),
  {
    description: message`Look at SATA disks. Nothing is written to them.`,
    footer:
      message`This takes --allow-ffi for the C library, and root, as the kernel passes ATA commands on from no other.`,
  },
);

/** Parses the command line. */
export const parser = or(run, report, advise, regret, serve, faults, check, compare, list, schema, sata);
/** What may stand first on the command line; anything else is an argument of `run`. */
export const COMMANDS: readonly string[] = [
  ...[
    "run",
    "report",
    "advise",
    "regret",
    "serve",
    "faults",
    "check",
    "compare",
    "list",
    "schema",
    "sata",
    "completion",
    "help",
  ],
  ...["--help", "-h", "--version"],
];

/** What the command line says. */
export type Arguments = InferValue<typeof parser>;
/** What it says about running. */
export type RunArguments = Extract<Arguments, { command: "run" }>;
/** What it says about advice. */
export type AdviseArguments = Extract<Arguments, { command: "advise" }>;
/** What it says about regret. */
export type RegretArguments = Extract<Arguments, { command: "regret" }>;
/** What it says about reports. */
export type ReportArguments = Extract<Arguments, { command: "report" }>;
/** What it says about serving. */
export type ServeArguments = Extract<Arguments, { command: "serve" }>;
/** What it says about faults. */
export type FaultsArguments = Extract<Arguments, { command: "faults" }>;
/** What it says about checking. */
export type CheckArguments = Extract<Arguments, { command: "check" }>;
/** What it says about comparing. */
export type CompareArguments = Extract<Arguments, { command: "compare" }>;
/** What it says about listing. */
export type ListArguments = Extract<Arguments, { command: "list" }>;
/** What it says about listing disks. */
export type SataListArguments = Extract<Arguments, { command: "sata-list" }>;
/** What it says about asking a disk. */
export type SataIdentifyArguments = Extract<Arguments, { command: "sata-identify" }>;

/** A share as per cent, with or without the sign; below 1 with it, as 0.05 may mean 5 %. */
function percent(metavar: string, least: number, most: number): ValueParser<"sync", number> {
  const format = (share: number): string => formatPercentage(share);
  return {
    mode: "sync",
    metavar: metavar as "SHARE",
    placeholder: least / 100,
    parse(input) {
      const value = /^\d+(\.\d+)?%?$/.test(input) ? parseFloat(input) : NaN;
      if (value > 0 && value < 1 && !input.endsWith("%")) {
        const [small, large] = [text(`${input}%`), text(`${Number((value * 100).toPrecision(12))}%`)];
        return { success: false, error: message`must say which it is: ${small} or ${large}; found ${input}` };
      }
      if (value >= least && value <= most) return { success: true, value: value / 100 };
      const limits = text(`${least}% to ${most}%`);
      return { success: false, error: message`must be a percentage from ${limits}: found ${input}` };
    },
    format,
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
  text("iddr advise scenarios/quick-start.yaml      which policy is best for it?"),
  lineBreak(),
  text("iddr report results/ramdisk-rndrw-*.json    make a page with figures of results"),
  lineBreak(),
  text("iddr check --set run.repetitions=20 a.yaml  find mistakes, and say how long it takes"),
  lineBreak(),
  text("iddr list device ramdisk                    what options does a device have?"),
];
