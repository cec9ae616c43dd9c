/**
 * Generates what follows from the schemas: the JSON Schema of scenarios, and the tables of `docs/scenarios.md` between
 * the marks `<!-- generated: … -->` and `<!-- end -->`. `deno task generate` writes them.
 */

import { fileURLToPath } from "node:url";
import { describePlugins, type JsonSchema, type PluginDescription, typeInWords } from "../../core/runner/describe.ts";
import { scenarioJsonSchema } from "../../core/runner/json_schema.ts";
import { builtins } from "../../plugins/mod.ts";

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const SCHEMA = path("scenarios/scenario.schema.json");
const DOCUMENT = path("docs/scenarios.md");

/** Every generated file with what it must contain, as `deno fmt` writes it. */
export async function generate(): Promise<ReadonlyMap<string, string>> {
  const schema = await scenarioJsonSchema(builtins);
  const plugins = await describePlugins(builtins);
  const tables: Record<string, string> = {
    keys: keyTable(schema),
    policies: plugins.filter(({ kind }) => kind === "policy").map(pluginSection).join("\n"),
    devices: plugins.filter(({ kind }) => kind === "device").map(pluginSection).join("\n"),
    filters: plugins.filter(({ kind }) => kind === "filter").map(pluginSection).join("\n"),
    workloads: plugins.filter(({ kind }) => kind === "workload").map(pluginSection).join("\n"),
  };
  const document = (await Deno.readTextFile(DOCUMENT)).replaceAll(
    /(<!-- generated: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, begin, name, end) => {
      if (tables[name] === undefined) throw new Error(`${DOCUMENT} asks for ${name}, which nobody generates`);
      return `${begin}\n${tables[name]}\n${end}`;
    },
  );
  return new Map([
    [SCHEMA, await format(JSON.stringify(schema), "json")],
    [DOCUMENT, await format(document, "md")],
  ]);
}

/** A row for every key but those of plugins, in the schema's order. */
function keyTable(schema: JsonSchema): string {
  const rows: string[][] = [];
  const add = (prefix: string, { properties = {} }: JsonSchema): void => {
    for (const [name, property] of Object.entries(properties) as [string, JsonSchema][]) {
      const key = `${prefix}${name}`;
      if (property.properties !== undefined && key !== "matrix") {
        add(`${key}.`, property);
        continue;
      }
      const allowed = key === "matrix" ? "see below" : allowedInWords(property);
      rows.push([code(key), writtenDefault(property), escape(allowed), escape(property.description ?? "")]);
    }
  };
  add("", schema);
  return table(["key", "default", "allowed", ""], rows);
}

function allowedInWords(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return useInWords(schema.$ref);
  if (schema.anyOf === undefined) return typeInWords(schema);
  return schema.anyOf.map((each) => {
    const { $ref, properties, ...other } = each as JsonSchema;
    if ($ref !== undefined) return useInWords($ref);
    if (other.type === "array" && (other.items as JsonSchema).$ref !== undefined) return "a list of such";
    return properties === undefined ? typeInWords(other) : `\`{ ${Object.keys(properties).join(", ")} }\``;
  }).join(" or ");
}

function useInWords(definition: string): string {
  return definition === "#/$defs/device" ? "`{ use, with, filters }`" : "`{ use, with }`";
}

function pluginSection({ name, description, options, counters }: PluginDescription): string {
  const rows = options.map((option) => {
    return [code(option.name), writtenDefault(option), escape(option.type), escape(option.description)];
  });
  const counted = Object.entries(counters).map(([counter, meaning]) => `- counts ${code(counter)}: ${meaning}\n`);
  return [
    `### \`${name}\`\n\n${description}\n`,
    ...(rows.length === 0 ? [] : [table(["option", "default", "allowed", ""], rows)]),
    ...counted,
  ].join("\n");
}

function writtenDefault(value: { readonly default?: unknown }): string {
  if (value.default === undefined) return "";
  if (value.default === "") return "empty";
  return code(typeof value.default === "string" ? value.default : JSON.stringify(value.default));
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return `${[line(headings), line(headings.map(() => "---")), ...rows.map(line)].join("\n")}\n`;
}

function code(text: string): string {
  return `\`${text}\``;
}

/** A bar would end a cell of the table. */
function escape(text: string): string {
  return text.replaceAll("|", "\\|");
}

async function format(text: string, extension: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--ext", extension, "-"],
    cwd: path("."),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.output();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(text));
  await input.close();
  const { success, stdout } = await output;
  if (!success) throw new Error(`deno fmt failed on a generated file`);
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  for (const [file, text] of await generate()) {
    await Deno.writeTextFile(file, text);
    console.log(`generated ${file}`);
  }
}
