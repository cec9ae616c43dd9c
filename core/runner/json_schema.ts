/**
 * The JSON Schema of a scenario, for editors: every key with its description and default, and the plugins of a table
 * with their options.
 *
 * @module
 */

import type { PluginKind, PluginTable } from "../plugin.ts";
import { type JsonSchema, loadPlugins, optionsSchema, tidy } from "./describe.ts";
import { CELL_KEYS, CELL_RUN_KEYS } from "./matrix.ts";
import { baseJsonSchema, MAX_FILTERS, pluginKinds } from "./scenario.ts";

type Schemas = Record<string, JsonSchema>;

/** What a reference to somebody's own plugin begins with. */
const THIRD_PARTY: JsonSchema = {
  type: "string",
  pattern: "^(\\./|\\.\\./|/|file:|npm:)",
  description: "A plugin of your own: a path relative to this file, a file: URL, or npm:package@range.",
};

/** What a device has beside its name and options. */
const FILTERS: JsonSchema = {
  type: "array",
  maxItems: MAX_FILTERS,
  items: { $ref: "#/$defs/filter" },
  description: "What requests pass on their way to it, the first of them nearest to the application.",
};

/**
 * Makes the schema. It accepts all that is a scenario; what depends on more than one place (such as whether a queue
 * depth fits the ring) is found by `check` alone.
 *
 * @throws {PluginError} when a plugin cannot be loaded
 */
export async function scenarioJsonSchema(plugins: PluginTable): Promise<JsonSchema> {
  const base = tidy(baseJsonSchema(({ zodSchema, jsonSchema }) => {
    const kind = pluginKinds.get(zodSchema)?.kind;
    if (kind !== undefined) become(jsonSchema, { $ref: `#/$defs/${kind}`, description: jsonSchema.description });
    delete jsonSchema.required; // A matrix may give any part.
  }));
  const definitions = await pluginDefinitions(plugins);
  const properties = base.properties as Schemas;
  properties.matrix = { ...properties.matrix, ...matrixSchema(properties, definitions) };
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "iddr scenario",
    ...base,
    required: ["apiVersion", "kind", "name"],
    $defs: Object.fromEntries(Object.entries(definitions).map(([kind, { anyOf }]) => [kind, { anyOf }])),
  };
}

function become(schema: JsonSchema, other: JsonSchema): void {
  for (const key of Object.keys(schema)) delete schema[key];
  Object.assign(schema, other);
}

interface PluginDefinition {
  /** One for each plugin, and one for those of third parties. */
  readonly anyOf: JsonSchema[];
  /** What its plugins have as options, by name. */
  readonly options: Readonly<Record<string, readonly JsonSchema[]>>;
}

async function pluginDefinitions(plugins: PluginTable): Promise<Record<PluginKind, PluginDefinition>> {
  const loaded = await loadPlugins(plugins);
  const define = (kind: PluginKind): PluginDefinition => {
    const ofKind = loaded.filter(({ plugin }) => plugin.kind === kind)
      .map(({ name, plugin }) => ({ name, description: plugin.description, schema: optionsSchema(plugin) }));
    const others: Schemas = kind === "device" ? { filters: FILTERS } : {};
    const options: Record<string, JsonSchema[]> = {};
    for (const { schema } of ofKind) {
      for (const [name, option] of Object.entries(schema.properties ?? {})) {
        (options[name] ??= []).push(option as JsonSchema);
      }
    }
    return {
      anyOf: [
        ...ofKind.map(({ name, description, schema }) => useSchema({ const: name, description }, schema, others)),
        useSchema(THIRD_PARTY, { type: "object" }, others),
      ],
      options,
    };
  };
  return {
    device: define("device"),
    filter: define("filter"),
    policy: define("policy"),
    workload: define("workload"),
  };
}

/** Nothing is required: a matrix may give any part. */
function useSchema(name: JsonSchema, { required: _, ...options }: JsonSchema, others: Schemas): JsonSchema {
  return {
    type: "object",
    properties: { use: name, with: { description: "Options of the plugin.", ...options }, ...others },
    additionalProperties: false,
  };
}

/** The keys that a matrix may have. Those that can be told beforehand complete, and their values are checked. */
function matrixSchema(properties: Schemas, definitions: Record<string, PluginDefinition>): JsonSchema {
  const listOf = (items: JsonSchema): JsonSchema => {
    const { description = "", default: _, ...value } = items;
    return { type: "array", minItems: 1, description: `Values of: ${description}`, items: value };
  };
  const keys: Schemas = {};
  for (const key of CELL_KEYS) {
    keys[key] = listOf(properties[key]);
    const inner = properties[key].properties ?? {};
    for (const [name, schema] of Object.entries(inner)) keys[`${key}.${name}`] = listOf(schema as JsonSchema);
    for (const [name, schemas] of Object.entries(definitions[key]?.options ?? {})) {
      keys[`${key}.with.${name}`] = listOf({ description: schemas[0].description, ...anyOf(schemas) });
    }
  }
  keys["device.filters"] = listOf(FILTERS);
  for (const key of CELL_RUN_KEYS) {
    keys[key] = listOf((properties.run.properties as Schemas)[key.slice("run.".length)]);
  }
  const allowed = [...CELL_KEYS.map((key) => `${key}(\\.|$)`), ...CELL_RUN_KEYS.map((key) => `${key}$`)];
  return {
    propertyNames: { type: "string", pattern: `^(${allowed.join("|").replaceAll("run.", "run\\.")})` },
    properties: keys,
  };
}

/** What one of several schemas allows. */
function anyOf(schemas: readonly JsonSchema[]): JsonSchema {
  const different = new Map(
    schemas.map(({ description: _, default: __, ...schema }) => [JSON.stringify(schema), schema]),
  );
  return different.size === 1 ? [...different.values()][0] : { anyOf: [...different.values()] };
}
