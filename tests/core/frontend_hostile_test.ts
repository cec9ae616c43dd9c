// A hostile backend: what is in no item of the list of hostile_list_test.ts.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { ConnectionError } from "../../core/errors.ts";
import { XenbusState } from "../../core/xenbus.ts";
import { testWays } from "../helpers/completions.ts";
import { deviceInfo } from "../helpers/devices.ts";
import { BACK_STATE, FRONT_STATE } from "../helpers/link.ts";
import type { FoundRequest } from "../conformance/peer/wire.ts";
import { frontendVictim } from "./hostile/victims.ts";
import { ScriptedBackend } from "../helpers/scripted_backend.ts";

const { Read, Write, Flush, Discard } = Operation;

testWays("honest responses are accepted in any order, with any known status", () => {
  const { peer, frontend } = frontendVictim();
  peer.answer(1, Read, Status.NotSupported);
  peer.answer(0, Read, Status.Error);
  assert.deepEqual([frontend.wait(), frontend.wait()], [1, 0]);
  assert.deepEqual([frontend.status(1), frontend.status(0)], [Status.NotSupported, Status.Error]);
  assert.equal(frontend.inFlight, 0);
});

testWays("a response to an earlier request of an id that is in use again breaks the connection", () => {
  const { peer, frontend } = frontendVictim();
  const stale = peer.idHigh(1);
  peer.answer(1, Read, 0);
  assert.equal(frontend.poll(), 1);
  frontend.submit(1, Read, 0, 512);
  assert.equal(frontend.poll(), -1);
  assert.notEqual(peer.idHigh(1), stale);
  peer.answer(1, Read, 0, stale);
  assert.throws(
    () => frontend.poll(),
    { name: "ConnectionError", message: "The connection is broken: the backend answered id 1 of an earlier request" },
  );
});

testWays("every use of an id has another number, on one slot as on all", () => {
  const peer = new ScriptedBackend().connect();
  const { frontend } = peer.test;
  const seen = new Set<string>();
  for (let round = 0; round < 50; round++) {
    const count = 1 + round % 32;
    for (let slot = 0; slot < count; slot++) frontend.submit(slot, Read, 0, 512);
    assert.equal(frontend.poll(), -1);
    for (const { idLow, idHigh } of peer.take()) {
      assert(!seen.has(`${idLow} ${idHigh}`));
      seen.add(`${idLow} ${idHigh}`);
      peer.answer(idLow, Read, 0, idHigh);
    }
    for (let i = 0; i < count; i++) assert(frontend.poll() >= 0);
  }
});

testWays("a response to a request that was submitted but not yet pushed breaks the connection", () => {
  const { peer, frontend } = frontendVictim();
  peer.answer(0, Read, 0);
  assert.equal(frontend.poll(), 0);
  frontend.submit(0, Read, 0, 512);
  peer.answer(1, Read, 0);
  peer.answer(0, Write, 0);
  assert.equal(frontend.poll(), 1);
  assert.throws(() => frontend.poll(), ConnectionError);
});

testWays("a backend that leaves with requests in flight ends the wait", () => {
  for (const state of [XenbusState.Closing, XenbusState.Closed, XenbusState.Unknown, 9]) {
    const { peer, frontend } = frontendVictim();
    peer.test.waiter.pump = () => peer.ends.memory.words[BACK_STATE] = state;
    assert.throws(() => frontend.wait(), ConnectionError, `state ${state}`);
  }
});

testWays("what a backend answered before it left is still taken", () => {
  const { peer, frontend } = frontendVictim();
  peer.test.waiter.pump = () => {
    peer.answer(0, Read, 0);
    peer.ends.memory.words[BACK_STATE] = XenbusState.Closed;
  };
  assert.equal(frontend.wait(), 0);
  assert.throws(() => frontend.wait(), ConnectionError);
});

testWays("a backend that never answers is waited for until the domain is told to stop", () => {
  const { peer, frontend } = frontendVictim();
  peer.test.waiter.pump = () => peer.test.stop = () => true;
  assert.equal(frontend.wait(), -1);
  assert.equal(frontend.inFlight, 2);
});

