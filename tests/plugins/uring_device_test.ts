// The io_uring engine where the kernel does less than it was asked for, out of order, and more is in flight than fits.
import assert from "node:assert/strict";
import fs from "node:fs";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import { BlockRequest } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { FSYNC_DATASYNC, IoUring, RWF_DSYNC, UringOperation } from "../../core/io_uring.ts";
import { SharedMemory } from "../../core/memory.ts";
import { type DeviceRing, UringDevice } from "../../plugins/devices/disk_io/uring_device.ts";
import { OpenFile } from "../../plugins/devices/loop_file/open_file.ts";
import { fillPattern } from "../helpers/devices.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { uringRefusal } from "../helpers/uring.ts";

const { Read, Write, WriteFua, Flush } = Operation;
const refusal = uringRefusal();
const FILE_BYTES = 1 << 20;

/** An io_uring that transfers less than it was asked for, interrupts, and completes out of order, as a seed has it. */
class ReluctantRing implements DeviceRing {
  readonly #ring: IoUring;
  readonly #random: () => number;
  readonly #completed: { tag: number; result: number }[] = [];
  result = 0;

  constructor(ring: IoUring, random: () => number) {
    this.#ring = ring;
    this.#random = random;
  }

  get descriptor(): number {
    return this.#ring.descriptor;
  }

  get capacity(): number {
    return this.#ring.capacity;
  }

  get prepared(): number {
    return this.#ring.prepared + this.#completed.length;
  }

  prepare(
    operation: UringOperation,
    descriptor: number,
    offset: number,
    address: number,
    length: number,
    flags: number,
    tag: number,
  ): void {
    const mood = this.#random();
    if (mood < 0.1) this.#completed.push({ tag, result: mood < 0.05 ? -4 : -11 });
    // Of bytes, or of pieces of memory.
    else this.#ring.prepare(operation, descriptor, offset, address, Math.ceil(length * this.#random()), flags, tag);
  }

  submit(): void {
    this.#ring.submit();
  }

  take(): number {
    for (let tag = this.#ring.take(); tag >= 0; tag = this.#ring.take()) {
      this.#completed.splice(Math.floor(this.#random() * (this.#completed.length + 1)), 0, {
        tag,
        result: this.#ring.result,
      });
    }
    const next = this.#completed.shift();
    if (next === undefined) return -1;
    this.result = next.result;
    return next.tag;
  }

  close(): void {
    this.#ring.close();
  }
}

/** A device of a file of a pattern behind its gate, with requests of up to three pieces of memory. */
function opened(requestCount: number, makeRing: (ring: IoUring) => DeviceRing, alignment = 1) {
  const path = Deno.makeTempFileSync();
  const content = new Uint8Array(FILE_BYTES);
  fillPattern(content, 3);
  Deno.writeFileSync(path, content);
  const file = new OpenFile(path, { readOnly: false, direct: false });
  const counters = { bouncedRequests: 0 };
  const device = new UringDevice({
    ring: makeRing(new IoUring(4)),
    file,
    info: { sizeBytes: FILE_BYTES, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: false },
    alignment,
    erase: () => assert.fail("nothing is erased"),
    counters,
    close: () => file.close(),
  });
  const reports: string[] = [];
  const gate = new DeviceGate(device, (message) => void reports.push(message));
  const done: number[] = [];
  const owner = { completed: ({ slot }: BlockRequest) => void done.push(slot) };
  const memory = SharedMemory.allocate(requestCount * 16);
  const requests = Array.from({ length: requestCount }, (_, slot) => new BlockRequest(owner, slot, memory, 3));
  return {
    ...{ path, content, gate, reports, done, memory, requests, counters },
    /** Submits in the request's memory, of 64 KiB, in pieces of so many bytes with a gap after each. */
    submit(slot: number, operation: Operation, offset: number, pieces: readonly number[], gap: number): void {
      const request = requests[slot];
      Object.assign(request, { operation, offsetBytes: offset, extentCount: 0, byteLength: 0 });
      let at = slot * 65536 + gap;
      for (const length of pieces) {
        request.addExtent(at, at + length);
        request.byteLength += length;
        at += length + 512;
      }
      gate.submit(request);
    },
    /** The bytes in a request's pieces. */
    bytesOf(slot: number): Uint8Array {
      const request = requests[slot];
      return Uint8Array.from(Array.from({ length: request.extentCount }, (_, i) => [...request.extent(i)]).flat());
    },
    finish(): void {
      while (gate.inFlight > 0) gate.reap();
    },
    [Symbol.dispose]() {
      gate.close();
      Deno.removeSync(path);
    },
  };
}

