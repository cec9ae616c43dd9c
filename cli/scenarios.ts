/**
 * Reads the scenarios that the command line names.
 *
 * @module
 */

import type { PluginTable } from "../core/plugin.ts";
import { type Diagnostic, formatDiagnostic, ScenarioError } from "../core/runner/diagnostics.ts";
import type { ExpandedScenario } from "../core/runner/cell.ts";
import { expandScenario } from "../core/runner/expand.ts";
import { type Override, ScenarioDocument } from "../core/runner/load.ts";
import { QUICK_OVERRIDES } from "./quick.ts";

/** The scenarios, or all that is wrong with them. */
export interface Scenarios {
  /** Those without mistakes. */
  readonly scenarios: readonly ExpandedScenario[];
  /** The mistakes of the others. */
  readonly mistakes: readonly Diagnostic[];
}

/** What the command line says of scenarios, whatever is done with them. */
export interface ScenarioArguments {
  /** The files. */
  readonly files: readonly string[];
  /** Values to put into each, as `path=value`. */
  readonly set: readonly string[];
  /** The plugins beyond the built-in ones that they may run. */
  readonly allowPlugin: readonly string[];
  /** Whether a quick look is wanted; `set` goes before what that means. */
  readonly quick?: boolean;
  /** What else is put into each, before `set`. */
  readonly overrides?: readonly Override[];
  /** Whether a scenario of several cells is a mistake. */
  readonly oneCell?: boolean;
}

/** Reads and checks all files. */
export async function readScenarios(
  { files, set, allowPlugin, quick = false, overrides: first = [], oneCell }: ScenarioArguments,
  plugins: PluginTable,
): Promise<Scenarios> {
  const scenarios: ExpandedScenario[] = [];
  const mistakes: Diagnostic[] = set.flatMap(overrideMistake);
  if (mistakes.length > 0) return { scenarios, mistakes };
  const overrides = [...first, ...quick ? QUICK_OVERRIDES : [], ...set.map(parseOverride)];
  for (const file of files) {
    try {
      const document = await ScenarioDocument.read(file, overrides);
      scenarios.push(await expandScenario(document, plugins, { allowPlugins: allowPlugin, oneCell }));
    } catch (thrown) {
      if (!(thrown instanceof ScenarioError)) throw thrown;
      mistakes.push(...thrown.diagnostics);
    }
  }
  return { scenarios, mistakes };
}

/** Prints mistakes, one a line. */
export function printMistakes(mistakes: readonly Diagnostic[]): void {
  for (const mistake of mistakes) console.error(formatDiagnostic(mistake));
  console.error(`iddr: ${mistakes.length} ${mistakes.length === 1 ? "mistake" : "mistakes"}; nothing was run`);
}

/** What is wrong with an argument of `--set`, if anything is. */
export function overrideMistake(text: string): Diagnostic[] {
  const { path } = parseOverride(text);
  if (text.includes("=") && path.split(".").every((key) => key !== "")) return [];
  const message = `must be PATH=VALUE, such as workload.with.queueDepth=8: found ${text}`;
  return [{ file: "--set", line: 1, column: 1, message }];
}

/** What an argument of `--set` says. */
export function parseOverride(text: string): Override {
  const at = text.indexOf("=");
  return { path: text.slice(0, at), value: text.slice(at + 1) };
}
