// A hostile frontend: the backend refuses what it must, answers the rest, and goes on.
import assert from "node:assert/strict";
import fc from "fast-check";
import { FIRST_SEGMENT, Operation, Status, writeRequest, writeWithoutData } from "../../core/blkif.ts";
import { synchronous } from "../../core/block_device.ts";
import { ConnectionError } from "../../core/errors.ts";
import type { DeviceInfo } from "../../core/block_device.ts";
import { XenbusState } from "../../core/xenbus.ts";
import { fillPattern, LaterDevice, MemoryDevice } from "../helpers/devices.ts";
import { BACK_DOMAIN, FRONT_STATE } from "../helpers/link.ts";
import { ScriptedFrontend } from "../helpers/scripted_frontend.ts";

const SECTORS = 64;
const { Read, Write, Flush, Discard, WriteZeroes, WriteFua } = Operation;

function attack(changes: Partial<DeviceInfo> = {}, ringOrder = 0) {
  const device = new MemoryDevice({ sizeBytes: SECTORS * 512, ...changes });
  const peer = new ScriptedFrontend(synchronous(device), { ringOrder }).connect();
  /** The status of a read of these segments, after which an honest read must still work. */
  const refused = (sector: number, ...segments: [number, number, number][]): number => {
    device.calls.length = 0;
    const status = peer.statusOfRead(sector, ...segments);
    if (status !== Status.Okay) assert.deepEqual(device.calls, [], "the device saw nothing of it");
    assert.equal(peer.statusOfRead(0, [honest, 0, 7]), Status.Okay);
    return status;
  };
  const honest = peer.grant(0);
  return { device, peer, refused, honest };
}

Deno.test("an honest request is answered with its id, its operation and its data", () => {
  const { device, peer, honest } = attack();
  fillPattern(device.disk, 3);
  peer.postTransfer(Read, 0x7654321, 2, [honest, 1, 4]);
  peer.backend.service();
  assert.deepEqual(peer.responses(), [{ id: 0x7654321, idHigh: 0, operation: Read, status: Status.Okay }]);
  assert.deepEqual(new Uint8Array(peer.frame(0).slice(512, 2560)), device.disk.slice(1024, 3072));
});

Deno.test("all 64 bits of an id come back", () => {
  const { peer } = attack();
  peer.post((words, at) => writeRequest(words, at, Flush, 0, 0, -2, -3, 0));
  peer.backend.service();
  assert.deepEqual(peer.responses(), [{ id: -2, idHigh: -3, operation: Flush, status: Status.Okay }]);
});

Deno.test("segments that touch in memory reach the device as one piece, others do not", () => {
  const { device, peer, honest } = attack();
  const [second, apart] = [peer.grant(1), peer.grant(3)];
  peer.postTransfer(Write, 1, 0, [honest, 0, 7], [second, 0, 7], [apart, 2, 3], [apart, 4, 4]);
  peer.backend.service();
  assert.deepEqual(device.calls, ["write 0 8192", "write 8192 1536"]);
});

Deno.test("a read or write without segments, or with more than fit, is refused", () => {
  const { peer } = attack();
  for (const operation of [Read, Write, WriteFua]) {
    for (const count of [0, 12, 255]) {
      peer.post((words, at) => writeRequest(words, at, operation, count, 0, count, 0, 0));
      peer.backend.service();
      assert.deepEqual(peer.responses().map(({ id, status }) => [id, status]), [[count, Status.Error]]);
    }
  }
});

Deno.test("sectors that are reversed or outside their frame are refused", () => {
  const { refused, honest } = attack();
  for (const [first, last] of [[1, 0], [7, 6], [0, 8], [8, 8], [0, 255], [255, 255], [255, 0]]) {
    assert.equal(refused(0, [honest, first, last]), Status.Error, `${first} to ${last}`);
    assert.equal(refused(0, [honest, 0, 7], [honest, first, last]), Status.Error, `second: ${first} to ${last}`);
  }
});

