// A hostile frontend: what is in no item of the list of hostile_list_test.ts, and requests at random.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, Status, writeRequest, writeWithoutData } from "../../core/blkif.ts";
import { fillPattern } from "../helpers/devices.ts";
import { backendVictim } from "./hostile/victims.ts";

const { Read, Write, Flush, Discard, WriteZeroes, WriteFua } = Operation;

Deno.test("an honest request is answered with its id, its operation and its data", () => {
  const { device, peer, honest } = backendVictim();
  fillPattern(device.disk, 3);
  peer.postTransfer(Read, 0x7654321, 2, [honest, 1, 4]);
  peer.backend.service();
  assert.deepEqual(peer.responses(), [{ id: 0x7654321, idHigh: 0, operation: Read, status: Status.Okay }]);
  assert.deepEqual(new Uint8Array(peer.frame(0).slice(512, 2560)), device.disk.slice(1024, 3072));
});

Deno.test("all 64 bits of an id come back", () => {
  const { peer } = backendVictim();
  peer.post((words, at) => writeRequest(words, at, Flush, 0, 0, -2, -3, 0));
  peer.backend.service();
  assert.deepEqual(peer.responses(), [{ id: -2, idHigh: -3, operation: Flush, status: Status.Okay }]);
});

Deno.test("segments that touch in memory reach the device as one piece, others do not", () => {
  const { device, peer, honest } = backendVictim();
  const [second, apart] = [peer.grant(1), peer.grant(3)];
  peer.postTransfer(Write, 1, 0, [honest, 0, 7], [second, 0, 7], [apart, 2, 3], [apart, 4, 4]);
  peer.backend.service();
  assert.deepEqual(device.calls, ["write 0 8192", "write 8192 1536"]);
});

Deno.test("a secure discard is answered as unsupported, as nothing would be erased", () => {
  const { device, peer } = backendVictim();
  for (const flag of [1, 2, 255]) {
    peer.post((words, at) => writeWithoutData(words, at, Discard, 0, flag, 0, 0, 8, flag));
    peer.backend.service();
    const expected = [{ id: flag, idHigh: 0, operation: Discard, status: Status.NotSupported }];
    assert.deepEqual(peer.responses(), expected);
  }
  assert.deepEqual(device.calls, []);
});

Deno.test("unknown operations are answered as unsupported, and so are barriers", () => {
  const { device, peer } = backendVictim();
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

Deno.test("a full ring of requests is taken, answered once each, and taken again", () => {
  for (const ringOrder of [0, 4]) {
    const { peer, honest } = backendVictim({}, { ringOrder });
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
    const { peer } = backendVictim();
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
