/**
 * What holds for every workload. It runs on a queue that records what is asked of it, and finishes operations in an
 * order drawn from a seed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Operation, Status } from "../../core/blkif.ts";
import type { DeviceInfo } from "../../core/block_device.ts";
import { type BlockQueue, submissionError } from "../../core/block_queue.ts";
import { WorkloadError } from "../../core/errors.ts";
import { loadPlugin, type WorkloadPlugin } from "../../core/plugin.ts";
import { deviceInfo } from "../helpers/devices.ts";

/** One operation as the workload asked for it. */
export interface Recorded {
  readonly slot: number;
  readonly operation: number;
  readonly offset: number;
  readonly length: number;
}

/** Records operations and does nothing. */
export class RecordingQueue implements BlockQueue {
  readonly info: DeviceInfo;
  readonly depth: number;
  readonly maxTransferBytes = 11 * 4096;
  readonly recorded: Recorded[] = [];
  /** How many were in flight at each wait. */
  readonly depths: number[] = [];
  /** What operation number so many ends with. */
  statusOf: (index: number) => number = () => Status.Okay;
  readonly #buffers: Uint8Array<SharedArrayBuffer>[];
  readonly #busy: number[] = [];
  readonly #statuses: number[] = [];
  #finished = 0;

  constructor(sizeBytes: number, depth = 64) {
    this.info = deviceInfo({ sizeBytes });
    this.depth = depth;
    this.#buffers = Array.from({ length: depth }, () => new Uint8Array(new SharedArrayBuffer(this.maxTransferBytes)));
  }

  get inFlight(): number {
    return this.#busy.length;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers[slot];
  }

  submit(slot: number, operation: Operation, offset: number, length: number): void {
    if (!(slot >= 0 && slot < this.depth) || this.#busy.includes(slot) || length > this.maxTransferBytes) {
      throw submissionError(this, slot, offset, length);
    }
    this.recorded.push({ slot, operation, offset, length });
    this.#busy.push(slot);
  }

  poll(): number {
    if (this.#busy.length === 0) return -1;
    const index = (this.#finished * 7) % this.#busy.length;
    const [slot] = this.#busy.splice(index, 1);
    this.#statuses[slot] = this.statusOf(this.#finished++);
    return slot;
  }

  wait(): number {
    this.depths.push(this.#busy.length);
    return this.poll();
  }

  status(slot: number): number {
    return this.#statuses[slot];
  }
}

/** Runs a workload until it has asked so often whether to go on, and returns its queue. */
export function runRecorded(
  plugin: WorkloadPlugin,
  given: unknown,
  { turns = 500, seed = 42, queue = new RecordingQueue(1 << 20) } = {},
): RecordingQueue {
  let asked = 0;
  plugin.create(plugin.options.parse(given)).run({ queue, seed, running: () => ++asked <= turns });
  return queue;
}

/**
 * Registers the tests for one workload.
 *
 * @param examples options to try, beside the defaults
 */
export function testWorkload(name: string, url: string, examples: readonly unknown[]): void {
  const load = (): Promise<WorkloadPlugin> => loadPlugin("workload", url);
  const test = (what: string, body: (plugin: WorkloadPlugin, given: unknown) => void): void => {
    Deno.test(`${name}: ${what}`, async () => {
      const plugin = await load();
      for (const given of [{}, ...examples]) body(plugin, given);
    });
  };

  Deno.test(`${name}: it is called what the table of built-ins calls it, and says what it does`, async () => {
    const plugin = await load();
    assert.equal(plugin.name, name);
    assert.match(plugin.description, /^[A-Z].*\.$/);
  });

  test("its options are valid, and unknown ones are refused", ({ options }, given) => {
    assert.equal(options.safeParse(given).success, true);
    assert.match(options.safeParse({ ...given as object, nosuch: 1 }).error?.message ?? "accepted", /nosuch/);
  });

  test("every operation lies on the device, in whole sectors", (plugin, given) => {
    const { recorded, info } = runRecorded(plugin, given);
    assert(recorded.length > 0);
    for (const { offset, length } of recorded) {
      assert(Number.isInteger(offset / 512) && Number.isInteger(length / 512));
      assert(offset >= 0 && offset + length <= info.sizeBytes, `${length} bytes at ${offset}`);
    }
  });

  test("it uses as many slots as it says, and no others", (plugin, given) => {
    const used = new Set(runRecorded(plugin, given).recorded.map(({ slot }) => slot));
    assert.equal(used.size, plugin.queueDepth(plugin.options.parse(given)));
  });

  test("it runs on a queue that has just as many slots as it says", (plugin, given) => {
    const depth = plugin.queueDepth(plugin.options.parse(given));
    runRecorded(plugin, given, { queue: new RecordingQueue(1 << 20, depth) });
  });

  test("the same seed leads to the same operations, another seed to others", (plugin, given) => {
    const [first, second, other] = [1234, 1234, 1235].map((seed) => runRecorded(plugin, given, { seed }).recorded);
    assert.deepEqual(first, second);
    assert.notDeepEqual(first, other);
  });

  test("it works with any seed, 0 and the largest too", (plugin, given) => {
    for (const seed of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const offsets = new Set(runRecorded(plugin, given, { seed }).recorded.map(({ offset }) => offset));
      assert(offsets.size > 5, `seed ${seed} reaches ${offsets.size} places`);
    }
  });

  test("it stops when it is told to, with nothing in flight", (plugin, given) => {
    for (const turns of [0, 1, 100]) {
      const queue = runRecorded(plugin, given, { turns });
      const depth = plugin.queueDepth(plugin.options.parse(given));
      assert(queue.recorded.length <= turns + depth, `${queue.recorded.length} operations in ${turns} turns`);
      assert.equal(queue.inFlight, 0);
    }
  });

  test("an operation that fails ends it with a WorkloadError", (plugin, given) => {
    for (const status of [Status.Error, Status.NotSupported]) {
      const queue = new RecordingQueue(1 << 20);
      queue.statusOf = (index) => index === 100 ? status : Status.Okay;
      assert.throws(() => runRecorded(plugin, given, { queue }), WorkloadError);
    }
  });

  test("it ends when the queue does, as when the domain is told to stop", (plugin, given) => {
    const queue = new RecordingQueue(1 << 20);
    queue.wait = () => queue.recorded.length < 50 ? queue.poll() : -1;
    runRecorded(plugin, given, { queue, turns: Infinity });
    assert(queue.recorded.length >= 50);
  });
}
