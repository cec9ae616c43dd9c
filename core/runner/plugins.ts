/**
 * From what a scenario says of a plugin to the plugin: finds its module, imports it if that is allowed, and checks its
 * options.
 *
 * @module
 */

import { z } from "../schema.ts";
import { MAX_PORTS } from "../event_channel.ts";
import { messageOf, PluginError } from "../errors.ts";
import {
  destroyedPaths,
  loadPlugin,
  type Plugin,
  type PluginKind,
  type PluginTable,
  programsRun,
  type WorkloadPlugin,
} from "../plugin.ts";
import { suggestion } from "./diagnostics.ts";
import type { Path } from "./load.ts";
import { checkPermissions } from "../permissions.ts";
import { isAllowed, isReference, moduleMistake, moduleUrl, shellQuote } from "./plugin_reference.ts";
import type { ScenarioPluginUse } from "./scenario.ts";

/** A plugin as one cell uses it. */
export interface ResolvedPlugin {
  /** Its definition. */
  readonly plugin: Plugin;
  /** Its module. */
  readonly url: string;
  /** What the scenario says in place of a name, of a plugin that is not built in. */
  readonly reference?: string;
  /** Its options, after the schema. */
  readonly options: unknown;
  /** Its options as they are written, with units and defaults. */
  readonly written: Readonly<Record<string, unknown>>;
  /** Its name, with the options that differ from the defaults. */
  readonly label: string;
}

/** A device as one cell uses it. Its label names its filters, too: `delay(time=10us) > ramdisk`. */
export interface ResolvedDevice extends ResolvedPlugin {
  /** What requests pass before it, the first of them nearest to the application. */
  readonly filters: readonly ResolvedPlugin[];
}

/** A device's plugin and those of its filters. */
export function stackOf(device: ResolvedDevice): readonly ResolvedPlugin[] {
  return [...device.filters, device];
}

/** Filters as labels name them, as requests pass them; empty where there are none. */
export function filterLabel(filters: readonly ResolvedPlugin[]): string {
  return filters.map(({ label }) => label).join(" > ");
}

/** Where plugins may come from. */
export interface PluginSources {
  /** The built-in ones, which are trusted. */
  readonly builtins: PluginTable;
  /** The scenario's file: references are relative to it. */
  readonly file: string;
  /** What else may be imported; see `ExpandOptions`. */
  readonly allowed: readonly string[];
}

/** Takes mistakes, each at a path within what the scenario says of the plugin. */
export interface MistakeSink {
  /** A mistake in our words. */
  add(path: Path, message: string): void;
  /**
   * A mistake in a schema's words.
   *
   * @param allowed the keys that are known there
   */
  addIssue(issue: z.core.$ZodIssue, path: Path, allowed?: readonly string[]): void;
}

type Json = Record<string, unknown>;

/** The plugin that a scenario uses; undefined after a mistake, which `sink` was told. */
export async function resolvePlugin(
  kind: PluginKind,
  use: ScenarioPluginUse,
  sources: PluginSources,
  sink: MistakeSink,
): Promise<ResolvedPlugin | undefined> {
  try {
    const url = await findModule(kind, use.use, sources, sink);
    if (url === undefined) return undefined;
    const plugin: Plugin = await loadPlugin(kind, url);
    const parsed = z.safeParse(plugin.options, use.with, { reportInput: true });
    if (!parsed.success) {
      for (const issue of parsed.error.issues) sink.addIssue(issue, ["with"], optionNames(plugin.options));
      return undefined;
    }
    if (!isPlainData(parsed.data)) {
      sink.add(["with"], "make options that are no plain data, and only that reaches a domain");
      return undefined;
    }
    checkPermissions(plugin, parsed.data);
    if (plugin.kind === "workload") checkNeeds(plugin, parsed.data);
    if (plugin.kind === "device" || plugin.kind === "workload") destroyedPaths(plugin, parsed.data);
    if (plugin.kind === "workload") programsRun(plugin, parsed.data);
    const written = writeOptions(plugin, parsed.data);
    const label = pluginLabel(plugin, written);
    const reference = isReference(use.use) ? use.use : undefined;
    return { plugin, url, reference, options: parsed.data, written, label };
  } catch (thrown) {
    sink.add(["use"], messageOf(thrown));
    return undefined;
  }
}

