/**
 * What holds for every workload. It runs on a disk in memory that finishes operations in an order of its own.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { WorkloadError } from "../../core/errors.ts";
import { loadPlugin, type WorkloadPlugin } from "../../core/plugin.ts";
import { RecordingQueue, runRecorded } from "../helpers/recording_queue.ts";

/** What a workload is held to. */
export interface WorkloadExpectation {
  /** Options without which it cannot be. */
  readonly required?: Readonly<Record<string, unknown>>;
  /** Options to try, beside the defaults; the disk has 4 MiB. */
  readonly examples?: readonly unknown[];
  /** Why it asks nothing of the device, if so. */
  readonly submitsNothing?: string;
  /** Why it goes on for longer than it takes to finish what is in flight, if so. */
  readonly finishesLater?: string;
  /** Why it is the same with another seed, if so. */
  readonly ignoresSeed?: string;
}

/** Registers the tests for one workload: a plugin that is called `name` and whose module is at `url`. */
export function testWorkload(name: string, url: string, expectation: WorkloadExpectation = {}): void {
  const { required = {}, examples = [], submitsNothing, finishesLater, ignoresSeed } = expectation;
  const load = (): Promise<WorkloadPlugin> => loadPlugin("workload", url);
  const test = (what: string, body: (plugin: WorkloadPlugin, given: unknown) => void, notHeldTo?: string): void => {
    if (notHeldTo !== undefined) {
      Deno.test.ignore(`${name}: ${what} (not held to it: ${notHeldTo})`, () => {});
      return;
    }
    Deno.test(`${name}: ${what}`, async () => {
      const plugin = await load();
      for (const given of [{}, ...examples]) body(plugin, { ...required, ...given as object });
    });
  };
  const needsOf = (plugin: WorkloadPlugin, given: unknown) => plugin.needs(plugin.options.parse(given));

  Deno.test(`${name}: it is called what the table of plugins calls it, and says what it does`, async () => {
    const plugin = await load();
    assert.equal(plugin.name, name);
    assert.match(plugin.description, /^[A-Z].*\.$/);
  });

  test("its options are valid, and unknown ones are refused", ({ options }, given) => {
    assert.equal(options.safeParse(given).success, true);
    assert.match(options.safeParse({ ...given as object, nosuch: 1 }).error?.message ?? "accepted", /nosuch/);
  });

  test("it needs a queue as there can be", (plugin, given) => {
    const { queueDepth, transferBytes, threads = 1 } = needsOf(plugin, given);
    assert(Number.isInteger(queueDepth) && queueDepth >= 1 && queueDepth <= 512, `queueDepth ${queueDepth}`);
    assert(Number.isInteger(transferBytes) && transferBytes >= 512, `transferBytes ${transferBytes}`);
    assert(Number.isInteger(threads) && threads >= 1, `threads ${threads}`);
  });

  test("every operation lies on the device, in whole sectors", (plugin, given) => {
    const { recorded, info } = runRecorded(plugin, given).queue;
    assert(recorded.length > 0);
    for (const { offset, length } of recorded) {
      assert(Number.isInteger(offset / 512) && Number.isInteger(length / 512));
      assert(offset >= 0 && offset + length <= info.sizeBytes, `${length} bytes at ${offset}`);
    }
  }, submitsNothing);

  test("it uses as many slots as it says, and no others where there are more", (plugin, given) => {
    const { queueDepth } = needsOf(plugin, given);
    const { recorded } = runRecorded(plugin, given, { depth: queueDepth + 3 }).queue;
    assert.equal(new Set(recorded.map(({ slot }) => slot)).size, queueDepth);
  }, submitsNothing);

  test("it runs on a queue that is just as it says it needs it, in each of its threads", (plugin, given) => {
    const { threads = 1 } = needsOf(plugin, given);
    const disk = new Uint8Array(4 << 20);
    for (let thread = 0; thread < threads; thread++) {
      assert.equal(runRecorded(plugin, given, { thread, disk }).queue.inFlight, 0);
    }
  });

  test("the same seed leads to the same operations with the same data", (plugin, given) => {
    const [first, second] = [1234, 1234].map((seed) => runRecorded(plugin, given, { seed }).queue.recorded);
    assert.deepEqual(first, second);
  });

  test("another seed leads to other operations or other data", (plugin, given) => {
    const [first, other] = [1234, 1235].map((seed) => runRecorded(plugin, given, { seed }).queue.recorded);
    assert.notDeepEqual(first, other);
  }, submitsNothing ?? ignoresSeed);

  test("it works with any seed, 0 and the largest too", (plugin, given) => {
    for (const seed of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const { recorded } = runRecorded(plugin, given, { seed }).queue;
      const offsets = new Set(recorded.map(({ offset }) => offset));
      assert(offsets.size > 5, `seed ${seed} reaches ${offsets.size} places`);
    }
  }, submitsNothing);

  test("when it is told to end it does, with nothing in flight", (plugin, given) => {
    for (const turns of [0, 1, 100]) assert.equal(runRecorded(plugin, given, { turns }).queue.inFlight, 0);
  });

  test("when it is told to end it submits nothing more but a flush", (plugin, given) => {
    for (const turns of [0, 1, 100]) {
      const { recorded } = runRecorded(plugin, given, { turns }).queue;
      const transfers = recorded.filter(({ operation }) => operation !== Operation.Flush).length;
      const { queueDepth } = needsOf(plugin, given);
      assert(transfers <= turns + queueDepth, `${transfers} operations in ${turns} turns`);
    }
  }, finishesLater);

  test("an operation that fails ends it with a WorkloadError", (plugin, given) => {
    for (const status of [Status.Error, Status.NotSupported]) {
      for (const failing of [0, 100]) {
        const { queueDepth, transferBytes } = needsOf(plugin, given);
        const queue = new RecordingQueue({ depth: queueDepth, maxTransferBytes: transferBytes });
        queue.statusOf = (index) => index === failing ? status : Status.Okay;
        assert.throws(() => runRecorded(plugin, given, { queue }), WorkloadError);
      }
    }
  }, submitsNothing);

  test("it ends when its queue does, as when the domain is told to stop", (plugin, given) => {
    for (const last of [1, 50, 200]) {
      const { queueDepth, transferBytes } = needsOf(plugin, given);
      const queue = new RecordingQueue({ depth: queueDepth, maxTransferBytes: transferBytes });
      let taken = 0;
      const stopped = (): boolean => taken >= last;
      const take = (finish: () => number) => (): number => ++taken < last ? finish() : -1;
      queue.wait = take(queue.wait.bind(queue));
      queue.poll = take(queue.poll.bind(queue));
      runRecorded(plugin, given, { queue, turns: Infinity, stopped });
      assert(taken === last || taken === last + 1, `${taken} were asked for, which ended with the ${last}th`);
    }
  }, submitsNothing);

  test("on a read-only device it writes nothing, or says with a WorkloadError that it must", (plugin, given) => {
    const { queueDepth, transferBytes } = needsOf(plugin, given);
    const queue = new RecordingQueue({ depth: queueDepth, maxTransferBytes: transferBytes, info: { readOnly: true } });
    try {
      runRecorded(plugin, given, { queue });
    } catch (thrown) {
      assert(thrown instanceof WorkloadError && thrown.message.includes("read-only"), String(thrown));
    }
    assert(queue.recorded.every(({ operation }) => operation === Operation.Read || operation === Operation.Flush));
  });

  test("it does without flush and discard where the device has none", (plugin, given) => {
    const { recorded } = runRecorded(plugin, given, { info: { canFlush: false, canDiscard: false } }).queue;
    assert(recorded.every(({ operation }) => operation !== Operation.Flush && operation !== Operation.Discard));
  });
}
