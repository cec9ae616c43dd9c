// A frontend against a real backend for arbitrary options of the channel, and a model of what must come of it.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation } from "../../core/blkif.ts";
import { type BlockDevice, synchronous } from "../../core/block_device.ts";
import type { LinkOptions } from "../../core/link.ts";
import { linkLayout } from "../../core/link.ts";
import { testWays } from "../helpers/completions.ts";
import { Turns } from "../helpers/coroutines.ts";
import { LaterDevice, MemoryDevice, ZeroingDevice } from "../helpers/devices.ts";
import { linkOptions } from "../helpers/link.ts";
import {
  checkTaken,
  type QueueModel,
  queueModel,
  sameBytes,
  submissions,
  type Submit,
} from "../helpers/queue_model.ts";

const SIZE = 4 << 20;
/** Most bytes of all slots together, so that a test's memory stays within bounds. */
const MAX_DATA_BYTES = 16 << 20;

type Command = fc.AsyncCommand<QueueModel, Turns>;

/** A submission, without a wait. */
function submitting(submit: Submit): Command {
  return {
    check: (model) => submit.check(model),
    run: (model, turns) => Promise.resolve(submit.run(model, turns)),
    toString: () => submit.toString(),
  };
}

const polls: Command = {
  check: () => true,
  run: (model, turns) => Promise.resolve(checkTaken(model, turns, turns.poll(), "poll")),
  toString: () => "poll",
};
const waits: Command = {
  check: () => true,
  run: async (model, turns) => checkTaken(model, turns, await turns.wait(), "wait"),
  toString: () => "wait",
};
const givesWay: Command = {
  check: () => true,
  run: (_, turns) => turns.giveWay(),
  toString: () => "give way",
};

function commands(maxSectors: number): fc.Arbitrary<Iterable<Command>> {
  const submit = submissions({ sectors: SIZE / 512, maxSectors }).map(submitting);
  const others = fc.constantFrom(polls, waits, givesWay);
  return fc.commands([submit, submit, submit, others], { maxCommands: 150, size: "max" });
}

/** Bytes of a slot: less than a frame, one request without and with segments of its own, no multiple of a frame. */
const slotBytes = fc.constantFrom(512, 4096, 45056, 50_000, 131_072, (256 << 10) + 512, 1 << 20);

const links: fc.Arbitrary<LinkOptions> = fc.record({
  ringOrder: fc.nat(2),
  transfer: fc.constantFrom("copy" as const, "zero-copy" as const),
  suppression: fc.constantFrom("event-index" as const, "sleep-flag" as const),
  batch: fc.integer({ min: 1, max: 40 }),
  // With a spin the frontend takes responses that it finds, too, where another thread does.
  submitSpinNs: fc.constantFrom(0, 1),
  merge: fc.boolean(),
  indirectSegments: fc.constantFrom(0, 11, 12, 32, 256),
  bytes: slotBytes,
  // More slots than the ring has entries are allowed, too.
  count: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 140 })),
}).map(({ bytes, count, ...channel }) => {
  return linkOptions({
    ...channel,
    slots: { bytes, count: Math.max(1, Math.min(count, Math.floor(MAX_DATA_BYTES / bytes))) },
  });
});

/** Sequences that are drawn after the slots' size. */
const cases = links.chain((link) => {
  const layout = linkLayout(link);
  return fc.record({ link: fc.constant(link), sequence: commands(layout.slotFrameCount * 8) });
});

const chances = fc.infiniteStream(fc.integer({ min: -1, max: 100 }));
const starts = fc.constantFrom(0, 2 ** 31 - 7, 2 ** 32 - 7);

/** Requests that were published, less responses that were. */
function publishedAndOpen({ pair: { ends } }: Turns): number {
  const words = ends.memory.frameWords(linkLayout(ends.options).ringFrame, 1);
  return (words[0] - words[2]) >>> 0;
}

/** Whether every entry of the ring can be used again: an id that was lost would be missing. */
async function checkAllIdsAreFree(turns: Turns, model: QueueModel): Promise<void> {
  const { entryCount } = linkLayout(turns.pair.ends.options);
  const usable = Math.min(turns.depth, entryCount);
  for (let slot = 0; slot < turns.depth; slot++) {
    turns.submit(slot, Operation.Flush, 0, 0);
    model.pending.set(slot, { operation: Operation.Flush, offset: 0, length: 0, data: new Uint8Array(0) });
  }
  assert.equal(turns.poll(), -1);
  assert.equal(publishedAndOpen(turns), usable, "every entry of the ring is used");
  while (model.pending.size > 0) await waits.run(model, turns);
}

const kinds: Readonly<Record<string, (disk: MemoryDevice, pick: () => number) => BlockDevice>> = {
  "is done at once": (disk) => synchronous(disk),
  "is done later, in any order": (disk, pick) => {
    return new LaterDevice(disk, (count) => {
      const picked = pick();
      return picked < 0 ? -1 : picked % count;
    });
  },
};
for (const [what, deviceOf] of Object.entries(kinds)) {
  testWays(
    `for any options of a channel: no data, answer, id or notification is lost; the device ${what}`,
    async () => {
      const inputs = [cases, fc.boolean(), fc.integer({ min: 1, max: 9 }), chances, chances, starts] as const;
      await fc.assert(
        fc.asyncProperty(
          ...inputs,
          async ({ link, sequence }, zeroes, armDistance, picks, interruptions, startIndex) => {
            const disk = new (zeroes ? ZeroingDevice : MemoryDevice)({ sizeBytes: SIZE });
            const turns = new Turns({
              link,
              device: deviceOf(disk, () => picks.next().value),
              armDistance,
              interrupted: () => interruptions.next().value < 50,
              startIndex,
            });
            try {
              const model = queueModel(disk.disk);
              await fc.asyncModelRun(() => ({ model, real: turns }), sequence);
              while (model.pending.size > 0) await waits.run(model, turns);
              assert.equal(await turns.wait(), -1, "nothing is left");
              assert(sameBytes(disk.disk, model.disk), "the disk is as the model's");
              await checkAllIdsAreFree(turns, model);
              assert.deepEqual(turns.pair.reports, []);
            } finally {
              turns.close();
            }
          },
        ),
        // The seed and the path reproduce a failure; to shrink it takes minutes.
        { numRuns: 150, endOnFailure: true },
      );
    },
  );
}
