/**
 * The schema of a scenario file.
 *
 * @module
 */

import { z } from "zod";
import { API_VERSION } from "../plugin.ts";
import { MAX_RING_ORDER } from "../ring.ts";
import { duration } from "../units.ts";

const pluginUse = z.strictObject({
  use: z.string().min(1).describe("Name of a built-in plugin."),
  with: z.record(z.string(), z.unknown()).prefault({}).describe("Options of the plugin."),
});

const policyUse = z.union([
  pluginUse,
  z.strictObject({
    frontend: pluginUse.describe("How the application waits for responses."),
    backend: pluginUse.describe("How the driver waits for requests."),
  }),
]);

const domain = z.strictObject({
  kind: z.literal("worker").default("worker").describe("Where the domain runs: a Deno worker."),
});

const atLeast1Ms = (ns: number): boolean => ns >= 1e6;

const scenarioSchema = z.strictObject({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal("Scenario"),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "must be lower-case letters, digits and hyphens")
    .describe("Names the result."),
  description: z.string().default("").describe("What the scenario shows."),
  placement: z.enum(["isolated", "monolithic"]).default("isolated")
    .describe("Whether the driver has a domain of its own or runs in the application's."),
  domains: z.strictObject({ application: domain.prefault({}), driver: domain.prefault({}) }).prefault({}),
  affinity: z.enum(["spread", "same", "none"]).default("spread")
    .describe("Domains on different cores, on the same core, or wherever the kernel puts them."),
  device: pluginUse,
  channel: z.strictObject({
    ringOrder: z.int().min(0).max(MAX_RING_ORDER).default(0)
      .describe("The ring has 2^ringOrder frames: 32, 64, 128, 256 or 512 entries."),
    transfer: z.literal("zero-copy").default("zero-copy")
      .describe("The workload uses the granted frames themselves as its buffers."),
    suppression: z.literal("event-index").default("event-index")
      .describe("How a consumer tells that it wants no notification."),
  }).prefault({}),
  policy: policyUse,
  workload: pluginUse,
  run: z.strictObject({
    warmup: duration().refine(atLeast1Ms, "must be at least 1ms").prefault("500ms")
      .describe("Time before the measurement, at least 1ms."),
    duration: duration().refine(atLeast1Ms, "must be at least 1ms").prefault("1s")
      .describe("Time of the measurement, at least 1ms."),
    repetitions: z.int().min(1).max(1000).default(5).describe("How often each cell is measured."),
    order: z.enum(["interleaved", "sequential"]).default("interleaved")
      .describe("Whether the cells take turns, or each is finished before the next."),
    seed: z.int().min(1).max(2 ** 31 - 1).default(42).describe("Seeds what the workloads draw at random."),
  }).prefault({}),
  recovery: z.strictObject({
    hangTimeout: duration().refine((ns) => ns >= 1e9, "must be at least 1s: a domain that sleeps shows itself rarely")
      .prefault("5s").describe("A domain without a sign of life for so long has failed, at least 1s."),
  }).prefault({}),
  matrix: z.record(z.string(), z.array(z.unknown()).min(1)).prefault({})
    .describe("Paths into the scenario, each with the values that it takes; every combination is a cell."),
});

/** A scenario with all defaults filled in and numbers in place of units: bytes and nanoseconds. */
export type Scenario = z.output<typeof scenarioSchema>;
/** A plugin's name and options in a scenario. */
export type ScenarioPluginUse = z.output<typeof pluginUse>;

/** Checks what was written in YAML. */
export function parseScenario(value: unknown): z.ZodSafeParseResult<Scenario> {
  return scenarioSchema.safeParse(value);
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
