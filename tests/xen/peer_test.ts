// A program in C over Xen's own headers as frontend, as backend and as both: each checks what it reads, and what is left on
// the disk is checked by a program that shares no code with either.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { type BlockDevice, synchronous } from "../../core/block_device.ts";
import type { Frontend } from "../../core/frontend.ts";
import { MemoryFile } from "../../core/memory_file.ts";
import type { Counters } from "../../core/workload.ts";
import verify from "../../plugins/workloads/verify.ts";
import { checkFromOutside, type Findings } from "../helpers/check_from_outside.ts";
import { LaterDevice, MemoryDevice } from "../helpers/devices.ts";
import { type LinkChanges, linkOptions } from "../helpers/link.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { type OurCounts, serveToC, type TheirCounts, type Used, useFromC } from "./ours.ts";
import { programForTests, runProgram } from "./program.ts";

const KIB = 1024;
const DISK_BYTES = 4096 * KIB;
/** What is written: enough blocks for the largest ring. */
const RANGE_BYTES = 2048 * KIB;
const FRAME = 4 * KIB;

const { missing, program } = programForTests();

/** What a frontend or a pair in C prints after `verify`. */
interface Verified {
  readonly sectorsWritten: number;
  readonly sectorsVerified: number;
  readonly generationSum: number;
  readonly frontend: TheirCounts;
  /** Of a pair. */
  readonly backend: TheirCounts;
  /** Grants that were mapped before it left, and those that it could not take back after. */
  readonly mapped: number;
  readonly held: number;
}

/** Each end asks to be notified once before it sleeps, and is notified at most once for that. */
function checkSuppression(ours: OurCounts, theirs: TheirCounts, slept: boolean): void {
  // A new ring has both events at 1: the first entry is notified unasked.
  assert(ours.sent <= 1 + theirs.arms, JSON.stringify({ ours, theirs }));
  assert(theirs.sent <= 1 + ours.arms, JSON.stringify({ ours, theirs }));
  assert.deepEqual([ours.unended, theirs.unended], [0, 0], "no notification was lost");
  if (slept) assert(ours.sleeps > 0 && theirs.sleeps > 0, "both have slept");
}

async function look(bytes: Uint8Array, blockBytes: number): Promise<Findings> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeFile(file, bytes);
    return await checkFromOutside(file, RANGE_BYTES - (RANGE_BYTES % blockBytes), blockBytes);
  } finally {
    await Deno.remove(file);
  }
}

/** How a link is laid out and used, what a block is, and what the two programs are told besides. */
interface Case {
  readonly link: LinkChanges;
  readonly blockBytes?: number;
  readonly startIndex?: number;
  /** Sectors of a slot before its data. */
  readonly shiftSectors?: number;
  /** Most segments that the backend in C takes in an indirect request. */
  readonly maxIndirect?: number;
  /** The device's own sectors. */
  readonly sectorSize?: number;
  readonly device?: (memory: MemoryDevice) => BlockDevice;
}

const SLOTS = { count: 8, bytes: FRAME };
const LONG = { link: { slots: { count: 4, bytes: 128 * KIB } }, blockBytes: 128 * KIB };
const cases: Readonly<Record<string, Case>> = {
  "a ring of order 0": { link: { slots: { count: 32, bytes: FRAME } } },
  "a ring of order 1": { link: { ringOrder: 1, slots: { count: 64, bytes: FRAME } } },
  "a ring of order 2": { link: { ringOrder: 2, slots: { count: 128, bytes: FRAME } } },
  "a ring of order 3": { link: { ringOrder: 3, slots: { count: 256, bytes: FRAME } } },
  "a ring of order 4": { link: { ringOrder: 4, slots: { count: 512, bytes: FRAME } } },
  "one request at a time": { link: { slots: { count: 1, bytes: FRAME } } },
  "11 segments": { link: { slots: { count: 8, bytes: 44 * KIB } }, blockBytes: 44 * KIB },
  "blocks of three sectors": { link: { slots: SLOTS }, blockBytes: 1536 },
  "indirect requests of 32 segments": { ...LONG, maxIndirect: 32 },
  "a device with sectors of 4096 bytes": { link: { slots: SLOTS }, sectorSize: 4096 },
  "indices that wrap at 2^32": { link: { slots: SLOTS }, startIndex: 2 ** 32 - 50 },
};
/** What only a frontend in C does, or only a device of ours. */
const frontendCases: Readonly<Record<string, Case>> = {
  ...cases,
  "segments that begin within a frame": { link: { slots: { count: 8, bytes: 2 * FRAME } }, shiftSectors: 3 },
  "indirect segments that begin within a frame": {
    link: { slots: { count: 4, bytes: 132 * KIB }, indirectSegments: 33 },
    blockBytes: 128 * KIB,
    shiftSectors: 5,
  },
  "a device that completes later": {
    link: { slots: SLOTS },
    device: (memory) => new LaterDevice(memory, (count) => count - 1),
  },
};
/** What only our frontend does. */
const backendCases: Readonly<Record<string, Case>> = {
  ...cases,
  "operations that are split": { ...LONG, maxIndirect: 0 },
  "copies, small batches and merged requests": {
    link: { slots: SLOTS, transfer: "copy", batch: 3, merge: true },
    maxIndirect: 64,
  },
};

