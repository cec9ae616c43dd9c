// Operations that are more than one request, or part of one, as the backend sees them.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { synchronous } from "../../core/block_device.ts";
import { ConnectionError } from "../../core/errors.ts";
import { FRAME_SIZE } from "../../core/memory.ts";
import { testWays } from "../helpers/completions.ts";
import { deviceInfo, MemoryDevice } from "../helpers/devices.ts";
import { connectPair, type LinkChanges } from "../helpers/link.ts";
import type { FoundRequest } from "../conformance/peer/wire.ts";
import { ScriptedBackend } from "../helpers/scripted_backend.ts";

const { Read, Write, Flush, Discard, WriteZeroes, WriteFua, Indirect } = Operation;
const MIB = 1 << 20;
const INFO = deviceInfo({ sizeBytes: 16 * MIB });
/** Slots of 1 MiB. */
const LONG: LinkChanges = { slots: { count: 40, bytes: MIB } };

/** A connected frontend whose backend offers so many indirect segments. */
function connect(changes: LinkChanges = {}, offered = 256): ScriptedBackend {
  const peer = new ScriptedBackend(INFO, { ...LONG, ...changes });
  peer.store.write("feature-max-indirect-segments", offered);
  return peer.connect();
}

/** Operation, segments and first sector of a request. */
function shapeOf(copy: FoundRequest): readonly [operation: number, segments: number, sector: number] {
  const { operation, sector } = copy;
  if (operation === Indirect) return [copy.indirectOperation, copy.indirectSegmentCount, sector];
  return [operation, operation === Read || operation === Write ? copy.segmentCount : 0, sector];
}

function published(peer: ScriptedBackend): FoundRequest[] {
  assert.equal(peer.test.frontend.poll(), -1);
  return peer.take();
}

for (
  const [offered, segments] of [[0, 11], [1, 11], [11, 11], [12, 12], [31, 31], [32, 32], [256, 32], [2 ** 32 - 1, 32]]
) {
  testWays(`where a backend offers ${offered} indirect segments, a request has at most ${segments}`, () => {
    const peer = connect({ indirectSegments: 32 }, offered);
    peer.test.frontend.submit(0, Read, 0, MIB);
    const shapes = published(peer).map(shapeOf);
    assert.equal(shapes.length, Math.ceil(256 / segments));
    let sector = 0;
    for (const [operation, count, first] of shapes) {
      assert.deepEqual([operation, first], [Read, sector]);
      assert(count <= segments);
      sector += count * 8;
    }
    assert.equal(sector, MIB / 512);
  });
}

testWays("options beyond what a frame of segments holds are cut to what the protocol has", () => {
  const peer = connect({ indirectSegments: 5000, slots: { count: 2, bytes: 4 * MIB } }, 2 ** 32 - 1);
  peer.test.frontend.submit(0, Read, 0, 4 * MIB);
  assert.deepEqual(published(peer).map(shapeOf).map(([, count]) => count), [256, 256, 256, 256]);
});

testWays("a connection that ends between the slots of a merged request stays at its end", () => {
  const peer = connect({ merge: true });
  const { frontend, waiter } = peer.test;
  for (const slot of [0, 1]) frontend.submit(slot, Read, slot * FRAME_SIZE, FRAME_SIZE);
  const [request] = published(peer);
  peer.answer(request.idLow, Read, Status.Okay);
  assert.equal(frontend.poll(), 0);
  waiter.pump = () => peer.store.write("state", 9);
  assert.throws(() => frontend.idle(), ConnectionError);
  for (let i = 0; i < 2; i++) assert.throws(() => frontend.poll(), ConnectionError);
  assert.throws(() => frontend.submit(0, Read, 0, 512), ConnectionError);
});

