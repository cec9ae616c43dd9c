// A hostile frontend whose requests are indirect: their segments lie in a granted frame, which it can change at any time.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, SEGMENT_WORDS, Status, writeIndirect, writeSegment } from "../../core/blkif.ts";
import { type DeviceInfo, synchronous } from "../../core/block_device.ts";
import { GrantMapper } from "../../core/grant_table.ts";
import { FRAME_SIZE } from "../../core/memory.ts";
import { testWays } from "../helpers/completions.ts";
import { fillPattern, MemoryDevice } from "../helpers/devices.ts";
import { BACK_DOMAIN } from "../helpers/link.ts";
import { ScriptedFrontend } from "../helpers/scripted_frontend.ts";

const { Read, Write, WriteFua, Flush, Discard, WriteZeroes, Indirect } = Operation;
const SECTORS = 4096;
type Segment = readonly [reference: number, first: number, last: number];

function attack(changes: Partial<DeviceInfo> = {}) {
  const device = new MemoryDevice({ sizeBytes: SECTORS * 512, ...changes });
  const peer = new ScriptedFrontend(synchronous(device)).connect();
  // Data frame 0 holds segments, the others data.
  const segmentFrame = peer.grant(0);
  const honest = Array.from({ length: 300 }, (_, index) => peer.grant(1 + index));
  const segmentWords = new Int32Array(peer.frame(0).buffer, peer.frame(0).byteOffset, FRAME_SIZE / 4);
  const fill = (segments: readonly Segment[]): void => {
    segments.slice(0, 512).forEach((segment, index) => writeSegment(segmentWords, index * SEGMENT_WORDS, ...segment));
  };
  const post = (operation: number, count: number, sector = 0, reference = segmentFrame): void => {
    peer.post((words, at) => writeIndirect(words, at, operation, count, 0xca00, 7, 0, sector, [reference]));
  };
  /** The status of an indirect request. */
  const statusOf = (operation: number, count: number, sector = 0, reference = segmentFrame): number => {
    post(operation, count, sector, reference);
    peer.backend.service();
    const [response, ...others] = peer.responses();
    assert.deepEqual([response.id, response.operation, others], [7, operation & 0xff, []]);
    return response.status;
  };
  /** As {@link statusOf}, of what must be refused before the device sees it; the link works on. */
  const refused = (...request: [operation: number, count: number, sector?: number, reference?: number]): number => {
    device.calls.length = 0;
    const status = statusOf(...request);
    assert.deepEqual(device.calls, [], "the device saw nothing of it");
    assert.equal(peer.statusOfRead(0, [honest[0], 0, 7]), Status.Okay);
    return status;
  };
  return { device, peer, segmentFrame, segmentWords, honest, fill, post, statusOf, refused };
}

const whole = (reference: number): Segment => [reference, 0, 7];

testWays("an honest indirect request moves as much as its segments hold, up to 256 of them", () => {
  for (const count of [1, 11, 12, 255, 256]) {
    const { device, peer, honest, fill, statusOf } = attack();
    fillPattern(device.disk, 5);
    fill(honest.map(whole));
    assert.equal(statusOf(Read, count, 8), Status.Okay, `${count}`);
    const data = peer.ends.memory.bytes.slice((peer.layout.dataFrame + 1) * FRAME_SIZE).slice(0, count * FRAME_SIZE);
    assert.deepEqual(new Uint8Array(data), device.disk.slice(FRAME_SIZE, (count + 1) * FRAME_SIZE));
  }
});

testWays("an indirect request is answered as the operation that it carries, durable writes included", () => {
  const { device, honest, fill, statusOf } = attack();
  fill([[honest[0], 1, 2], [honest[9], 0, 7]]);
  for (const operation of [Write, WriteFua]) assert.equal(statusOf(operation, 2), Status.Okay);
  const write = ["write 0 1024", "write 1024 4096"];
  assert.deepEqual(device.calls, [...write, ...write, "flush"]);
});

testWays("0, 257, 512, 513 or 65535 segments are refused", () => {
  const { honest, fill, refused } = attack();
  fill(Array.from({ length: 512 }, () => whole(honest[0])));
  for (const count of [0, 257, 512, 513, 65_535]) assert.equal(refused(Read, count), Status.Error, `${count}`);
});

testWays("an indirect request within an indirect one, or around what has no data, is unsupported", () => {
  const { honest, fill, refused } = attack();
  fill([whole(honest[0])]);
  for (const operation of [Indirect, Flush, Discard, WriteZeroes, 2, 4, 7, 18, 255]) {
    assert.equal(refused(operation, 1), Status.NotSupported, `operation ${operation}`);
  }
});

testWays("a frame of segments that is not granted, or not to this domain, is refused", () => {
  const { peer, honest, fill, refused } = attack();
  const { grants, layout, grantWords } = peer;
  fill([whole(honest[0])]);
  const frame = layout.dataFrame;
  const revoked = grants.grantAccess(BACK_DOMAIN, frame, false);
  grants.endAccess(revoked);
  const bad: Readonly<Record<string, number>> = {
    "the reserved 0": 0,
    "revoked": revoked,
    "never granted": revoked + 1,
    "beyond the table": grantWords.length / 2,
    "2³² − 1": -1,
  };
  for (const [what, reference] of Object.entries(bad)) {
    assert.equal(refused(Read, 1, 0, reference), Status.Error, what);
  }
  const foreign = grants.grantAccess(BACK_DOMAIN + 1, frame, false);
  const outside = grants.grantAccess(BACK_DOMAIN, layout.frameCount, false);
  for (const reference of [foreign, outside]) assert.equal(refused(Read, 1, 0, reference), Status.Error);
});

