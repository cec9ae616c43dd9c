/**
 * The schema of a scenario file.
 *
 * @module
 */

import { z } from "../schema.ts";
import { API_VERSION, type PluginKind } from "../plugin.ts";
import { DEFAULT_CHANNEL, MAX_INDIRECT_SEGMENTS } from "../link.ts";
import { MAX_RING_ORDER } from "../ring.ts";
import { duration } from "../units.ts";

/** Which schemas stand for a plugin of what kind: what generates documents from the schema names the plugins there. */
export const pluginKinds: z.core.$ZodRegistry<{ kind: PluginKind }> = z.registry<{ kind: PluginKind }>();

const use = z.strictObject({
  use: z.string().min(1).describe("Name of a built-in plugin, or where your own is."),
  with: z.record(z.string(), z.unknown()).prefault({}).describe("Options of the plugin."),
});

function pluginUse(kind: PluginKind, description: string): typeof use {
  return use.describe(description).register(pluginKinds, { kind });
}

const policyUse = z.union([
  pluginUse("policy", "How both sides wait."),
  z.strictObject({
    frontend: pluginUse("policy", "How the application waits for responses."),
    backend: pluginUse("policy", "How the driver waits for requests."),
  }),
]);

const domain = z.strictObject({
  kind: z.literal("worker").default("worker").describe("Where the domain runs: a Deno worker."),
});

const cpuList = z.array(z.int().min(0).max(1023)).min(1);

const affinity = z.union([
  z.enum(["spread", "same", "none"]),
  z.strictObject({
    application: cpuList.describe("The cores of the application's threads."),
    driver: cpuList.describe("The cores of the driver."),
  }),
]);
/** Where the domains run: on different cores, on one, anywhere, or on lists of cores. */
export type Affinity = z.output<typeof affinity>;

const atLeast1Ms = (ns: number): boolean => ns >= 1e6;

const scenarioSchema = z.strictObject({
  apiVersion: z.literal(API_VERSION).describe("Version of this format."),
  kind: z.literal("Scenario").describe("What the document is."),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "must be lower-case letters, digits and hyphens")
    .describe("Names the result: lower-case letters, digits and hyphens."),
  description: z.string().default("").describe("What the scenario shows."),
  placement: z.enum(["isolated", "monolithic"]).default("isolated")
    .describe("Whether the driver has a domain of its own or runs in the application's."),
  domains: z.strictObject({
    application: domain.prefault({}).describe("The domain of the application."),
    driver: domain.prefault({}).describe("The domain of the driver."),
  }).prefault({}).describe("What isolates the domains."),
  affinity: affinity.default("spread")
    .describe("Domains on different cores, on the same core, wherever the kernel puts them, or on lists of cores."),
  device: pluginUse("device", "What the driver drives."),
  channel: z.strictObject({
    ringOrder: z.int().min(0).max(MAX_RING_ORDER).default(DEFAULT_CHANNEL.ringOrder)
      .describe("The ring has 2^ringOrder frames: 32, 64, 128, 256 or 512 entries."),
    transfer: z.enum(["copy", "zero-copy"]).default(DEFAULT_CHANNEL.transfer)
      .describe("Whether the frontend copies between the workload's buffers and the granted frames, or they are one."),
    suppression: z.enum(["event-index", "sleep-flag"]).default(DEFAULT_CHANNEL.suppression)
      .describe(
        "How a consumer tells that it wants no notification: Xen's event index, or a word SLEEPING or RUNNING.",
      ),
    batch: z.int().min(1).max(512).default(DEFAULT_CHANNEL.batch)
      .describe("Requests are published at the latest when so many wait; sooner when the application must wait."),
    merge: z.boolean().default(DEFAULT_CHANNEL.merge)
      .describe("Whether requests to adjacent sectors that wait to be published become one."),
    indirectSegments: z.int().min(0).max(MAX_INDIRECT_SEGMENTS).default(DEFAULT_CHANNEL.indirectSegments)
      .describe("Most segments (4 KiB each) of an indirect request; up to 11: longer operations are split."),
    submitSpin: duration().prefault("0ns")
      .describe("How long to look for a response after a full batch, before the application goes on submitting."),
  }).prefault({}).describe("The ring between application and driver, and what goes over it."),
  policy: policyUse.describe("How a side waits when there is nothing to do: one policy for both, or one each."),
  workload: pluginUse("workload", "What the application does."),
  run: z.strictObject({
    warmup: duration().refine(atLeast1Ms, "must be at least 1ms").prefault("500ms")
      .describe("Time before the measurement, at least 1ms."),
    duration: duration().refine(atLeast1Ms, "must be at least 1ms").prefault("1s")
      .describe("Time of the measurement, at least 1ms."),
    repetitions: z.int().min(1).max(1000).default(5).describe("How often each cell is measured."),
    order: z.enum(["interleaved", "sequential"]).default("interleaved")
      .describe("Whether the cells take turns, or each is finished before the next."),
    seed: z.int().min(1).max(2 ** 31 - 1).default(42).describe("Seeds what the workloads draw at random."),
  }).prefault({}).describe("How long, how often and in which order the cells are measured."),
  recovery: z.strictObject({
    hangTimeout: duration().refine((ns) => ns >= 1e9, "must be at least 1s: a domain that sleeps shows itself rarely")
      .prefault("5s").describe("A domain without a sign of life for so long has failed, at least 1s."),
  }).prefault({}).describe("What happens when a domain fails."),
  matrix: z.record(z.string(), z.array(z.unknown()).min(1)).prefault({})
    .describe("Paths into the scenario, each with the values that it takes; every combination is a cell."),
  expect: z.array(z.string().min(1)).default([])
    .describe("What must hold of the measured values, such as iops(policy=a) >= 2 * iops(policy=b)."),
});

/** A scenario with all defaults filled in and numbers in place of units: bytes and nanoseconds. */
export type Scenario = z.output<typeof scenarioSchema>;
/** A plugin's name and options in a scenario. */
export type ScenarioPluginUse = z.output<typeof use>;

/** Checks what was written in YAML. */
export function parseScenario(value: unknown): z.ZodSafeParseResult<Scenario> {
  return scenarioSchema.safeParse(value, { reportInput: true });
}

/** The parts at the top that are right by themselves, of a scenario that is not: mistakes within them can be found. */
export function parseParts(value: Readonly<Record<string, unknown>>): Partial<Scenario> {
  return Object.fromEntries(
    Object.entries(scenarioSchema.shape).flatMap(([key, schema]) => {
      const parsed = (schema as z.ZodType).safeParse(value[key]);
      return parsed.success ? [[key, parsed.data]] : [];
    }),
  );
}

/** The JSON Schema of what one may write, before the names and options of plugins are put into it. */
export function baseJsonSchema(override: z.core.ToJSONSchemaParams["override"]): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(scenarioSchema, { io: "input", target: "draft-2020-12", override });
}

/** The reverse: a scenario as one would write it, with units and every default. */
export function encodeScenario(scenario: Scenario): Record<string, unknown> {
  return z.encode(scenarioSchema, scenario);
}

/** The keys that a mapping of the scenario may have, by its path; undefined for what is no mapping of fixed keys. */
export function knownKeys(path: readonly PropertyKey[]): readonly string[] | undefined {
  let schema: z.core.$ZodType | undefined = scenarioSchema;
  for (const key of path) {
    if (!(schema instanceof z.ZodObject)) return undefined;
    schema = schema.shape[key as string];
    while (schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault) schema = schema.unwrap();
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : undefined;
}