testWays("a handshake ends when the backend closes, or breaks the table of states", () => {
  for (const state of [XenbusState.Closing, XenbusState.Closed, -5]) {
    const peer = new ScriptedBackend();
    peer.test.stop = () => {
      peer.ends.memory.words[BACK_STATE] = state;
      peer.ends.front.events.wake();
      return false;
    };
    assert.throws(() => peer.test.frontend.connect(), ConnectionError, `state ${state}`);
  }
});

testWays("a handshake ends when the domain is told to stop", () => {
  const peer = new ScriptedBackend();
  peer.test.stop = () => true;
  assert.throws(() => peer.test.frontend.connect(), ConnectionError);
  assert.throws(() => peer.test.frontend.info, ConnectionError, "and the frontend is not connected");
});

testWays("a frontend believes what an honest backend says of its device", () => {
  for (const can of [true, false]) {
    const more = { canDiscard: !can, canWriteZeroes: can, canFua: !can };
    const info = deviceInfo({ sizeBytes: 2 ** 45, sectorSize: 4096, readOnly: true, ...more });
    assert.deepEqual(new ScriptedBackend(info).connect().test.frontend.info, info);
  }
});

testWays("requests carry an id each, their sectors, and a grant for every frame", () => {
  const peer = new ScriptedBackend().connect();
  const { frontend } = peer.test;
  frontend.submit(31, Write, 7 * 512, 4096 + 512);
  frontend.submit(0, Read, 0, frontend.maxTransferBytes);
  frontend.submit(3, Flush, 0, 0);
  frontend.submit(4, Discard, 512, 2 ** 19);
  frontend.poll();
  const [write, read, flush, discard] = peer.take();
  assert.equal(new Set([write, read, flush, discard].map(({ idLow }) => idLow)).size, 4);
  assert.deepEqual([write.operation, write.sector, write.segmentCount], [Write, 7, 2]);
  assert.deepEqual([write.words[7], write.words[9]], [7 << 8, 0], "eight sectors of one frame, one of the next");
  assert.equal(read.segmentCount, 11);
  assert.equal(new Set(references(read)).size, 11);
  assert.deepEqual([flush.operation, flush.segmentCount], [Flush, 0]);
  assert.deepEqual([discard.operation, discard.sector, discard.discardSectors], [Discard, 1, 1024]);
});

function references({ words, segmentCount }: FoundRequest): number[] {
  return Array.from({ length: segmentCount }, (_, i) => words[6 + 2 * i]);
}

testWays("closing waits until the backend has let go", () => {
  const peer = new ScriptedBackend().connect();
  const { words } = peer.ends.memory;
  const seen: number[] = [];
  peer.test.stop = () => {
    seen.push(words[FRONT_STATE]);
    words[BACK_STATE] = XenbusState.Closed;
    peer.ends.front.events.wake();
    return false;
  };
  peer.test.frontend.close();
  assert.deepEqual(seen, [XenbusState.Closing]);
  assert.equal(words[FRONT_STATE], XenbusState.Closed);
});

testWays("a backend may pass through Closing when it closes", () => {
  const peer = new ScriptedBackend().connect();
  const { words } = peer.ends.memory;
  peer.test.stop = () => {
    words[BACK_STATE] = words[BACK_STATE] === XenbusState.Connected ? XenbusState.Closing : XenbusState.Closed;
    peer.ends.front.events.wake();
    return false;
  };
  peer.test.frontend.close();
  assert.equal(words[FRONT_STATE], XenbusState.Closed);
});

testWays("a connection that broke stays broken", () => {
  const { peer, frontend } = frontendVictim();
  peer.answer(9, Read, 0);
  peer.answer(1, Read, 0);
  const broken = /^ConnectionError: The connection is broken: the backend answered id 9, not in flight$/;
  for (let i = 0; i < 3; i++) assert.throws(() => frontend.wait(), broken);
  assert.throws(() => frontend.submit(2, Read, 0, 512), broken);
  assert.equal(frontend.inFlight, 2);
});
