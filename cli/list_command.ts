/**
 * `list`: the plugins that scenarios may name.
 *
 * @module
 */

import { describePlugins, type OptionDescription, type PluginDescription } from "../core/runner/describe.ts";
import { suggestion } from "../core/runner/diagnostics.ts";
import type { PluginKind, PluginTable } from "../core/plugin.ts";
import type { ListArguments } from "./arguments.ts";
import { ExitStatus } from "./exit_status.ts";

const HEADINGS: Readonly<Record<PluginKind, string>> = {
  policy: "policies",
  device: "devices",
  filter: "filters",
  workload: "workloads",
};

/** Runs the command. */
export async function listCommand({ kind, name, json }: ListArguments, plugins: PluginTable): Promise<number> {
  const ofKind = (await describePlugins(plugins)).filter((each) => kind === undefined || each.kind === kind);
  const found = ofKind.filter((each) => name === undefined || each.name === name);
  if (found.length === 0 && name !== undefined) {
    console.error(`iddr: ${name} is not a known ${kind}${suggestion(name, ofKind.map(({ name }) => name))}`);
    return ExitStatus.Invalid;
  }
  console.log(json ? JSON.stringify(found, null, 2) : renderPlugins(found));
  return ExitStatus.Ok;
}

/** The plugins as text: each with its options below it. */
function renderPlugins(plugins: readonly PluginDescription[]): string {
  const names = plugins.flatMap(({ name, options, counters }) => {
    return [
      `  ${name}`,
      ...[...options.map(({ name }) => name), ...Object.keys(counters)].map((each) => `    ${each}`),
    ];
  });
  const width = Math.max(...names.map((each) => each.length)) + 2;
  const lines: string[] = [];
  for (const [index, { kind, name, description, options, counters }] of plugins.entries()) {
    if (kind !== plugins[index - 1]?.kind) lines.push(...(index === 0 ? [] : [""]), HEADINGS[kind]);
    lines.push(`  ${name}`.padEnd(width) + description);
    for (const option of options) {
      lines.push(`    ${option.name}`.padEnd(width) + `${option.description} (${valueInWords(option)})`);
    }
    for (const [counter, meaning] of Object.entries(counters)) {
      lines.push(`    ${counter}`.padEnd(width) + `${meaning} (counted)`);
    }
  }
  return lines.join("\n");
}

function valueInWords({ type, required, ...option }: OptionDescription): string {
  if (required) return `${type}, must be given`;
  return option.default === undefined ? type : `${type}, default ${writtenValue(option.default)}`;
}

function writtenValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
