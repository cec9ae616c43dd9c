/**
 * Does the requests of a trace again: what the filter `trace` has recorded.
 *
 * The data is the program's own: a trace has none. A trace that ends before the run does begins anew. At the recorded times
 * a request's latency runs from its time, whether or not a slot was free then, as in an open loop.
 *
 * @module
 */

import { carriesData, Operation } from "../../core/blkif.ts";
import type { BlockQueue } from "../../core/block_queue.ts";
import { messageOf, WorkloadError } from "../../core/errors.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../core/plugin.ts";
import { z } from "../../core/schema.ts";
import { formatSize, size } from "../../core/units.ts";
import type { Counters, WorkloadContext } from "../../core/workload.ts";
import { Trace, type TraceRecord } from "../trace/format.ts";
import { Random } from "./random.ts";

const NS_PER_MS = 1e6;
/** A request that is submitted so long after its time was late. */
const LATE_NS = 1e6;
/** A pause ends up to so long after what was asked for: the rest of a time is looked for. */
const PAUSE_LATE_NS = 1e6;

const options = z.strictObject({
  file: z.string().min(1).describe("The trace, from the folder in which iddr runs."),
  speed: z.string().regex(/^(max|\d+(\.\d+)?x)$/, "must be max, or a factor such as 1x or 0.5x").refine(
    (speed) => speed === "max" || parseFloat(speed) > 0,
    "must be above 0x",
  ).default("max").describe("As fast as it goes (max), or at the times of the trace, so much faster: 1x, 2x, 0.5x."),
  queueDepth: z.int().min(1).max(512).default(32).describe("Operations in flight at most."),
  maxTransfer: size().refine((bytes) => bytes >= 512 && bytes % 512 === 0, "must be a multiple of 512B")
    .prefault("128KiB").describe("The longest read or write that the trace may have."),
});

type Options = z.output<typeof options>;

/** The workload `replay`. */
const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "replay",
  description: "Does the requests of a trace again, as fast as possible or at their times.",
  options,
  counters: {
    replayedRequests: "Requests of the trace that were submitted.",
    replayedLate:
      "Of these, submitted more than 1 ms after their time, as all slots were taken or the thread had no core.",
    replaySkipped: "Requests of the trace that the device does not know: flushes or discards.",
    replayPasses: "How often the trace was done to its end.",
  },
  permissions: ({ file }) => ({ read: [file] }),
  needs: ({ queueDepth, maxTransfer }) => ({ queueDepth, transferBytes: maxTransfer }),
  create: (given) => ({ run: (context) => run(given, context) }),
});

export default plugin;

function run(given: Options, context: WorkloadContext): Counters {
  const { queue } = context;
  const records = readTrace(given.file);
  const replay = new Replay(records, checkedSkips(records, given, queue), given, context);
  replay.run();
  return replay.counters();
}

function readTrace(file: string): TraceRecord[] {
  let records: TraceRecord[];
  try {
    records = new Trace(Deno.readFileSync(file)).inOrder();
  } catch (thrown) {
    throw new WorkloadError(`Cannot replay ${file}: ${messageOf(thrown)}`, { cause: thrown });
  }
  if (records.length === 0) throw new WorkloadError(`Cannot replay ${file}: it has no requests`);
  return records;
}

/**
 * Makes sure that a trace fits a device.
 *
 * @returns which records are left out, as the device does not know their operations
 */
function checkedSkips(
  records: readonly TraceRecord[],
  { file, maxTransfer }: Options,
  { info }: BlockQueue,
): boolean[] {
  const refuse = (index: number, why: string): never => {
    throw new WorkloadError(`Cannot replay ${file} on this device: request ${index} of the trace ${why}`);
  };
  return records.map(({ operation, offsetBytes, byteLength }, index) => {
    if (operation === Operation.Flush) return !info.canFlush;
    if (!carriesData(operation) && operation !== Operation.Discard && operation !== Operation.WriteZeroes) {
      return refuse(index, `is operation ${operation}, which nobody knows`);
    }
    if (info.readOnly && operation !== Operation.Read) return refuse(index, "writes, and the device is read-only");
    const { sectorSize, sizeBytes } = info;
    if (!(byteLength > 0) || byteLength % sectorSize !== 0 || offsetBytes % sectorSize !== 0 || offsetBytes < 0) {
      return refuse(index, `is ${byteLength} bytes at ${offsetBytes}; allowed are sectors of ${sectorSize}`);
    }
    if (offsetBytes + byteLength > sizeBytes) {
      return refuse(index, `ends at byte ${offsetBytes + byteLength}; the device has ${formatSize(sizeBytes)}`);
    }
    if (carriesData(operation) && byteLength > maxTransfer) {
      return refuse(index, `is ${byteLength} bytes long; maxTransfer is ${formatSize(maxTransfer)}`);
    }
    return operation === Operation.Discard && !info.canDiscard;
  });
}

