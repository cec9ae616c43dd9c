// What `trace` records, and what is left of it when something goes wrong.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { type BlockDevice, BlockRequest } from "../../core/block_device.ts";
import { DeviceError } from "../../core/errors.ts";
import { SharedMemory } from "../../core/memory.ts";
import trace from "../../plugins/filters/trace.ts";
import { encodeHeader, RECORD_BYTES, RecordBuffer, Trace, TraceError } from "../../plugins/trace/format.ts";
import { fc } from "../conformance/properties.ts";
import { ScriptedDevice } from "../conformance/scripted_device.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { mount, mountRefusal } from "../helpers/mount.ts";
import { testUnless } from "../helpers/test_unless.ts";

const { Read, Write, Flush, Discard } = Operation;
const memory = SharedMemory.allocate(1);

async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function traced(next: BlockDevice, given: unknown, notes: string[] = []): BlockDevice {
  const note = (text: string): void => void notes.push(text);
  return trace.create(trace.options.parse(given), next, { ...mediumContext(), note, layer: 0 });
}

function request(operation: Operation, offsetBytes = 0, byteLength = 512): BlockRequest {
  const made = new BlockRequest({ completed() {} }, 0, memory, 1);
  made.operation = operation;
  made.offsetBytes = offsetBytes;
  made.byteLength = byteLength;
  return made;
}

const read = (path: string): Trace => new Trace(Deno.readFileSync(path));

Deno.test("every request is in the file, with what it asked for and how it ended", async () => {
  await withFolder((folder) => {
    const next = new ScriptedDevice("synchronous");
    next.statusOf = ({ operation }) => operation === Discard ? Status.NotSupported : Status.Okay;
    const notes: string[] = [];
    const before = performance.timeOrigin + performance.now();
    const device = traced(next, { directory: `${folder}/new/folder`, name: "mine" }, notes);
    device.submit(request(Read, 4096, 1024));
    device.submit(request(Flush, 0, 0));
    device.submit(request(Discard, 1 << 19, 1 << 19));
    next.throws = new Error("it is on fire");
    assert.throws(() => device.submit(request(Write, 512)), /on fire/);
    assert.deepEqual(device.counters?.(), { scripted: 3, tracedRequests: 4, untracedRequests: 0 });
    device.close?.();

    const path = `${folder}/new/folder/mine-1.trace`;
    assert.deepEqual(notes, [`the requests are recorded in ${path}`]);
    const { header } = read(path);
    assert.deepEqual([header.sizeBytes, header.sectorSize], [1 << 20, 512]);
    assert(header.startedAtMs >= before && header.startedAtMs <= performance.timeOrigin + performance.now());
    const records = read(path).inOrder();
    assert.deepEqual(
      records.map(({ operation, offsetBytes, byteLength, status }) => [operation, offsetBytes, byteLength, status]),
      [
        [Read, 4096, 1024, Status.Okay],
        [Flush, 0, 0, Status.Okay],
        [Discard, 1 << 19, 1 << 19, Status.NotSupported],
        [Write, 512, 512, Status.Error],
      ],
    );
    for (const [index, { timeNs, latencyNs }] of records.entries()) {
      assert(timeNs >= (records[index - 1]?.timeNs ?? 0) && latencyNs >= 0);
    }
  });
});

Deno.test("of a device that completes later, times run from submission to completion, and order is restored", async () => {
  await withFolder(async (folder) => {
    const next = new ScriptedDevice("later");
    next.pick = (count) => count - 1;
    const device = traced(next, { directory: folder });
    const requests = [request(Read, 0), request(Write, 512), request(Read, 1024)];
    for (const each of requests) assert.equal(device.submit(each), false);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const completed = requests.map(() => device.poll?.());
    assert.deepEqual(completed, [...requests].reverse());
    device.close?.();
    const file = read(`${folder}/trace-1.trace`);
    assert.equal(file.record(0).offsetBytes, 1024, "in the file they stand as they were completed");
    assert.deepEqual(file.inOrder().map(({ offsetBytes }) => offsetBytes), [0, 512, 1024]);
    for (const { latencyNs } of file.inOrder()) assert(latencyNs >= 4e6, `${latencyNs}`);
  });
});

Deno.test("each driver has a file of its own, and none is overwritten", async () => {
  await withFolder((folder) => {
    for (let driver = 1; driver <= 3; driver++) {
      const device = traced(new ScriptedDevice("synchronous"), { directory: folder });
      for (let i = 0; i < driver; i++) device.submit(request(Read));
      device.close?.();
    }
    assert.deepEqual([1, 2, 3].map((number) => read(`${folder}/trace-${number}.trace`).length), [1, 2, 3]);
  });
});