function randomFrom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

for (const alignment of [1, 4096]) {
  const how = alignment === 1 ? "straight" : "through bounce buffers";
  testUnless(
    refusal,
    `short and interrupted transfers go on until all is done, more in flight than fits, ${how}`,
    () => {
      const command = fc.record({
        write: fc.boolean(),
        pieces: fc.array(fc.integer({ min: 1, max: 20 }).map((sectors) => sectors * 512), {
          minLength: 1,
          maxLength: 3,
        }),
        gap: fc.nat(7).map((units) => units * 512),
      });
      fc.assert(
        fc.property(fc.array(command, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1 }), (commands, seed) => {
          const random = randomFrom(seed);
          using device = opened(commands.length, (ring) => new ReluctantRing(ring, random), alignment);
          const { content, memory, requests, done, reports } = device;
          for (const [slot, { write, pieces, gap }] of commands.entries()) {
            // A part of the file each, so that their order does not matter.
            const offset = slot * 65536;
            fillPattern(memory.bytes.subarray(slot * 65536, slot * 65536 + 65536), seed % 1000 + slot);
            device.submit(slot, write ? Write : Read, offset, pieces, gap);
            if (write) content.set(device.bytesOf(slot), offset);
          }
          device.finish();
          assert.deepEqual(reports, []);
          assert.deepEqual([...done].sort((a, b) => a - b), commands.map((_, slot) => slot));
          for (const [slot, { write }] of commands.entries()) {
            const { status, offsetBytes, byteLength } = requests[slot];
            assert.equal(status, Status.Okay);
            if (write) continue;
            assert.deepEqual(device.bytesOf(slot), content.slice(offsetBytes, offsetBytes + byteLength));
          }
          assert.deepEqual(Deno.readFileSync(device.path), content);
          assert(alignment > 1 || device.counters.bouncedRequests === 0);
        }),
        { numRuns: 40, endOnFailure: true },
      );
    },
  );
}

testUnless(refusal, "requests beyond what fits wait for their turn, and all are done", () => {
  using device = opened(40, (ring) => ring);
  for (let slot = 0; slot < 40; slot++) device.submit(slot, Read, slot * 4096, [4096], 0);
  assert.equal(device.gate.inFlight, 40);
  device.finish();
  assert.equal(new Set(device.done).size, 40);
  for (let slot = 0; slot < 40; slot++) {
    assert.deepEqual(device.bytesOf(slot), device.content.slice(slot * 4096, slot * 4096 + 4096));
  }
});

testUnless(
  refusal,
  "a transfer past the file's end and a flush that is refused fail with their place and their cause",
  () => {
    using device = opened(4, (ring) => ring);
    fs.truncateSync(device.path, 8192 + 700);
    device.submit(0, Read, 8192, [512, 1024], 0);
    device.submit(1, Read, 4096, [4096], 0);
    device.finish();
    assert.deepEqual(device.requests.slice(0, 2).map(({ status }) => status), [Status.Error, Status.Okay]);
    assert.match(device.reports[0], /Cannot read 1536 bytes at byte 8192 of the loop file .*: it ends at byte 8892/);
    assert.equal(device.requests[0].cause, undefined, "it is told once");

    class Refusing extends ReluctantRing {
      override take(): number {
        const tag = super.take();
        if (tag >= 0) this.result = -28;
        return tag;
      }
    }
    using refused = opened(1, (ring) => new Refusing(ring, () => 0.99));
    refused.submit(0, Flush, 0, [], 0);
    refused.finish();
    assert.match(refused.reports[0], /Cannot flush the loop file .*: ENOSPC/);
  },
);

