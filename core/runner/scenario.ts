/**
 * The schema of a scenario file.
 *
 * @module
 */

import { z } from "../schema.ts";
import { API_VERSION, type PluginKind } from "../plugin.ts";
import { DEFAULT_CHANNEL, MAX_INDIRECT_SEGMENTS } from "../link.ts";
import type { RateLimits } from "../rate_limit.ts";
import { MAX_PIECES } from "../measure/pieces.ts";
import { cpuList, neighbours } from "./neighbour_options.ts";
import { MAX_RING_ORDER } from "../ring.ts";
import { duration, formatDuration, formatSize, percentage, size } from "../units.ts";

/** Which schemas stand for a plugin of what kind: what generates documents from the schema names the plugins there. */
export const pluginKinds: z.core.$ZodRegistry<{ kind: PluginKind }> = z.registry<{ kind: PluginKind }>();

const use = z.strictObject({
  use: z.string().min(1).describe("Name of a built-in plugin, or where your own is."),
  with: z.record(z.string(), z.unknown()).prefault({}).describe("Options of the plugin."),
});

function pluginUse(kind: PluginKind, description: string): typeof use {
  return use.describe(description).register(pluginKinds, { kind });
}

/** Most filters before one device. */
export const MAX_FILTERS = 16;

const deviceShape = {
  ...use.shape,
  filters: z.array(pluginUse("filter", "One of the filters.")).max(MAX_FILTERS).optional()
    .describe("What requests pass on their way to it, the first of them nearest to the application."),
};

function deviceUse(description: string): z.ZodObject<typeof deviceShape, z.core.$strict> {
  return z.strictObject(deviceShape).describe(description).register(pluginKinds, { kind: "device" });
}

const policyUse = z.union([
  pluginUse("policy", "How both sides wait."),
  z.strictObject({
    frontend: pluginUse("policy", "How the application waits for responses."),
    backend: pluginUse("policy", "How the driver waits for requests."),
  }),
]);

const domain = z.strictObject({
  kind: z.enum(["worker", "process"]).default("worker")
    .describe(
      "Where the domain runs: a Deno worker, or a process with an address space of its own (takes --allow-ffi).",
    ),
  sandbox: z.enum(["strict", "permissions", "none"]).default("permissions").describe(
    "What keeps a process from all but its work: the kernel and Deno (strict), Deno's permissions alone, or nothing.",
  ),
});

const affinity = z.union([
  z.enum(["spread", "same", "none"]),
  z.strictObject({
    application: cpuList.describe("The cores of the application's threads."),
    driver: cpuList.describe("The cores of the driver."),
  }),
]);
/** Where the domains run: on different cores, on one, anywhere, or on lists of cores. */
export type Affinity = z.output<typeof affinity>;

const DEFAULT_BURST_NS = 100e6;

/** Most clients of one device. */
const MAX_CLIENTS = 64;
const clientCount = z.int().min(1).max(MAX_CLIENTS);

const rateLimit = z.strictObject({
  iops: z.number().positive().optional().describe("Operations a second that each client may have."),
  bandwidth: size().refine((bytes) => bytes > 0, "must be above 0B").optional()
    .describe("Bytes that each client may read and write in a second."),
  burst: duration().prefault(formatDuration(DEFAULT_BURST_NS))
    .describe("How long a client that did nothing meanwhile may save up for."),
}).refine(({ iops, bandwidth }) => iops !== undefined || bandwidth !== undefined, "must have iops or bandwidth");