/** The URL of the module, if it may be imported. */
async function findModule(
  kind: PluginKind,
  name: string,
  { builtins, file, allowed }: PluginSources,
  sink: MistakeSink,
): Promise<string | undefined> {
  const table = builtins[kind] ?? {};
  if (Object.hasOwn(table, name)) return table[name];
  if (!isReference(name)) {
    const elsewhere = /[.:/]/.test(name) ? "; a file is named ./file.ts, a package npm:package@range" : "";
    sink.add(
      ["use"],
      `${JSON.stringify(name)} is not a known ${kind}${suggestion(name, Object.keys(table))}${elsewhere}`,
    );
    return undefined;
  }
  const url = moduleUrl(name, file);
  const mistake = await moduleMistake(url);
  if (mistake !== null) {
    sink.add(["use"], `${JSON.stringify(name)} ${mistake}`);
    return undefined;
  }
  if (!isAllowed(name, url, allowed)) {
    sink.add(
      ["use"],
      `${JSON.stringify(name)} is somebody's code, which runs only when you allow it. If you trust it, add ` +
        `--allow-plugin=${shellQuote(name)}`,
    );
    return undefined;
  }
  return url;
}

/** The options that a schema knows; undefined where it is no object with fixed keys. */
function optionNames(schema: z.ZodType): readonly string[] | undefined {
  // Not by its class: the plugin may have brought another copy of zod.
  const { shape } = schema._zod.def as { shape?: Json };
  return shape === undefined ? undefined : Object.keys(shape);
}

/** Whether a value arrives unchanged when it is sent as JSON, which a machine process is. */
function isPlainData(value: unknown): boolean {
  if (typeof value !== "object") {
    return value === undefined || ["string", "boolean"].includes(typeof value) || Number.isFinite(value);
  }
  if (value === null) return true;
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return false;
  return Object.values(value).every(isPlainData);
}

/** What the rest of the runner relies on. */
function checkNeeds(plugin: WorkloadPlugin, options: unknown): void {
  const { queueDepth, transferBytes, threads = 1 } = plugin.needs(options);
  const atLeast = (value: number, least: number): boolean => Number.isSafeInteger(value) && value >= least;
  if (
    !atLeast(queueDepth, 1) || queueDepth > 512 || !atLeast(transferBytes, 512) || !atLeast(threads, 1) ||
    threads > MAX_PORTS
  ) {
    throw new PluginError(
      `The workload ${plugin.name} needs ${JSON.stringify({ queueDepth, transferBytes, threads })}; allowed are ` +
        `1 to 512 slots, buffers from 512 bytes up and 1 to ${MAX_PORTS} threads`,
    );
  }
}

function writeOptions(plugin: Plugin, options: unknown): Json {
  try {
    return z.encode(plugin.options, options) as Json;
  } catch (cause) {
    throw new PluginError(
      `The options of ${plugin.name} cannot be written back: use z.codec, which goes both ways, in place of ` +
        `z.transform (${messageOf(cause)})`,
      { cause },
    );
  }
}

function pluginLabel(plugin: Plugin, written: Json): string {
  const show = (value: unknown): string => typeof value === "object" ? JSON.stringify(value) : String(value);
  const usual = defaultsOf(plugin.options);
  const changed = Object.entries(written).filter(([key, value]) =>
    JSON.stringify(value) !== JSON.stringify(usual[key])
  );
  if (changed.length === 0) return plugin.name;
  return `${plugin.name}(${changed.map(([key, value]) => `${key}=${show(value)}`).join(", ")})`;
}

/** What each option is, as it is written, when it is not given; those that must be given are not in it. */
function defaultsOf(schema: z.ZodType): Json {
  const all = z.safeParse(schema, {});
  if (all.success) return z.encode(schema, all.data) as Json;
  const { shape = {} } = schema._zod.def as { shape?: Record<string, z.ZodType> };
  return Object.fromEntries(
    Object.entries(shape).flatMap(([key, option]) => {
      const value = z.safeParse(option, undefined);
      return value.success ? [[key, z.encode(option, value.data)]] : [];
    }),
  );
}