Deno.test("what is more than the limit is counted and not recorded", async () => {
  await withFolder((folder) => {
    const device = traced(new ScriptedDevice("synchronous"), { directory: folder, limit: 10 });
    for (let i = 0; i < 25; i++) device.submit(request(Read));
    const { tracedRequests, untracedRequests } = device.counters?.() ?? {};
    assert.deepEqual([tracedRequests, untracedRequests], [10, 15]);
    device.close?.();
    assert.equal(read(`${folder}/trace-1.trace`).length, 10);
  });
});

Deno.test("more requests than are kept are written while it goes on, so that a killed driver leaves most of them", async () => {
  await withFolder((folder) => {
    const device = traced(new ScriptedDevice("synchronous"), { directory: folder });
    for (let i = 0; i < 10_000; i++) device.submit(request(Read, 512 * (i % 2048)));
    // It is not closed by now.
    const { length } = read(`${folder}/trace-1.trace`);
    assert(length >= 10_000 - 4096 && length < 10_000, `${length}`);
    device.idle?.();
    assert.equal(read(`${folder}/trace-1.trace`).length, 10_000);
    device.close?.();
    const file = read(`${folder}/trace-1.trace`);
    assert.equal(file.length, 10_000);
    for (let i = 0; i < 10_000; i++) assert.equal(file.record(i).offsetBytes, 512 * (i % 2048));
  });
});

Deno.test("a folder in which nothing can be made is refused with its path", async () => {
  await withFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    assert.throws(() => traced(new ScriptedDevice("synchronous"), { directory: `${folder}/file/below` }), (error) => {
      return error instanceof DeviceError && error.message.includes(`${folder}/file/below`);
    });
  });
});

testUnless(mountRefusal, "a disk that is full ends the trace and not the driver, and what was lost is counted", () => {
  using disk = mount("tmpfs", "size=256k");
  const notes: string[] = [];
  const next = new ScriptedDevice("synchronous");
  const device = traced(next, { directory: disk.folder }, notes);
  for (let i = 0; i < 20_000; i++) assert.equal(device.submit(request(Read)), true);
  const { tracedRequests, untracedRequests } = device.counters?.() ?? {};
  device.close?.();
  assert.equal(next.done.length, 20_000);
  assert.equal(tracedRequests + untracedRequests, 20_000);
  const { length } = read(`${disk.folder}/trace-1.trace`);
  assert(length >= tracedRequests && length < 20_000, `${length} in the file, ${tracedRequests} counted`);
  assert.equal(notes.length, 2);
  assert.match(notes[1], /trace-1\.trace ends before the requests did: .*(space|ENOSPC)/i);
});

Deno.test("a name that leads out of the folder is refused", () => {
  for (const name of ["../x", "a/b", "", ".hidden"]) {
    assert.equal(trace.options.safeParse({ name }).success, false, name);
  }
});

Deno.test("a file that was cut off is read up to its last whole record; what is no trace is refused", () => {
  const buffer = new RecordBuffer(2);
  buffer.add(1, 2, Read, 512, 1024, Status.Okay);
  buffer.add(3, 4, Write, 0, 512, Status.Error);
  buffer.add(5, 6, Write, 0, 512, Status.Error); // It is full.
  assert.equal(buffer.isFull, true);
  const bytes = new Uint8Array(3 * RECORD_BYTES);
  bytes.set(encodeHeader(new ScriptedDevice("later").info, 7));
  bytes.set(buffer.bytes, RECORD_BYTES);
  for (const [length, records] of [[3 * RECORD_BYTES, 2], [3 * RECORD_BYTES - 1, 1], [RECORD_BYTES, 0]]) {
    assert.equal(new Trace(bytes.subarray(0, length)).length, records);
  }
  assert.throws(() => new Trace(bytes.subarray(0, RECORD_BYTES - 1)), TraceError);
  assert.throws(() => new Trace(bytes.subarray(RECORD_BYTES)), TraceError);
});

Deno.test("what is written is read, wherever in memory it lies", () => {
  const record = fc.record({
    timeNs: fc.nat().map((ns) => ns + 0.25),
    latencyNs: fc.double({ min: 0, max: 1e12, noNaN: true }),
    operation: fc.constantFrom(Read, Write, Flush, Discard),
    offsetBytes: fc.maxSafeNat(),
    byteLength: fc.maxSafeNat(),
    status: fc.constantFrom(Status.Okay, Status.Error, Status.NotSupported),
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 20 }), fc.nat(9), (records, shift) => {
      const buffer = new RecordBuffer(20);
      for (const { timeNs, latencyNs, operation, offsetBytes, byteLength, status } of records) {
        buffer.add(timeNs, latencyNs, operation, offsetBytes, byteLength, status);
      }
      const bytes = new Uint8Array(shift + (records.length + 1) * RECORD_BYTES);
      bytes.set(encodeHeader(new ScriptedDevice("later").info, 7), shift);
      bytes.set(buffer.bytes, shift + RECORD_BYTES);
      const file = new Trace(bytes.subarray(shift));
      assert.deepEqual(Array.from({ length: file.length }, (_, index) => file.record(index)), records);
    }),
  );
});
