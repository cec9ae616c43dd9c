/**
 * What plugins say of themselves, as plain data: for lists, documents and editors.
 *
 * @module
 */

import { loadPlugin, type Plugin, type PluginKind, type PluginTable } from "../plugin.ts";
import { z } from "../schema.ts";
import { duration, percentage, size } from "../units.ts";

/** A JSON Schema (draft 2020-12). */
export type JsonSchema = z.core.JSONSchema.JSONSchema;

/** One option of a plugin. */
export interface OptionDescription {
  /** How scenarios call it. */
  readonly name: string;
  /** What it may be, in words: `time`, `integer 1–512`, `rndrd | rndwr`. */
  readonly type: string;
  /** What it is when it is not given, as one would write it; absent when there is no default. */
  readonly default?: unknown;
  /** Whether it must be given. */
  readonly required: boolean;
  /** What it does. */
  readonly description: string;
}

/** One plugin. */
export interface PluginDescription {
  /** What it plugs into. */
  readonly kind: PluginKind;
  /** How scenarios call it. */
  readonly name: string;
  /** One sentence. */
  readonly description: string;
  /** Its options, in the order of its schema. */
  readonly options: readonly OptionDescription[];
  /** What a workload or a device counts, each with one sentence. */
  readonly counters: Readonly<Record<string, string>>;
}

/**
 * Describes plugins, in the order of the table.
 *
 * @throws {PluginError} when one cannot be loaded
 */
export async function describePlugins(plugins: PluginTable): Promise<PluginDescription[]> {
  return (await loadPlugins(plugins)).map(({ name, plugin }) => describe(name, plugin));
}

/** Loads all plugins of a table, each with the name that the table gives it. */
export async function loadPlugins(plugins: PluginTable): Promise<{ readonly name: string; readonly plugin: Plugin }[]> {
  const entries = Object.entries(plugins) as [PluginKind, Readonly<Record<string, string>>][];
  return await Promise.all(
    entries.flatMap(([kind, table]) =>
      Object.entries(table).map(async ([name, url]) => ({ name, plugin: await loadPlugin(kind, url) }))
    ),
  );
}

/** The JSON Schema of what one may write as a plugin's options. What has no equal in JSON Schema is left open. */
export function optionsSchema({ options }: Plugin): JsonSchema {
  return tidy(z.toJSONSchema(options, { io: "input", target: "draft-2020-12", unrepresentable: "any" }));
}

/** A generated schema without what says nothing: the largest whole number of the language, and its own version. */
export function tidy(schema: z.core.JSONSchema.BaseSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema, (key, value) => {
    if (key === "$schema" || (key === "maximum" && value === Number.MAX_SAFE_INTEGER)) return undefined;
    return key === "minimum" && value === Number.MIN_SAFE_INTEGER ? undefined : value;
  }));
}

function describe(name: string, plugin: Plugin): PluginDescription {
  const { properties = {}, required = [] } = optionsSchema(plugin);
  const options = Object.entries(properties).map(([name, property]): OptionDescription => {
    const { description = "", ...schema } = property as JsonSchema;
    return {
      name,
      type: typeInWords(schema),
      ...(schema.default === undefined ? {} : { default: schema.default }),
      required: required.includes(name),
      description,
    };
  });
  const counters = plugin.kind === "policy" ? {} : plugin.counters ?? {};
  return { kind: plugin.kind, name, description: plugin.description, options, counters };
}

const [TIME, SIZE, PERCENTAGE] = [duration(), size(), percentage()].map((schema) =>
  z.toJSONSchema(schema, { io: "input" }).pattern
);

/** What a value may be, in words. */
export function typeInWords(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.join(" | ");
  if (schema.const !== undefined) return String(schema.const);
  if (schema.anyOf !== undefined) return schema.anyOf.map((each) => typeInWords(each as JsonSchema)).join(" | ");
  switch (schema.type) {
    case "string":
      if (schema.pattern === PERCENTAGE) return "percentage";
      return schema.pattern === TIME ? "time" : schema.pattern === SIZE ? "size" : "text";
    case "null":
      return "null";
    case "integer":
    case "number":
      return `${schema.type === "integer" ? "integer" : "number"}${range(schema)}`;
    case "boolean":
      return "true | false";
    case "array":
      return `list of ${typeInWords((schema.items ?? {}) as JsonSchema)}`;
    case "object":
      return "mapping";
    default:
      return "anything";
  }
}

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const low = minimum !== undefined
    ? `from ${minimum}`
    : exclusiveMinimum !== undefined
    ? `above ${exclusiveMinimum}`
    : "";
  const high = maximum !== undefined
    ? `to ${maximum}`
    : exclusiveMaximum !== undefined
    ? `below ${exclusiveMaximum}`
    : "";
  if (minimum !== undefined && maximum !== undefined) return ` ${minimum}–${maximum}`;
  return [low, high].filter((each) => each !== "").map((each) => ` ${each}`).join("");
}