const clients = z.union([
  clientCount,
  z.strictObject({
    count: clientCount.default(1).describe("How many applications use each device."),
    share: z.enum(["range", "whole"]).default("range")
      .describe("Whether each has a range of the device for itself, or all have the whole of it."),
    rateLimit: rateLimit.optional().describe("How much each client may have."),
  }),
]);

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
  device: z.union([
    deviceUse("What the driver drives."),
    z.array(deviceUse("One of several devices.")).min(1).max(16),
  ]).describe("What the driver drives; several are a list."),
  drivers: z.enum(["consolidated", "isolated"]).default("consolidated")
    .describe("Whether one driver domain drives all devices, or each has one of its own."),
  clients: clients.prefault(1)
    .describe("How many applications use each device, each with a ring of its own, and what each may have of it."),
  neighbours: neighbours.prefault(0)
    .describe("How many threads do nothing but compute meanwhile, on the cores of the domains, the driver's first."),
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
    completion: z.enum(["inline", "thread"]).default(DEFAULT_CHANNEL.completion).describe(
      "Whether the thread that submits takes responses off the ring, or another one does, which wakes it.",
    ),
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
    windows: z.int().min(1).max(MAX_PIECES).default(20)
      .describe(
        "Into how many pieces the measured time is cut, for what changes in it; fewer where they would be under 10ms.",
      ),
    repetitions: z.int().min(1).max(1000).default(10)
      .describe("How often each cell is measured; with precision, at least so often."),
    precision: percentage().nullable().prefault(null).describe(
      "Measures a cell until its median is known so well: half the 95 % interval as a share of it, such as 2%; null: repetitions say.",
    ),
    precisionMetric: z.enum(["iops", "latencyP50Ns", "latencyP99Ns", "cpuCores"]).default("iops").describe(
      "Of what precision speaks.",
    ),
    maxRepetitions: z.int().min(1).max(1000).default(50).describe(
      "How often a cell is measured at most, with precision.",
    ),
    redo: z.int().min(0).max(100).default(3)
      .describe("How often a repetition is measured anew that the machine disturbed; then it is kept, and marked."),
    order: z.enum(["interleaved", "sequential"]).default("interleaved")
      .describe(
        "Whether the cells take turns, in rounds of an order drawn from the seed, or each is finished before the next.",
      ),
    seed: z.int().min(1).max(2 ** 31 - 1).default(42)
      .describe("Seeds what the workloads draw at random, and the order of the cells in each round."),
  }).prefault({}).describe("How long, how often and in which order the cells are measured."),
  recovery: z.strictObject({
    onFailure: z.enum(["restart", "fail"]).default("restart")
      .describe(
        "Whether a driver that is a process is started anew when it fails; without, and for all others, the cell fails.",
      ),
    requests: z.enum(["reissue", "requeue", "fail-io"]).default("reissue").describe(
      "What becomes of requests without a driver. In flight: done again by the next (reissue), or failed. New: they wait " +
        "(reissue, requeue), or fail.",
    ),
    maxRestarts: z.int().min(0).max(1_000_000).default(10)
      .describe("Restarts of a driver after which one more failure is the cell's."),
    backoff: duration().prefault("100ms").describe(
      "How long a restart waits after a driver that has answered nothing, doubled each time that this goes on.",
    ),
    standby: z.boolean().default(false).describe(
      "Whether the next driver's process is kept ready, for a shorter pause.",
    ),
    hangTimeout: duration().refine(
      (ns) => ns >= 2e8,
      "must be at least 200ms: a domain that sleeps shows itself rarely",
    )
      .prefault("5s").describe(
        "A domain without a sign of life for so long has failed, at least 200ms; time that a device says it needs excepted.",
      ),
    requestTimeout: duration().refine((ns) => ns >= 2e8, "must be at least 200ms").prefault("180s").describe(
      "A driver that lives and answers nothing for so long, while requests are in flight, has failed; at least 200ms.",
    ),
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
/** A device's name, options and filters in a scenario. */
export type ScenarioDeviceUse = z.output<ReturnType<typeof deviceUse>>;

/** What is said of the clients, in full. */
export interface ClientOptions {
  /** How many use each device. */
  readonly count: number;
  /** Whether each has a range of it, or all have the whole. */
  readonly share: "range" | "whole";
  /** How much each may have; null: as much as there is. */
  readonly limits: RateLimits | null;
}

/** The clients of a scenario, whose short form is their number. */
export function clientOptions({ clients }: Pick<Scenario, "clients">): ClientOptions {
  if (typeof clients === "number") return { count: clients, share: "range", limits: null };
  const { count, share, rateLimit } = clients;
  if (rateLimit === undefined) return { count, share, limits: null };
  const { iops = null, bandwidth = null, burst } = rateLimit;
  return { count, share, limits: { iops, bytesPerSecond: bandwidth, burstNs: burst } };
}

/** How many clients there are, and in brackets what is not as by default: `4(share=whole, iops=1000)`. */
export function clientLabel(scenario: Pick<Scenario, "clients">): string {
  const { count, share, limits } = clientOptions(scenario);
  const { iops = null, bytesPerSecond = null, burstNs = DEFAULT_BURST_NS } = limits ?? {};
  const said = [
    ...(share === "range" ? [] : [`share=${share}`]),
    ...(iops === null ? [] : [`iops=${iops}`]),
    ...(bytesPerSecond === null ? [] : [`bandwidth=${formatSize(bytesPerSecond)}`]),
    ...(burstNs === DEFAULT_BURST_NS ? [] : [`burst=${formatDuration(burstNs)}`]),
  ];
  return said.length === 0 ? String(count) : `${count}(${said.join(", ")})`;
}

/** The devices of a scenario, whose short form is one that is no list. */
export function deviceUses({ device }: Pick<Scenario, "device">): readonly ScenarioDeviceUse[] {
  return Array.isArray(device) ? device : [device];
}

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
  let mappings: readonly z.ZodObject[] = [scenarioSchema];
  for (const key of path) {
    if (typeof key === "number") continue; // All entries of a list may have the same.
    mappings = mappings.flatMap(({ shape }) => key in shape ? mappingsIn(shape[key as string]) : []);
  }
  return mappings.length === 0 ? undefined : [...new Set(mappings.flatMap(({ shape }) => Object.keys(shape)))];
}

/** The mappings that a value may be. */
function mappingsIn(schema: z.core.$ZodType): z.ZodObject[] {
  if (schema instanceof z.ZodObject) return [schema];
  if (schema instanceof z.ZodArray) return mappingsIn(schema.element);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(mappingsIn);
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) {
    return mappingsIn(schema.unwrap());
  }
  return [];
}
