/**
 * What a scenario does only when the person has agreed to it: destroy what is somewhere, or run a program.
 *
 * A scenario is data. Data must not cost anybody a disk, and must run no code that nobody asked for: what a device or a
 * workload destroys, and what programs a workload runs, is named again by who runs it.
 *
 * @module
 */

import { type Consent, destroyedPaths, type DevicePlugin, programsRun, type WorkloadPlugin } from "../plugin.ts";
import type { Diagnostic } from "./diagnostics.ts";
import type { Path } from "./load.ts";
import { shellQuote } from "./plugin_reference.ts";
import type { ResolvedPlugin } from "./plugins.ts";

/** What a scenario needs consent for. */
export interface Demand {
  /** Which part of the consent must have it. */
  readonly consent: "allowDestructive" | "allowCommands";
  /** What that must name: the path that is written to, or the program that is run; as the scenario has it. */
  readonly name: string;
  /** What to say, at its place, to who has not agreed. */
  readonly diagnostic: Diagnostic;
}

/** What has demands: an `ExpandedScenario`. */
interface Demanding {
  readonly demands: readonly Demand[];
}

/** What a cell's device or workload needs consent for, where that stands in the scenario, and what to say of it. */
export interface PluginDemand extends Omit<Demand, "diagnostic"> {
  /** The option that has the name, or the plugin itself where none does. */
  readonly place: Path;
  /** What to say to who has not agreed. */
  readonly message: string;
}

/**
 * What a device or a workload needs consent for.
 *
 * @param at where its use stands in the scenario
 * @throws {PluginError} when its plugin does not say it with a list of texts
 */
export function demandsOf({ plugin, options, written }: ResolvedPlugin, at: Path): readonly PluginDemand[] {
  const consenting = plugin as DevicePlugin | WorkloadPlugin;
  const demand = (consent: Demand["consent"], name: string, does: string): PluginDemand => {
    const within = placeOf(written, name);
    const place = within === undefined ? at : [...at, "with", ...within];
    return { consent, name, place, message: `${does}. If that is meant, add ${consentFlag({ consent, name })}` };
  };
  return [
    ...destroyedPaths(consenting, options).map((path) => {
      return demand("allowDestructive", path, `writes to ${path}, and what is on it would be lost`);
    }),
    ...programsRun(consenting, options).map((program) => {
      return demand("allowCommands", program, `runs the program ${program}, which may do all that you may`);
    }),
  ];
}

/** The mistakes of running a scenario for who has agreed to so much: to these very texts. */
export function missingConsent({ demands }: Demanding, agreed: Partial<Consent>): Diagnostic[] {
  return demands.filter(({ consent, name }) => !agreed[consent]?.includes(name)).map(({ diagnostic }) => diagnostic);
}

/** How one agrees on the command line. */
export function consentFlag({ consent, name }: Pick<Demand, "consent" | "name">): string {
  return `${consent === "allowDestructive" ? "--allow-destructive" : "--allow-command"}=${shellQuote(name)}`;
}

/** Where a text is an option, or begins a list in one, as a program does its arguments; undefined where it is not. */
function placeOf(value: unknown, text: string): Path | undefined {
  if (value === text) return [];
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, inner] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    if (typeof inner === "string" && typeof key === "number" && key > 0) continue;
    const within = placeOf(inner, text);
    if (within !== undefined) return [key, ...within];
  }
  return undefined;
}