Deno.test("a transfer past the end of the device is refused, however its sector is chosen", () => {
  const { refused, honest } = attack();
  for (const sector of [SECTORS, SECTORS - 7, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
    assert.equal(refused(sector, [honest, 0, 7]), Status.Error, `sector ${sector}`);
  }
  assert.equal(refused(SECTORS - 8, [honest, 0, 7]), Status.Okay);
});

Deno.test("a sector number that overflows 64 bits when it is multiplied or added to is refused", () => {
  const { peer, honest } = attack();
  for (const [low, high] of [[-1, -1], [-8, -1], [0, 1 << 23], [0, 1 << 31], [0, 0x00800000]]) {
    peer.postTransfer(Read, 1, 0, [honest, 0, 7]);
    const at = 16 + ((peer.produced - 1) & (peer.layout.entryCount - 1)) * 28;
    peer.ring.set([low, high], at + 4);
    peer.backend.service();
    assert.equal(peer.responses()[0].status, Status.Error, `${high}:${low}`);
  }
});

Deno.test("a discard or write-zeroes past the end, of nothing, of 2⁵³ or of 2⁶⁴ sectors is refused", () => {
  for (const operation of [Discard, WriteZeroes]) {
    const { device, peer } = attack();
    const ranges = [[SECTORS, 1], [0, SECTORS + 1], [0, 0], [1, 2 ** 53 - 1], [2 ** 53 - 1, 2], [0, 2 ** 53]];
    for (const [sector, count] of ranges) {
      peer.post((words, at) => writeWithoutData(words, at, operation, 0, 1, 0, sector, count));
    }
    peer.post((words, at) => {
      writeWithoutData(words, at, operation, 0, 1, 0, 1, 0);
      words.fill(-1, at + FIRST_SEGMENT, at + FIRST_SEGMENT + 2);
    });
    peer.backend.service();
    assert.deepEqual(peer.responses().map(({ status }) => status), Array(7).fill(Status.Error));
    assert.deepEqual(device.calls, []);
  }
});

Deno.test("a secure discard is answered as unsupported, as nothing would be erased", () => {
  const { device, peer } = attack();
  for (const flag of [1, 2, 255]) {
    peer.post((words, at) => writeWithoutData(words, at, Discard, 0, flag, 0, 0, 8, flag));
    peer.backend.service();
    const expected = [{ id: flag, idHigh: 0, operation: Discard, status: Status.NotSupported }];
    assert.deepEqual(peer.responses(), expected);
  }
  assert.deepEqual(device.calls, []);
});

Deno.test("grant references that are bad, foreign, revoked or of no frame are refused, alone or among good ones", () => {
  const { peer, refused, honest } = attack();
  const { grants, layout, grantWords } = peer;
  const revoked = peer.grant(1);
  grants.endAccess(revoked);
  const bad: Record<string, number> = {
    "the reserved 0": 0,
    "never granted": revoked + 1,
    "beyond the table": grantWords.length / 2,
    "2³² − 1": -1,
    "another domain's": grants.grantAccess(BACK_DOMAIN + 1, layout.dataFrame, false),
    "a frame outside the region": grants.grantAccess(BACK_DOMAIN, layout.frameCount, false),
    "a frame far outside": grants.grantAccess(BACK_DOMAIN, -1, false),
  };
  bad["revoked"] = peer.grant(2);
  grants.endAccess(bad["revoked"]);
  for (const [what, reference] of Object.entries(bad)) {
    assert.equal(refused(0, [reference, 0, 7]), Status.Error, what);
    assert.equal(refused(0, [honest, 0, 7], [reference, 0, 7], [honest, 0, 7]), Status.Error, `mixed: ${what}`);
  }
});

Deno.test("a read-only grant serves a write and refuses a read, before it was mapped and after", () => {
  const { device, peer, refused } = attack();
  const reference = peer.grant(1, true);
  fillPattern(peer.frame(1), 9);
  assert.equal(refused(0, [reference, 0, 7]), Status.Error);
  peer.postTransfer(Write, 1, 0, [reference, 0, 7]);
  peer.backend.service();
  assert.equal(peer.responses()[0].status, Status.Okay);
  assert.deepEqual(device.disk.slice(0, 4096), new Uint8Array(peer.frame(1)));
  assert.equal(refused(0, [reference, 0, 7]), Status.Error);
});

Deno.test("unknown operations are answered as unsupported, and so are barriers", () => {
  const { device, peer } = attack();
  const known: number[] = [Read, Write, Flush, Discard, WriteZeroes, WriteFua, Operation.Indirect];
  for (let operation = 0; operation < 256; operation++) {
    if (known.includes(operation)) continue;
    peer.post((words, at) => writeRequest(words, at, operation, 1, 0, operation, 0, 0));
    peer.backend.service();
    const expected = [{ id: operation, idHigh: 0, operation, status: Status.NotSupported }];
    assert.deepEqual(peer.responses(), expected);
  }
  assert.deepEqual(device.calls, []);
});

Deno.test("whatever would change a read-only device is refused, and its bytes stay", () => {
  const { device, peer, honest } = attack({ readOnly: true });
  fillPattern(device.disk, 1);
  const before = device.disk.slice();
  peer.postTransfer(Write, 1, 0, [honest, 0, 7]);
  peer.postTransfer(WriteFua, 1, 0, [honest, 0, 7]);
  for (const operation of [Discard, WriteZeroes]) {
    peer.post((words, at) => writeWithoutData(words, at, operation, 0, 2, 0, 0, 8));
  }
  peer.backend.service();
  assert.deepEqual(peer.responses().map(({ status }) => status), Array(4).fill(Status.Error));
  assert.deepEqual(device.disk, before);
});

Deno.test("a producer index beyond the ring, backwards or wrapped breaks the connection", () => {
  for (const index of [33, 34, -1, -32, 2 ** 31, 2 ** 31 - 1]) {
    const { device, peer } = attack();
    peer.publish(index);
    assert.throws(() => peer.backend.service(), ConnectionError, `index ${index}`);
    assert.deepEqual(device.calls, []);
  }
});

Deno.test("requests beyond those that a slow device still has break the connection", () => {
  const peer = new ScriptedFrontend(new LaterDevice(new MemoryDevice(), () => -1)).connect();
  const reference = peer.grant(0);
  for (let i = 0; i < 20; i++) peer.postTransfer(Read, i, 0, [reference, 0, 7]);
  // A few at a time, so that the device is asked for completions in between.
  for (const inFlight of [8, 16, 20]) {
    assert(peer.backend.service());
    assert.equal(peer.gate.inFlight, inFlight);
  }
  assert(!peer.backend.service());
  peer.publish(20 + 13);
  assert.throws(() => peer.backend.service(), ConnectionError);
});

Deno.test("a full ring of requests is taken, answered once each, and taken again", () => {
  for (const ringOrder of [0, 4]) {
    const { peer, honest } = attack({}, ringOrder);
    const { entryCount } = peer.layout;
    for (let round = 0; round < 3; round++) {
      for (let id = 0; id < entryCount; id++) peer.postTransfer(Read, id, 0, [honest, 0, 0]);
      assert.equal(peer.backend.service(), true);
      assert.equal(peer.backend.service(), false);
      assert.deepEqual(peer.responses().map(({ id }) => id), Array.from({ length: entryCount }, (_, id) => id));
    }
  }
});

Deno.test("any 112 bytes at all get exactly one answer, with their id, and never reach outside the device", () => {
  const entry = fc.array(fc.oneof(fc.integer(), fc.nat(20), fc.constantFrom(-1, 0x700, 0x100)), {
    minLength: 28,
    maxLength: 28,
  });
  fc.assert(fc.property(fc.array(entry, { minLength: 1, maxLength: 40 }), (entries) => {
    const { peer } = attack();
    for (let i = 1; i < 8; i++) peer.grant(i, i % 2 === 0);
    for (const words of entries) {
      peer.post((ring, at) => ring.set(words, at));
      peer.backend.service();
      const found = peer.responses();
      assert.deepEqual(found.map(({ id, idHigh }) => [id, idHigh]), [[words[2], words[3]]]);
      assert([Status.Okay, Status.Error, Status.NotSupported].some((status) => status === found[0].status));
    }
    const { frameCount } = peer.layout;
    assert.equal(peer.ends.memory.frameCount, frameCount);
  }));
});

Deno.test("a frontend in a state that does not exist, or gone back, breaks the connection", () => {
  for (const state of [9, -1, XenbusState.InitWait, XenbusState.Unknown]) {
    const { peer } = attack();
    peer.ends.memory.words[FRONT_STATE] = state;
    assert.throws(() => peer.backend.connected, ConnectionError, `state ${state}`);
  }
});