/** One replay, pass after pass. */
class Replay {
  readonly #records: readonly TraceRecord[];
  readonly #skips: readonly boolean[];
  readonly #context: WorkloadContext;
  readonly #queue: BlockQueue;
  /** Slots that carry nothing: a stack. */
  readonly #free: Int32Array;
  #freeCount: number;
  /** How much faster than the trace; Infinity: as fast as it goes. */
  readonly #speed: number;
  #submitted = 0;
  #late = 0;
  #skipped = 0;
  #passes = 0;
  /** Whether the queue has nothing more to give, as when the domain is told to stop. */
  #ended = false;
  /** Until when there was no free slot, in milliseconds. */
  #fullUntilMs = 0;

  constructor(records: readonly TraceRecord[], skips: readonly boolean[], given: Options, context: WorkloadContext) {
    const { queueDepth, speed } = given;
    this.#records = records;
    this.#skips = skips;
    this.#context = context;
    this.#queue = context.queue;
    this.#speed = speed === "max" ? Infinity : parseFloat(speed);
    this.#free = Int32Array.from({ length: queueDepth }, (_, index) => queueDepth - 1 - index);
    this.#freeCount = queueDepth;
    const random = new Random(context.seed);
    for (let slot = 0; slot < queueDepth; slot++) {
      const buffer = this.#queue.buffer(slot);
      const words = new Int32Array(buffer.buffer, buffer.byteOffset, buffer.length >> 2);
      for (let i = 0; i < words.length; i++) words[i] = random.fraction() * 2 ** 32;
    }
  }

  counters(): Counters {
    return {
      replayedRequests: this.#submitted,
      replayedLate: this.#late,
      replaySkipped: this.#skipped,
      replayPasses: this.#passes,
    };
  }

  run(): void {
    while (this.#pass());
    while (!this.#ended && this.#take(this.#queue.wait()));
  }

  /** Does the trace once. Whether to go on after it. */
  #pass(): boolean {
    const records = this.#records;
    const { now } = this.#context;
    const timed = this.#speed !== Infinity;
    const startNs = now() * NS_PER_MS;
    const firstNs = records[0].timeNs;
    for (let index = 0; index < records.length; index++) {
      if (!this.#context.running()) return false;
      if (this.#skips[index]) {
        this.#skipped++;
        continue;
      }
      const record = records[index];
      const atNs = startNs + (record.timeNs - firstNs) / this.#speed; // As fast as it goes: all at once.
      if (timed && !this.#waitUntil(atNs)) return false;
      if (this.#freeCount === 0) {
        if (!this.#take(this.#queue.wait())) {
          this.#ended = true;
          return false;
        }
        this.#fullUntilMs = now();
      }
      const slot = this.#free[--this.#freeCount];
      if (timed) this.#due(slot, record.byteLength, atNs / NS_PER_MS);
      this.#queue.submit(slot, record.operation as Operation, record.offsetBytes, record.byteLength);
      this.#submitted++;
    }
    this.#passes++;
    // Where all were left out there is nothing to wait for.
    if (this.#queue.inFlight === 0) this.#context.pause(PAUSE_LATE_NS);
    return this.#context.running();
  }

  /** The next request was due at a time. A flush has no length, and no latency. */
  #due(slot: number, byteLength: number, dueMs: number): void {
    const { now, due } = this.#context;
    const nowMs = now();
    if ((nowMs - dueMs) * NS_PER_MS > LATE_NS) this.#late++;
    if (byteLength > 0) due(slot, dueMs, (nowMs - Math.max(dueMs, this.#fullUntilMs)) * NS_PER_MS);
  }

  /** Takes back what is over until it is time. Whether to go on. */
  #waitUntil(atNs: number): boolean {
    for (;;) {
      const leftNs = atNs - this.#context.now() * NS_PER_MS;
      if (leftNs <= 0) return true;
      if (!this.#context.running()) return false;
      if (this.#queue.inFlight === 0 && leftNs > 2 * PAUSE_LATE_NS) this.#context.pause(leftNs - PAUSE_LATE_NS);
      else this.#take(this.#queue.poll());
    }
  }

  /** Takes a slot back whose operation is over. Whether there was one. */
  #take(slot: number): boolean {
    if (slot < 0) return false;
    const status = this.#queue.status(slot);
    if (status !== 0) throw new WorkloadError(`An operation of the trace failed with status ${status}`);
    this.#free[this.#freeCount++] = slot;
    return true;
  }
}