testWays("an operation of more requests than the ring has entries is issued as they are answered", () => {
  const { frontend, serve, gate } = connectPair(synchronous(new MemoryDevice({ sizeBytes: MIB })), {
    ...LONG,
    indirectSegments: 0,
    batch: 1,
  });
  frontend.buffer(39).fill(7);
  for (const slot of [39, 0, 1]) frontend.submit(slot, Write, 0, slot === 39 ? MIB : 512);
  assert.deepEqual([frontend.wait(), frontend.wait(), frontend.wait()], [39, 0, 1]);
  assert.deepEqual([gate.inFlight, serve()], [0, false]);
  frontend.buffer(39).fill(0);
  frontend.submit(39, Read, 512, MIB - 512);
  assert.equal(frontend.wait(), 39);
  assert(frontend.buffer(39).subarray(0, MIB - 512).every((byte) => byte === 7));
});

testWays("an operation of several requests is over when all are answered, in any order", () => {
  const peer = connect({ indirectSegments: 0 });
  const { frontend } = peer.test;
  frontend.submit(3, Write, 0, 30 * FRAME_SIZE);
  const ids = published(peer).map(({ idLow }) => idLow);
  assert.equal(ids.length, 3);
  for (const id of [ids[2], ids[0]]) {
    peer.answer(id, Write, Status.Okay);
    assert.equal(frontend.poll(), -1);
    assert.equal(frontend.inFlight, 1);
  }
  peer.answer(ids[1], Write, Status.Okay);
  assert.deepEqual([frontend.poll(), frontend.status(3), frontend.inFlight], [3, Status.Okay, 0]);
});

testWays("an operation of which one request fails has failed, whichever it is, and its slot works again", () => {
  for (const failing of [0, 1, 2]) {
    const peer = connect({ indirectSegments: 0, transfer: "copy" });
    const { frontend, meter } = peer.test;
    frontend.buffer(3).fill(0xee);
    frontend.submit(3, Read, 0, 30 * FRAME_SIZE);
    const ids = published(peer).map(({ idLow }) => idLow);
    ids.forEach((id, index) => peer.answer(id, Read, index === failing ? Status.Error : Status.Okay));
    assert.deepEqual([frontend.wait(), frontend.status(3), meter.errors], [3, Status.Error, 1]);
    assert(frontend.buffer(3).every((byte) => byte === 0xee), "nothing of it is handed to the workload");
    frontend.submit(3, Flush, 0, 0);
    const [flush] = published(peer);
    peer.answer(flush.idLow, Flush, Status.Okay);
    assert.deepEqual([frontend.wait(), frontend.status(3)], [3, Status.Okay]);
  }
});

const lies: Readonly<Record<string, (peer: ScriptedBackend, ids: readonly number[]) => void>> = {
  "answers a part twice": (peer, [first]) => {
    peer.answer(first, Write, 0);
    peer.answer(first, Write, 0);
  },
  "answers a part that is not there": (peer, ids) => peer.answer(Math.max(...ids) + 1, Write, 0),
  "answers a part as another operation": (peer, [, second]) => peer.answer(second, Read, 0),
  "answers a part as an indirect request": (peer, [, second]) => peer.answer(second, Indirect, 0),
  "answers a part with an unknown status": (peer, [, second]) => peer.answer(second, Write, 3),
  "answers more parts than there are": (peer, ids) => {
    for (const id of [...ids, ids[0]]) peer.answer(id, Write, 0);
  },
};
for (const [what, lie] of Object.entries(lies)) {
  testWays(`a backend that ${what} breaks the connection`, () => {
    const peer = connect({ indirectSegments: 0 });
    const { frontend } = peer.test;
    frontend.submit(0, Write, 0, 30 * FRAME_SIZE);
    lie(peer, published(peer).map(({ idLow }) => idLow));
    assert.throws(() => {
      for (let look = 0; look < 5; look++) frontend.poll();
    }, ConnectionError);
  });
}