/** An io_uring whose kernel makes one command of all that is handed over at once, and fails it as a whole. */
class MergingRing extends ReluctantRing {
  /** Tags whose sectors are bad. */
  readonly bad = new Set<number>();
  readonly #doomed = new Set<number>();
  #batch: number[] = [];
  handedOver: number[][] = [];

  override prepare(...args: Parameters<DeviceRing["prepare"]>): void {
    this.#batch.push(args[6]);
    super.prepare(...args);
  }

  override submit(): void {
    this.handedOver.push(this.#batch);
    const fails = this.#batch.some((tag) => this.bad.has(tag));
    for (const tag of this.#batch) {
      if (fails) this.#doomed.add(tag);
    }
    this.#batch = [];
    super.submit();
  }

  override take(): number {
    const tag = super.take();
    if (tag >= 0 && this.#doomed.delete(tag)) this.result = -5;
    return tag;
  }
}

for (const operation of [Read, Write]) {
  const name = operation === Read ? "reads" : "writes";
  testUnless(refusal, `of ${name} that failed as one command, only what fails by itself has failed`, () => {
    let merging: MergingRing | undefined;
    using device = opened(8, (ring) => merging = new MergingRing(ring, () => 0.999999));
    const ring = merging as MergingRing;
    for (let slot = 0; slot < 4; slot++) device.submit(slot, operation, slot * 512, [512], 0);
    ring.bad.add(2); // The tags are a stack: this is the second request.
    device.finish();
    assert.deepEqual(device.requests.slice(0, 4).map(({ status }) => status), [0, -1, 0, 0]);
    assert.deepEqual(ring.handedOver.filter((batch) => batch.length > 0).map(({ length }) => length), [4, 1, 1, 1, 1]);
    assert.equal(device.reports.length, 1);
    assert.match(device.reports[0], /512 bytes at byte 512 of .*EIO/);
    // One that has failed alone is not tried again.
    ring.handedOver = [];
    ring.bad.add(3).add(2).add(1).add(0);
    device.submit(5, operation, 0, [512], 0);
    device.finish();
    assert.equal(device.requests[5].status, Status.Error);
    assert.equal(ring.handedOver.filter((batch) => batch.length > 0).length, 1);
  });
}
testUnless(refusal, "a durable write and a flush are such to the kernel, and a write is none", () => {
  const log: [operation: number, flags: number][] = [];
  class LoggingRing extends ReluctantRing {
    override prepare(...given: Parameters<DeviceRing["prepare"]>): void {
      log.push([given[0], given[5]]);
      super.prepare(...given);
    }
  }
  // Nearly 1: it transfers all that it is asked for.
  using device = opened(4, (ring) => new LoggingRing(ring, () => 1 - Number.EPSILON));
  device.submit(0, WriteFua, 0, [512], 0);
  device.submit(1, WriteFua, 65536, [512, 1024], 0);
  device.submit(2, Write, 131072, [512], 0);
  device.submit(3, Flush, 0, [], 0);
  device.finish();
  assert.deepEqual(device.requests.map(({ status }) => status), [0, 0, 0, 0], device.reports[0]);
  assert.deepEqual(log, [
    [UringOperation.Write, RWF_DSYNC],
    [UringOperation.Writev, RWF_DSYNC],
    [UringOperation.Write, 0],
    [UringOperation.Fsync, FSYNC_DATASYNC],
  ]);
});