/** Whether each end waits for the other thousands of times: then it cannot be that there always is something already. */
function mustWait({ link, device }: Case): boolean {
  return link.slots?.count === 1 && device === undefined;
}

const manners = { sleeping: 0, spinning: 1e9 };
for (const [manner, spinNs] of Object.entries(manners)) {
  // Where threads that spin share their cores with others, each turn may take a time slice.
  const operations = manner === "sleeping" ? 4000 : 400;

  for (const [name, each] of Object.entries(frontendCases)) {
    testUnless(missing, `a frontend in C verifies our backend, ${manner}: ${name}`, async () => {
      const { blockBytes = FRAME, startIndex, shiftSectors = 0, sectorSize = 512, device = synchronous } = each;
      const memory = new MemoryDevice({ sizeBytes: DISK_BYTES, sectorSize });
      const { theirs, ours, reports } = await serveToC<Verified>(
        program,
        "frontend",
        device(memory),
        linkOptions(each.link),
        { bytes: RANGE_BYTES, block_bytes: blockBytes, operations, seed: 11, shift_sectors: shiftSectors },
        { spinNs, startIndex },
      );
      assert.deepEqual(reports, []);
      const sectors = (RANGE_BYTES - (RANGE_BYTES % blockBytes)) / 512;
      assert(theirs.sectorsVerified > sectors && theirs.sectorsWritten > sectors, "it read more than the end");
      assert(memory.calls.some((call) => call.startsWith("discard")) && memory.calls.includes("flush"));
      const { stamped, bad, generationSum } = await look(memory.disk, blockBytes);
      assert.deepEqual([stamped, bad, generationSum], [sectors, 0, theirs.generationSum]);
      assert(theirs.mapped > 0, "grants stay mapped");
      assert.equal(theirs.held, 0, "all grants can be taken back afterwards");
      checkSuppression(ours, theirs.frontend, spinNs === 0 && mustWait(each));
    });
  }

  for (const [name, each] of Object.entries(backendCases)) {
    testUnless(missing, `our frontend verifies a backend in C, ${manner}: ${name}`, async () => {
      const { blockBytes = FRAME, startIndex, maxIndirect = 256, sectorSize = 512 } = each;
      const disk = MemoryFile.create(DISK_BYTES);
      let counters: Counters | void = undefined;
      const used = await useFromC(
        program,
        linkOptions(each.link),
        { ...onDisk(disk), sector_bytes: sectorSize, discard: 1, max_indirect: maxIndirect },
        { spinNs, startIndex },
        (frontend) => {
          assert.deepEqual([frontend.info.sizeBytes, frontend.info.sectorSize], [DISK_BYTES, sectorSize]);
          counters = runVerify(frontend, blockBytes, operations);
        },
      );
      disk.close();
      const sectors = (RANGE_BYTES - (RANGE_BYTES % blockBytes)) / 512;
      const { stamped, bad, generationSum } = await look(new Uint8Array(disk.buffer), blockBytes);
      assert.deepEqual([stamped, bad, generationSum], [sectors, 0, (counters as Counters | void)?.generationSum]);
      assert(used.mapped > 0, "grants stay mapped");
      assert.deepEqual([used.held, used.theirs.refused], [0, 0]);
      checkSuppression(used.ours, used.theirs.backend, spinNs === 0 && mustWait(each));
    });
  }
}

function onDisk({ descriptor }: MemoryFile): { readonly disk: number; readonly disk_bytes: number } {
  return { disk: descriptor, disk_bytes: DISK_BYTES };
}