testWays("adjacent reads, and adjacent writes, that wait to be published are one request", () => {
  const peer = connect({ merge: true });
  const { frontend } = peer.test;
  for (const [slot, page] of [[0, 0], [1, 1], [2, 2], [3, 4], [4, 5]]) {
    frontend.submit(slot, Read, page * FRAME_SIZE, FRAME_SIZE);
  }
  frontend.submit(5, Write, 6 * FRAME_SIZE, FRAME_SIZE);
  frontend.submit(6, Write, 7 * FRAME_SIZE, 512);
  const requests = published(peer);
  assert.deepEqual(requests.map(shapeOf), [[Read, 3, 0], [Read, 2, 32], [Write, 2, 48]]);
  for (const [index, slots] of [[2, [5, 6]], [0, [0, 1, 2]], [1, [3, 4]]] as const) {
    peer.answer(requests[index].idLow, shapeOf(requests[index])[0], Status.Okay);
    for (const slot of slots) assert.equal(frontend.poll(), slot);
    assert.equal(frontend.poll(), -1);
  }
  assert.equal(frontend.inFlight, 0);
});

testWays("what cannot be in one request is not merged", () => {
  const apart: readonly (readonly [what: string, ...[operation: Operation, sector: number, sectors: number][]])[] = [
    ["a gap", [Read, 0, 8], [Read, 9, 8]],
    ["a step back", [Read, 8, 8], [Read, 0, 8]],
    ["the same sectors", [Read, 0, 8], [Read, 0, 8]],
    ["a part of a frame before another", [Read, 0, 7], [Read, 7, 8]],
    ["a read and a write", [Read, 0, 8], [Write, 8, 8]],
    ["durable writes", [WriteFua, 0, 8], [WriteFua, 8, 8]],
    ["discards", [Discard, 0, 8], [Discard, 8, 8]],
    ["write-zeroes", [WriteZeroes, 0, 8], [WriteZeroes, 8, 8]],
    ["nothing before something", [Read, 0, 0], [Read, 0, 8]],
    ["something before nothing", [Read, 0, 8], [Read, 8, 0]],
    ["sectors past the end", [Read, 16 * 2048 - 8, 8], [Read, 16 * 2048, 8]],
    ["more than a request holds", [Read, 0, 8 * 20], [Read, 8 * 20, 8 * 20]],
  ];
  for (const [what, ...operations] of apart) {
    const peer = connect({ merge: true });
    operations.forEach(([operation, sector, sectors], slot) => {
      peer.test.frontend.submit(slot, operation, sector * 512, sectors * 512);
    });
    const requests = published(peer);
    assert.deepEqual(requests.map(({ sector }) => sector), operations.map(([, sector]) => sector), what);
  }
});

testWays("what a device with large sectors refuses fails alone, and takes no neighbour with it", () => {
  const device = new MemoryDevice({ sizeBytes: MIB, sectorSize: 8192 });
  const { frontend } = connectPair(synchronous(device), { merge: true });
  frontend.submit(0, Read, 0, 8192);
  frontend.submit(1, Read, 8192, 4096);
  frontend.submit(2, Read, 12_288, 4096);
  const taken = [frontend.wait(), frontend.wait(), frontend.wait()];
  assert.deepEqual(taken, [0, 1, 2]);
  assert.deepEqual(taken.map((slot) => frontend.status(slot)), [Status.Okay, Status.Error, Status.Error]);
});

testWays("a transfer of nothing fails, merged or not, and moves nothing", () => {
  for (const merge of [false, true]) {
    const device = new MemoryDevice({ sizeBytes: MIB });
    const { frontend } = connectPair(synchronous(device), { merge });
    for (const [slot, operation] of [[0, Read], [1, Write], [2, WriteFua]]) {
      frontend.submit(slot, operation as Operation, 0, 0);
      assert.deepEqual([frontend.wait(), frontend.status(slot)], [slot, Status.Error]);
    }
    assert.deepEqual(device.calls, []);
  }
});

testWays("operations keep their order around a flush, though those beside it are merged", () => {
  const peer = connect({ merge: true });
  const { frontend } = peer.test;
  frontend.submit(0, Write, 0, FRAME_SIZE);
  frontend.submit(1, Write, FRAME_SIZE, FRAME_SIZE);
  frontend.submit(2, Flush, 0, 0);
  frontend.submit(3, Write, 2 * FRAME_SIZE, FRAME_SIZE);
  frontend.submit(4, Write, 3 * FRAME_SIZE, FRAME_SIZE);
  assert.deepEqual(published(peer).map(shapeOf), [[Write, 2, 0], [Flush, 0, 0], [Write, 2, 16]]);
});