testWays("a frame of segments may be granted for reading alone, and can be taken back after the request", () => {
  const { peer, honest, fill, statusOf } = attack();
  fill([whole(honest[0])]);
  const readOnly = peer.grant(0, true);
  assert.equal(statusOf(Read, 1, 0, readOnly), Status.Okay);
  assert.equal(peer.grants.endAccess(readOnly), true);
  assert.equal(statusOf(Read, 1, 0, readOnly), Status.Error, "and then it is not granted any more");
});

testWays("segments are checked one by one as those of a direct request, wherever the bad one is", () => {
  const { peer, honest, fill, refused } = attack();
  const readOnly = peer.grant(200, true);
  const bad: readonly Segment[] = [
    [honest[0], 1, 0],
    [honest[0], 0, 8],
    [honest[0], 255, 255],
    [0, 0, 7],
    [-1, 0, 7],
    [readOnly, 0, 7],
  ];
  for (const segment of bad) {
    for (const index of [0, 100, 255]) {
      const segments = honest.slice(0, 256).map(whole);
      segments[index] = segment;
      fill(segments);
      assert.equal(refused(Read, 256), Status.Error, `${segment} at ${index}`);
    }
  }
});

testWays("an indirect transfer past the end of the device, or a write to one that is read-only, is refused", () => {
  const { honest, fill, refused } = attack();
  fill(honest.map(whole));
  for (const sector of [SECTORS, SECTORS - 8 * 32 + 1, 2 ** 32, 2 ** 53 - 1]) {
    assert.equal(refused(Read, 32, sector), Status.Error, `sector ${sector}`);
  }
  const other = attack({ readOnly: true });
  other.fill(other.honest.map(whole));
  assert.equal(other.refused(Write, 32), Status.Error);
});

testWays("segments that are changed between their check and their use change nothing", () => {
  const { device, peer, honest, segmentWords, fill, statusOf } = attack();
  fill(honest.map(whole));
  fillPattern(device.disk, 8);
  const before = peer.ends.memory.bytes.slice();
  // The device reads into the first frame, and then the frontend has changed all segments.
  const { read } = device;
  device.read = (offset, into) => {
    segmentWords.fill(-1);
    read.call(device, offset, into);
  };
  const { map } = GrantMapper.prototype;
  GrantMapper.prototype.map = function (reference, write) {
    if (reference === honest[3]) segmentWords.fill(-1, 4 * SEGMENT_WORDS); // While they are looked up, too.
    return map.call(this, reference, write);
  };
  try {
    assert.equal(statusOf(Read, 64), Status.Okay);
  } finally {
    GrantMapper.prototype.map = map;
  }
  const at = (peer.layout.dataFrame + 1) * FRAME_SIZE;
  assert.deepEqual(
    new Uint8Array(peer.ends.memory.bytes.slice(at, at + 64 * FRAME_SIZE)),
    device.disk.slice(0, 64 * FRAME_SIZE),
  );
  const after = at + 64 * FRAME_SIZE;
  assert.deepEqual(peer.ends.memory.bytes.slice(after), before.slice(after), "nothing else was written to");
});

testWays("a read may fill the frame that its own segments lie in", () => {
  const { device, segmentFrame, honest, fill, statusOf } = attack();
  fillPattern(device.disk, 1);
  fill([whole(segmentFrame), ...honest.map(whole)]);
  assert.equal(statusOf(Read, 32), Status.Okay);
  assert.deepEqual(device.calls, [`read 0 ${32 * FRAME_SIZE}`], "its segments were those from before");
});

testWays("any frame of segments at all gets one answer, and nothing beyond the device or the grants is touched", () => {
  const segment = fc.tuple(
    fc.oneof(fc.integer(), fc.integer({ min: 0, max: 330 })),
    fc.oneof(fc.nat(8), fc.nat(255)),
    fc.oneof(fc.nat(8), fc.nat(255)),
  );
  const segments = fc.array(segment, { minLength: 1, maxLength: 40 });
  fc.assert(fc.property(segments, fc.nat(70), fc.nat(SECTORS + 10), fc.nat(20), (drawn, count, sector, operation) => {
    const { device, peer, fill, post } = attack();
    const ungranted = peer.ends.memory.bytes.slice(0, peer.layout.ringFrame * FRAME_SIZE);
    fill(drawn as Segment[]);
    post(operation, count, sector);
    peer.backend.service();
    const found = peer.responses();
    assert.equal(found.length, 1);
    if (found[0].status !== Status.Okay) assert.deepEqual(device.calls, []);
    assert.deepEqual(
      peer.ends.memory.bytes.slice(0, FRAME_SIZE),
      ungranted.slice(0, FRAME_SIZE),
      "the handshake's frame is as it was",
    );
  }));
});
