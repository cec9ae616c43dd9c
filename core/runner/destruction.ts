/**
 * What running a scenario would destroy, and whether the person has agreed to it.
 *
 * A scenario is data, and data must not cost anybody a disk: what a device or a workload destroys is named again by who runs it.
 *
 * @module
 */

import { destroyedPaths, type DevicePlugin, type WorkloadPlugin } from "../plugin.ts";
import type { Diagnostic } from "./diagnostics.ts";
import type { Path } from "./load.ts";
import { shellQuote } from "./plugin_reference.ts";
import type { ResolvedPlugin } from "./plugins.ts";

/** A path whose content a scenario destroys. */
export interface Destruction {
  /** The path, as the scenario has it. */
  readonly path: string;
  /** What to say, at its place, to who has not agreed. */
  readonly diagnostic: Diagnostic;
}

/** What has destructions: an `ExpandedScenario`. */
interface Destructive {
  readonly destructions: readonly Destruction[];
}

/** A path that a cell's device or workload destroys, where it stands in the scenario, and what to say of it. */
export interface DestroyedPath {
  /** The path. */
  readonly path: string;
  /** The option that is this path; the plugin itself where no option is. */
  readonly place: Path;
  /** What to say to who has not agreed. */
  readonly message: string;
}

/**
 * What a device or a workload destroys.
 *
 * @throws {PluginError} when its plugin does not say it with a list of texts
 */
export function destroyedBy({ plugin, options, written }: ResolvedPlugin): readonly DestroyedPath[] {
  return destroyedPaths(plugin as DevicePlugin | WorkloadPlugin, options).map((path) => {
    const option = Object.keys(written).find((name) => written[name] === path);
    return {
      path,
      place: option === undefined ? [plugin.kind] : [plugin.kind, "with", option],
      message: `writes to ${path}, and what is on it would be lost. If that is meant, add ${destructionFlag(path)}`,
    };
  });
}

/** The mistakes of running a scenario for who has agreed to lose only what is on some paths: these very texts. */
export function missingConsent({ destructions }: Destructive, allowDestructive: readonly string[]): Diagnostic[] {
  return destructions.filter(({ path }) => !allowDestructive.includes(path)).map(({ diagnostic }) => diagnostic);
}

/** How one agrees on the command line. */
export function destructionFlag(path: string): string {
  return `--allow-destructive=${shellQuote(path)}`;
}