testWays("a merged request that fails fails for all of its slots", () => {
  const peer = connect({ merge: true });
  const { frontend, meter } = peer.test;
  for (const slot of [4, 2, 7]) frontend.submit(slot, Write, [0, 0, 1, 0, 0, 0, 0, 2][slot] * FRAME_SIZE, FRAME_SIZE);
  const [request] = published(peer);
  peer.answer(request.idLow, Write, Status.Error);
  assert.deepEqual([frontend.poll(), frontend.poll(), frontend.poll()], [4, 2, 7]);
  for (const slot of [4, 2, 7]) assert.equal(frontend.status(slot), Status.Error);
  assert.deepEqual([meter.errors, frontend.inFlight], [3, 0]);
});

testWays("a slot of a merged request can be used again while the others are not yet taken", () => {
  const peer = connect({ merge: true });
  const { frontend } = peer.test;
  for (const slot of [0, 1, 2]) frontend.submit(slot, Read, slot * FRAME_SIZE, FRAME_SIZE);
  const [merged] = published(peer);
  peer.answer(merged.idLow, Read, Status.Okay);
  assert.equal(frontend.poll(), 0);
  frontend.submit(0, Read, 3 * FRAME_SIZE, FRAME_SIZE);
  assert.deepEqual([frontend.poll(), frontend.poll(), frontend.inFlight], [1, 2, 1]);
  assert.deepEqual(published(peer).map(shapeOf), [[Read, 1, 24]]);
});

testWays("a full batch is published, merged operations included; the rest waits for a poll", () => {
  for (const merge of [false, true]) {
    const peer = connect({ merge, batch: 3 });
    const { frontend } = peer.test;
    const submit = (slot: number): void => frontend.submit(slot, Read, slot * FRAME_SIZE, FRAME_SIZE);
    [0, 1].forEach(submit);
    assert.deepEqual(peer.take(), []);
    [2, 3].forEach(submit);
    assert.equal(peer.take().length, merge ? 1 : 3);
    assert.equal(published(peer).length, 1);
  }
});

testWays("after a full batch a frontend looks for responses for as long as it was told", () => {
  const peer = connect({ batch: 2, submitSpinNs: 5000 });
  const { frontend, waiter } = peer.test;
  waiter.pump = () => {};
  for (let slot = 0; slot < 5; slot++) frontend.submit(slot, Read, 0, 512);
  assert.deepEqual(waiter.spins, [5000, 5000]);
});

testWays("a submission that is refused leaves what waits to be merged as it was", () => {
  const peer = connect({ merge: true });
  const { frontend } = peer.test;
  frontend.submit(0, Read, 0, FRAME_SIZE);
  assert.throws(() => frontend.submit(0, Read, FRAME_SIZE, FRAME_SIZE), RangeError);
  assert.throws(() => frontend.submit(1, Read, FRAME_SIZE, 2 * MIB), RangeError);
  assert.throws(() => frontend.submit(1, Indirect, FRAME_SIZE, FRAME_SIZE), RangeError);
  frontend.submit(1, Read, FRAME_SIZE, FRAME_SIZE);
  assert.deepEqual(published(peer).map(shapeOf), [[Read, 2, 0]]);
});

testWays("a frontend that waits with everything merged and nothing published publishes first", () => {
  const device = new MemoryDevice({ sizeBytes: MIB });
  const slots = { count: 2, bytes: FRAME_SIZE };
  const { frontend } = connectPair(synchronous(device), { merge: true, slots });
  for (const slot of [0, 1]) frontend.submit(slot, Write, slot * FRAME_SIZE, FRAME_SIZE);
  assert.deepEqual([frontend.wait(), frontend.wait(), frontend.wait()], [0, 1, -1]);
  assert.deepEqual(device.calls, ["write 0 8192"], "one request of two slots whose frames lie together");
});