/** The workload `verify`, with the operations that Xen has: its durable writes and write-zeroes are ours alone. */
function runVerify(frontend: Frontend, blockSize: number, operations: number): Counters | void {
  const given = { blockSize: `${blockSize}B`, size: `${RANGE_BYTES}B`, queueDepth: frontend.depth, discardShare: 0.1 };
  const workload = verify.create(verify.options.parse({ ...given, fuaShare: 0, zeroesShare: 0 }));
  let left = operations;
  return workload.run({
    queue: frontend,
    seed: 5,
    thread: 0,
    threads: 1,
    running: () => left-- > 0,
    watch: () => {},
    note: () => {},
    scratchDirectory: null,
    stopRequested: () => false,
    pause: () => {},
    now: () => performance.now(),
    due: () => {},
  });
}

for (const processes of [0, 1]) {
  for (const futex of [0, 1]) {
    const kind = `${processes === 1 ? "two processes" : "two threads"} that sleep on ${
      futex === 1 ? "a futex" : "eventfds"
    }`;
    testUnless(missing, `the reference pair in C verifies itself: ${kind}`, async () => {
      for (const publish_each of [0, 1]) {
        const pair = await runProgram<Verified>(program, "both", {
          ...{ processes, futex, publish_each, verify: 1, seed: 3, operations: 4000, sleep_limit_ms: 20_000 },
          ...{
            slots: 8,
            slot_bytes: FRAME,
            block_bytes: FRAME,
            bytes: RANGE_BYTES,
            disk_bytes: DISK_BYTES,
            discard: 1,
          },
        });
        const { frontend, backend } = pair;
        assert(pair.sectorsVerified > RANGE_BYTES / 512);
        assert.deepEqual([pair.held, frontend.unended, backend.unended], [0, 0, 0]);
        assert(frontend.sent <= 1 + backend.arms && backend.sent <= 1 + frontend.arms);
      }
    });
  }
}

testUnless(missing, "a read-only disk of a backend in C is read-only, and is told so", async () => {
  const { used, statuses } = await ask({ read_only: 1, discard: 1 }, [
    [Operation.Read, 0, FRAME],
    [Operation.Write, 0, FRAME],
    [Operation.Discard, 0, FRAME],
  ], (frontend) => assert.equal(frontend.info.readOnly, true));
  assert.deepEqual(statuses, [Status.Okay, Status.Error, Status.Error]);
  assert.equal(used.theirs.refused, 2);
});

testUnless(
  missing,
  "what Xen's protocol has not, or a backend in C does not offer, it answers as unsupported",
  async () => {
    const { statuses } = await ask({ discard: 0 }, [
      [Operation.WriteFua, 0, FRAME],
      [Operation.WriteZeroes, 0, FRAME],
      [Operation.Discard, 0, FRAME],
      [Operation.Read, DISK_BYTES, FRAME],
      [Operation.Write, DISK_BYTES - 512, FRAME],
      [Operation.Flush, 0, 0],
    ], ({ info }) => {
      assert.equal(info.sizeBytes, DISK_BYTES);
      assert.deepEqual([info.canFlush, info.canDiscard, info.canFua, info.canWriteZeroes], [true, false, false, false]);
    });
    const { Okay, Error, NotSupported } = Status;
    assert.deepEqual(statuses, [NotSupported, NotSupported, NotSupported, Error, Error, Okay]);
  },
);

/** The statuses of operations on a backend in C. */
async function ask(
  settings: Readonly<Record<string, number>>,
  operations: readonly (readonly [Operation, number, number])[],
  check: (frontend: Frontend) => void,
): Promise<{ readonly used: Used; readonly statuses: readonly number[] }> {
  const disk = MemoryFile.create(DISK_BYTES);
  const statuses: number[] = [];
  const used = await useFromC(
    program,
    linkOptions({ slots: SLOTS }),
    { ...onDisk(disk), ...settings },
    { spinNs: 0 },
    (frontend) => {
      check(frontend);
      for (const [operation, offsetBytes, byteLength] of operations) {
        frontend.buffer(0).fill(0xee);
        frontend.submit(0, operation, offsetBytes, byteLength);
        assert.equal(frontend.wait(), 0);
        statuses.push(frontend.status(0));
      }
    },
  );
  disk.close();
  assert(new Uint8Array(disk.buffer).every((byte) => byte === 0), "nothing was written");
  return { used, statuses };
}
