/**
 * Reports of a domain that is a process, as lines of text. Nothing that it says is taken for a report before it was
 * checked to be one: the process may be in the hands of its plugin.
 *
 * @module
 */

import { z } from "../schema.ts";
import { MAX_PIECES } from "../measure/pieces.ts";
import type { DomainReport } from "./report.ts";

/** Begins every line that is a report (ASCII record separator), as a plugin may print lines of its own. */
export const RECORD = "\x1e";

/** Longest text of a message. */
const MAX_TEXT = 10_000;

const count = z.number().min(0);
const message = z.string().transform((text) => text.slice(0, MAX_TEXT));
const counters = z.record(z.string(), z.number());
const cores = z.array(z.int().min(0)).nullable();

const latencies = z.object({
  count,
  sum: count,
  min: count,
  max: count,
  buckets: z.array(z.tuple([z.int().min(0), count])),
});

const operations = z.object({
  operations: count,
  bytes: count,
  errors: count,
  flushes: count,
  latencies,
  lateness: latencies,
});

const counts = z.array(count).max(MAX_PIECES);
const pieces = z.object({
  upTo: z.array(z.int().min(1).max(MAX_PIECES)),
  ...{ durationNs: counts, cpuNs: z.array(count.nullable()), operations: counts, bytes: counts },
  ...{ spunNs: counts, lostNs: counts, sleptNs: counts },
}).refine((columns) => {
  return columns.upTo.at(-1) === MAX_PIECES &&
    columns.upTo.every((piece, index, all) => index === 0 || piece > all[index - 1]) &&
    Object.values(columns).every(({ length }) => length === columns.upTo.length);
});

const sample = z.object({
  durationNs: z.number().positive(),
  cpuNs: count.nullable(),
  contextSwitches: z.object({ voluntary: count, involuntary: count }).nullable(),
  cpus: cores,
  confinedTo: cores,
  heapGrowthBytes: z.number(),
  notifications: z.object({ sent: count, suppressed: count }).nullable(),
  waits: z.object({
    spinHits: count,
    spinMisses: count,
    sleeps: count,
    spunNs: count,
    lostNs: count,
    sleptNs: count,
  }).nullable(),
  operations: operations.nullable(),
  pieces: pieces.nullable(),
});

const link = { port: z.int().min(0), generation: z.int().min(0) };

const report = z.discriminatedUnion("type", [
  z.object({ type: z.literal("standby") }),
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("measuring") }),
  z.object({ type: z.literal("sample"), sample }),
  z.object({ type: z.literal("device-error"), message }),
  z.object({ type: z.literal("note"), text: message }),
  z.object({ type: z.literal("closed"), counters }),
  z.object({ type: z.literal("lost"), ...link, message }),
  z.object({ type: z.literal("resumed"), ...link }),
  z.object({ type: z.literal("disconnected"), message, peerDomainId: z.int() }),
  z.object({ type: z.literal("failed"), message }),
]) satisfies z.ZodType<DomainReport>;

/** The report that a line is, or null if it is none. */
export function parseReport(line: string): DomainReport | null {
  try {
    const parsed = report.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
