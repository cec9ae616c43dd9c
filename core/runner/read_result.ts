/**
 * Reads results that were saved. A document may be older than this program, or written by another: it is checked, and
 * what older ones do not have is null.
 *
 * @module
 */

import { IddrError, messageOf } from "../errors.ts";
import { z } from "../schema.ts";
import { issueInWords } from "./issues.ts";
import { type Result, RESULT_SCHEMA } from "./result.ts";

/** A file holds no result that can be used. The message names the file, the place, what was found and what is allowed. */
export class ResultError extends IddrError {
  /** See {@link IddrError.code}. */
  override readonly code = "IDDR_RESULT";
}

const number = z.number();
const count = z.number().min(0);
const labels = z.record(z.string(), z.string());
const cores = z.array(z.int().min(0)).nullable();

function perDomain<T extends z.ZodType>(value: T): z.ZodObject<{ application: T; driver: T }> {
  return z.object({ application: value, driver: value });
}

function perSide<T extends z.ZodType>(value: T): z.ZodObject<{ frontend: T; backend: T }> {
  return z.object({ frontend: value, backend: value });
}

const latencies = z.object({
  ...{ min: number, mean: number, p50: number, p95: number, p99: number, p999: number, max: number },
}).nullable();

const figures = {
  ...{ operations: count, bytes: count, iops: count, bytesPerSecond: count },
  ...{
    latencyNs: latencies,
    latenessNs: latencies.default(null),
    timedOperations: count,
    errors: count,
    flushes: count,
  },
};

const client = z.object({ client: count, device: z.string(), ...figures });

const column = z.array(number);
const windowTimes = z.object({
  ...{ durationNs: column, cpuNs: z.array(number.nullable()), spunNs: column, lostNs: column, sleptNs: column },
});
const windows = z.object({
  ...{ durationNs: column, operations: column, bytes: column },
  ...{ application: windowTimes, driver: windowTimes.nullable() },
}).refine(({ durationNs, operations, bytes, application, driver }) => {
  const columns = [operations, bytes, ...Object.values(application), ...Object.values(driver ?? {})];
  return columns.every(({ length }) => length === durationNs.length);
}, "must have columns of one length");

const histogram = z.object({ ns: column, counts: column })
  .refine(({ ns, counts }) => ns.length === counts.length, "must have columns of one length");

const sample = z.object({
  repetition: z.int().min(0),
  durationNs: number.positive(),
  ...figures,
  cpuCores: perDomain(count.nullable()),
  contextSwitches: perDomain(z.object({ voluntary: count, involuntary: count }).nullable()),
  clients: z.array(client).default([]),
  counters: z.record(z.string(), number).default({}),
  restarts: z.array(z.object({ cause: z.string(), pauseNs: number.nullable() })).default([]),
  cpus: perDomain(cores),
  confinedTo: perDomain(cores),
  peakMemoryBytes: count.nullable().default(null),
  neighbours: z.object({ cpuCores: count.nullable(), confinedTo: cores }).nullable().default(null),
  notifications: perSide(z.object({ sent: count, suppressed: count }).nullable()),
  waits: perSide(
    z.object({
      ...{ spinHits: count, spinMisses: count, sleeps: count, spunNs: count },
      ...{ lostNs: count.default(0), sleptNs: count },
    }).nullable(),
  ),
  windows: windows.nullable().default(null),
  latencyHistogram: histogram.nullable().default(null),
  stealNs: count.nullable().default(null),
  othersNs: count.nullable().default(null),
  redone: z.array(z.string()).default([]),
  disturbed: z.string().nullable().default(null),
});

const estimate = z.object({
  ...{ median: number, low: number, high: number },
  interval: z.enum(["bootstrap95", "minmax"]),
});
const estimated = estimate.nullable().default(null);

const summary = z.object({
  ...{ iops: estimated, bytesPerSecond: estimated },
  ...{ latencyP50Ns: estimated, latencyP99Ns: estimated, latencyP999Ns: estimated, latenessP99Ns: estimated },
  ...{ cpuCores: estimated, iopsPerCpuCore: estimated },
  steady: z.object({ settled: z.boolean(), slopePercent: number }).nullable().default(null),
  ...{ fairness: estimated, minClientIops: estimated, maxClientIops: estimated },
  errors: count.nullable().default(null),
  restarts: estimated,
  counters: z.record(z.string(), estimate).default({}),
});

const cell = z.object({
  id: z.string(),
  labels,
  status: z.enum(["ok", "failed", "pending"]),
  error: z.string().optional(),
  notes: z.array(z.string()).default([]),
  samples: z.array(sample),
  summary,
});

const result = z.object({
  schema: z.literal(RESULT_SCHEMA),
  scenario: z.looseObject({ name: z.string(), description: z.string().default("") }),
  startedAt: z.iso.datetime(),
  interrupted: z.boolean().default(false),
  machine: z.object({
    ...{ cpuModel: z.string().nullable(), cores: z.int().min(1), kernel: z.string().nullable() },
    ...{ deno: z.string(), v8: z.string() },
  }),
  figures: z.record(z.string(), z.string()).default({}),
  cells: z.array(cell),
  expectations: z.array(z.object({
    ...{ text: z.string(), labels, status: z.enum(["met", "unmet"]) },
    ...{ left: number.nullable(), right: number.nullable() },
  })).default([]),
}) satisfies z.ZodType<Result>;

/**
 * The result that a value is. What this program does not know is left out; what older documents do not have is null or
 * empty.
 *
 * @param name what errors call it, such as its file
 * @throws {ResultError} when it is none
 */
export function parseResult(value: unknown, name: string): Result {
  const parsed = result.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue.path.length === 0 ? "" : ` ${placeOf(issue.path)}`;
  throw new ResultError(`${name}:${where} ${issueInWords(issue)}; it is no result of a run (${RESULT_SCHEMA})`);
}

/**
 * The results in a text: one document, or one on each line, as `run --json` prints them.
 *
 * @throws {ResultError} when it holds none, or something else
 */
export function parseResults(text: string, name: string): Result[] {
  let documents: [value: unknown, name: string][];
  try {
    documents = [[JSON.parse(text), name]];
  } catch (thrown) {
    const lines = [...text.split("\n").entries()].filter(([, line]) => line.trim() !== "");
    try {
      documents = lines.map(([index, line]) => [JSON.parse(line), `${name}:${index + 1}`]);
    } catch {
      throw new ResultError(`${name}: is no JSON: ${messageOf(thrown)}`);
    }
  }
  if (documents.length === 0) throw new ResultError(`${name}: is empty; it must hold a result of a run`);
  return documents.map(([value, where]) => parseResult(value, where));
}

/**
 * The results in a file; see {@link parseResults}.
 *
 * @throws {ResultError} when it cannot be read, or holds something else
 */
export async function readResults(file: string): Promise<Result[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) throw new ResultError(`${file}: there is no such file`);
    throw new ResultError(`${file}: cannot be read: ${messageOf(thrown)}`);
  }
  return parseResults(text, file);
}

/** `cells[0].samples[1].iops` */
function placeOf(path: readonly PropertyKey[]): string {
  return path.map((key) => typeof key === "number" ? `[${key}]` : `.${String(key)}`).join("").replace(/^\./, "");
}
