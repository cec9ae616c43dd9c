// What a frontend does when its driver dies and another takes over, on one thread.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { synchronous } from "../../core/block_device.ts";
import { ConnectionError } from "../../core/errors.ts";
import { testWays } from "../helpers/completions.ts";
import { ChangingDriver, type ChangingOptions, LINKS, RESPONSES_PUBLISHED } from "../helpers/changing_driver.ts";
import { fillPattern, LaterDevice, MemoryDevice } from "../helpers/devices.ts";
import type { LinkChanges } from "../helpers/link.ts";
import { sameBytes } from "../helpers/queue_model.ts";

const SECTORS = 256;
const { Read, Write, Flush, WriteFua } = Operation;

/** Drivers of one disk in memory. */
function onDisk(options: ChangingOptions = {}): { readonly changing: ChangingDriver; readonly device: MemoryDevice } {
  const device = new MemoryDevice({ sizeBytes: SECTORS * 512 });
  return { device, changing: ChangingDriver.connected(() => synchronous(device), options) };
}

/** Takes all that is in flight, by slot. */
function takeAll({ frontend }: ChangingDriver): Map<number, number> {
  const statuses = new Map<number, number>();
  for (let slot = frontend.wait(); slot >= 0; slot = frontend.wait()) {
    assert(!statuses.has(slot), `slot ${slot} was returned once`);
    statuses.set(slot, frontend.status(slot));
  }
  assert.equal(frontend.inFlight, 0);
  assert.equal(frontend.poll(), -1, "nothing is returned twice");
  return statuses;
}

/** Submits a write of 4 KiB in each slot, at a place of its own, and publishes them. */
function submitWrites({ frontend }: ChangingDriver, slots: number): void {
  for (let slot = 0; slot < slots; slot++) {
    fillPattern(frontend.buffer(slot).subarray(0, 4096), slot);
    frontend.submit(slot, Write, slot * 4096, 4096);
  }
  assert.equal(frontend.poll(), -1);
}

for (const [name, link] of Object.entries(LINKS)) {
  testWays(`what is in flight when the driver dies is done by the next one, in its order: ${name}`, () => {
    const { changing, device } = onDisk({ link });
    const { frontend } = changing;
    const length = Math.min(64 * 1024, frontend.maxTransferBytes);
    fillPattern(frontend.buffer(0).subarray(0, length), 1);
    frontend.submit(0, Write, 0, length);
    frontend.submit(1, Flush, 0, 0);
    frontend.submit(2, Read, 1024, 512);
    assert.equal(frontend.poll(), -1);
    changing.kill();
    assert.deepEqual(takeAll(changing), new Map([[0, 0], [1, 0], [2, 0]]));
    assert(sameBytes(device.disk.subarray(0, length), frontend.buffer(0).subarray(0, length)));
    assert(sameBytes(frontend.buffer(2).subarray(0, 512), device.disk.subarray(1024, 1536)));
    assert.deepEqual(device.calls.map((call) => call.split(" ")[0]).filter((call, i, all) => call !== all[i - 1]), [
      ...["write", "flush", "read"],
    ]);
    assert.deepEqual([changing.generation, changing.resumed.at(-1)], [1, 1]);
    assert.deepEqual([changing.meter.errors, changing.meter.flushes], [0, 1]);
  });
}

testWays("what the dead driver has answered is not asked again", () => {
  const { changing, device } = onDisk();
  submitWrites(changing, 8);
  changing.serve();
  changing.kill();
  assert.deepEqual([...takeAll(changing).values()], new Array(8).fill(Status.Okay));
  assert.equal(device.calls.length, 8);
});

testWays("what the dead driver did and has not answered is done twice, and completed once", () => {
  const { changing, device } = onDisk();
  submitWrites(changing, 8);
  changing.driver?.backend.hold();
  changing.driver?.backend.service();
  const done = device.calls.length;
  // Answers are published in two halves: the ring says how many of them the frontend can see.
  const answered = changing.ring[RESPONSES_PUBLISHED];
  changing.kill();
  assert.deepEqual([...takeAll(changing).values()], new Array(8).fill(Status.Okay));
  assert.equal(device.calls.length, done + 8 - answered);
});

testWays("a change of drivers that is told of together with an answer is seen before the next wait", () => {
  const { changing } = onDisk();
  submitWrites(changing, 2);
  let waits = 0;
  changing.pump = () => {
    assert(waits++ === 0 || changing.driver?.connected, "the driver that is waited for is one that the frontend knows");
    changing.serve();
    if (waits === 1) changing.replace();
  };
  assert.deepEqual([...takeAll(changing).values()], [0, 0]);
  submitWrites(changing, 1);
  assert.deepEqual([...takeAll(changing).values()], [0]);
  assert.deepEqual([waits, changing.resumed.at(-1)], [2, 1]);
});

testWays("of a driver that broke the protocol counts what it answered before, and all else is done again", () => {
  const { changing, device } = onDisk();
  submitWrites(changing, 4);
  changing.serve();
  changing.ring[linkWordOfResponse(2)] = 77; // An id that nobody asked for.
  assert.deepEqual([...takeAll(changing).values()], [0, 0, 0, 0]);
  assert.equal(device.calls.length, 4 + 2);
  assert.match(changing.lost[0].message, /answered the unknown id 77/);
  assert.deepEqual(changing.lost.map(({ generation }) => generation), [0]);
});

/** The word of the ring's entry `index` in which a response's id is. */
function linkWordOfResponse(index: number): number {
  return (64 + index * 112) / 4;
}

testWays("a driver that dies while it does what was in flight is followed by another, as often as that happens", () => {
  const { changing, device } = onDisk();
  submitWrites(changing, 6);
  changing.kill();
  let deaths = 0;
  changing.pump = () => {
    if (changing.revive()) return;
    if (deaths++ < 5) changing.kill();
    else changing.serve();
  };
  assert.deepEqual([...takeAll(changing).values()], new Array(6).fill(Status.Okay));
  assert.equal(changing.generation, 6);
  assert.equal(device.calls.length, 6);
  assert.equal(changing.resumed.at(-1), 6);
});

testWays("a driver that dies in the handshake is followed by another, at whatever step", () => {
  for (let steps = 0; steps < 8; steps++) {
    const { changing } = onDisk();
    submitWrites(changing, 3);
    changing.kill();
    let looks = 0;
    changing.look = () => {
      if (changing.generation === 1 && ++looks > steps) changing.kill();
      changing.revive();
    };
    assert.deepEqual([...takeAll(changing).values()], [0, 0, 0], `after ${steps} looks`);
    assert(changing.generation >= 1);
  }
});

for (const requests of ["reissue", "requeue", "fail-io"] as const) {
  testWays(`a driver that dies before the first handshake is over keeps nobody from beginning: ${requests}`, () => {
    const device = new MemoryDevice();
    const changing = new ChangingDriver(() => synchronous(device), { requests });
    changing.start();
    let looks = 0;
    changing.look = () => {
      if (++looks === 1) changing.kill();
      else changing.revive();
    };
    changing.frontend.connect();
    assert.equal(changing.frontend.info.sizeBytes, device.info.sizeBytes);
    submitWrites(changing, 2);
    assert.deepEqual([...takeAll(changing).values()], [0, 0]);
  });
}

testWays("requeue: what is in flight fails, and what comes later waits for the next driver", () => {
  const { changing, device } = onDisk({ requests: "requeue" });
  submitWrites(changing, 4);
  changing.kill();
  assert.deepEqual([...takeAll(changing).values()], new Array(4).fill(Status.Error));
  assert.deepEqual(device.calls, []);
  submitWrites(changing, 4);
  assert.deepEqual([...takeAll(changing).values()], new Array(4).fill(Status.Okay));
  assert.equal(changing.generation, 1);
});

/** A frontend that lets operations fail, and whose driver is dead or broken; nobody takes over yet. */
function down(link: LinkChanges, breakIt: (changing: ChangingDriver) => void): ChangingDriver {
  const { changing } = onDisk({ requests: "fail-io", link });
  submitWrites(changing, 4);
  breakIt(changing);
  changing.look = () => {};
  changing.pump = () => {};
  assert.deepEqual([...takeAll(changing).values()], new Array(4).fill(Status.Error));
  return changing;
}

const BREAKS: Readonly<Record<string, (changing: ChangingDriver) => void>> = {
  "an index": ({ ring }) => void Atomics.store(ring, RESPONSES_PUBLISHED, 1000),
  "an id": (changing) => {
    changing.ring[linkWordOfResponse(0)] = 77;
    Atomics.store(changing.ring, RESPONSES_PUBLISHED, 1);
  },
};

for (const [what, breakIt] of Object.entries(BREAKS)) {
  for (const link of [{}, { merge: true }]) {
    const name = `fail-io: while there is no driver, operations fail at once: ${what} was wrong${
      "merge" in link ? ", merged" : ""
    }`;
    testWays(name, () => {
      const changing = down(link, breakIt);
      const { frontend } = changing;
      assert.deepEqual(changing.lost.map(({ generation }) => generation), [0], "it is told once");
      for (let round = 0; round < 3; round++) {
        frontend.submit(1, Write, 0, 4096);
        frontend.submit(2, Flush, 0, 0);
        assert.deepEqual(takeAll(changing), new Map([[1, Status.Error], [2, Status.Error]]));
        frontend.idle();
        assert(!frontend.ready() && !frontend.peek(), "the thread can sleep");
      }
      changing.pump = () => changing.serve();
      changing.replace();
      assert.equal(frontend.poll(), -1);
      assert.deepEqual(changing.resumed, [0, 1]);
      submitWrites(changing, 4);
      assert.deepEqual([...takeAll(changing).values()], new Array(4).fill(Status.Okay));
      assert.deepEqual(changing.lost.length, 1);
    });
  }
}

testWays("fail-io: a workload that never pauses finds the next driver, too", () => {
  const changing = down({}, BREAKS["an index"]);
  const { frontend } = changing;
  changing.pump = () => changing.serve();
  changing.replace();
  for (let slot = 0; slot < 3; slot++) frontend.submit(slot, Read, slot * 512, 512);
  for (let operations = 0; changing.resumed.length < 2; operations++) {
    const slot = frontend.wait();
    assert(operations < 10, "it looks for a driver although something has always failed");
    frontend.submit(slot, Read, slot * 512, 512);
  }
  takeAll(changing);
});

testWays("fail-io: a broken driver that goes on answers nothing that has failed", () => {
  const changing = down({}, (broken) => {
    Atomics.store(broken.ring, RESPONSES_PUBLISHED, 1000);
  });
  const { frontend } = changing;
  Atomics.store(changing.ring, RESPONSES_PUBLISHED, 0);
  assert(changing.serve(), "it does what was asked");
  assert.equal(frontend.poll(), -1);
  frontend.submit(0, Read, 0, 512);
  assert.deepEqual(takeAll(changing), new Map([[0, Status.Error]]));
});

testWays("a frontend that is told to stop waits for no driver, whatever is in the ring", () => {
  for (const breakIt of [...Object.values(BREAKS), (changing: ChangingDriver) => changing.kill()]) {
    const { changing } = onDisk();
    submitWrites(changing, 2);
    breakIt(changing);
    changing.stopped = true;
    changing.look = () => {};
    changing.pump = () => {};
    assert.equal(changing.frontend.wait(), -1);
    assert.equal(changing.frontend.poll(), -1);
  }
});

for (const requests of ["reissue", "requeue", "fail-io"] as const) {
  testWays(
    `a frontend that only looks now and then whether its driver is there goes on with the next: ${requests}`,
    () => {
      const { changing } = onDisk({ requests });
      const { frontend } = changing;
      frontend.attend();
      assert.equal(changing.lost.length, 0);
      changing.replace();
      frontend.attend();
      frontend.attend(); // Where operations fail, the first look found the driver lost, and the second finds another.
      assert.equal(changing.driver?.connected, true);
      assert.deepEqual(changing.resumed, [0, 1]);
      submitWrites(changing, 2);
      assert.deepEqual([...takeAll(changing).values()], [0, 0]);
    },
  );
}

testWays("with copies, the next driver is given what the workload wrote, whatever became of the granted frames", () => {
  const { changing, device } = onDisk({ link: { transfer: "copy" } });
  submitWrites(changing, 4);
  const { memory } = changing.ends;
  // The driver scribbles over all data frames, which it may reach.
  for (const frame of framesWith(memory.bytes, changing.frontend.buffer(0).subarray(0, 512))) {
    memory.bytes.fill(0xee, frame, frame + 16 * 4096);
  }
  changing.kill();
  takeAll(changing);
  for (let slot = 0; slot < 4; slot++) {
    const wanted = changing.frontend.buffer(slot).subarray(0, 4096);
    assert(sameBytes(device.disk.subarray(slot * 4096, (slot + 1) * 4096), wanted), `slot ${slot}`);
  }
});

/** Where a region has some bytes at the beginning of a frame. */
function framesWith(region: Uint8Array, bytes: Uint8Array): number[] {
  const starts = Array.from({ length: region.length / 4096 }, (_, index) => index * 4096);
  const found = starts.filter((start) => sameBytes(region.subarray(start, start + bytes.length), bytes));
  assert(found.length > 0);
  return found;
}

testWays("a flush that failed stays failed when the driver dies before its answer is taken", () => {
  const device = new MemoryDevice();
  let failures = 1;
  device.flush = () => {
    if (failures-- > 0) throw new Error("the write-back failed");
  };
  for (const published of [true, false]) {
    failures = 1;
    const changing = ChangingDriver.connected(() => synchronous(device), { flushes: { reopened: true } });
    changing.frontend.submit(0, Flush, 0, 0);
    assert.equal(changing.frontend.poll(), -1);
    if (!published) changing.driver?.backend.hold();
    const { backend } = changing.driver ?? assert.fail();
    if (published) backend.service();
    else withoutPublishing(changing, () => backend.service());
    changing.kill();
    assert.deepEqual(takeAll(changing), new Map([[0, Status.Error]]), published ? "it was answered" : "it was not");
    assert.equal(failures, 0, "the device was asked once");
    // Where the answer had arrived, the next driver cannot know: it fails one flush more, rather than none.
    const next = (): number | undefined => {
      changing.frontend.submit(0, Flush, 0, 0);
      return takeAll(changing).get(0);
    };
    if (published) assert.equal(next(), Status.Error);
    assert.equal(next(), Status.Okay);
  }
});

/** What a driver does, but that its last answers never come. */
function withoutPublishing({ ring }: ChangingDriver, work: () => void): void {
  const published = Atomics.load(ring, RESPONSES_PUBLISHED);
  work();
  Atomics.store(ring, RESPONSES_PUBLISHED, published);
}

testWays(
  "a flush in whose midst the driver died fails where the medium is the same opening, and is done again where not",
  () => {
    for (const reopened of [true, false]) {
      const device = new MemoryDevice();
      const later = new LaterDevice(device, () => -1);
      let first = true;
      const changing = ChangingDriver.connected(() => {
        const made = first ? later : synchronous(device);
        first = false;
        return made;
      }, { flushes: { reopened } });
      changing.frontend.submit(0, WriteFua, 0, 512);
      changing.frontend.submit(1, Flush, 0, 0);
      assert.equal(changing.frontend.poll(), -1);
      changing.serve();
      assert.equal(later.held.length, 2);
      changing.kill();
      const statuses = takeAll(changing);
      // One of the two tells of it: which came first is the device's matter.
      const failed = [...statuses.values()].filter((status) => status === Status.Error).length;
      assert.equal(failed, reopened ? 0 : 1);
    }
  },
);

testWays("a driver of another device is not gone on with", () => {
  let sizeBytes = 1 << 20;
  const changing = ChangingDriver.connected(() => synchronous(new MemoryDevice({ sizeBytes })));
  submitWrites(changing, 1);
  changing.kill();
  sizeBytes = 1 << 21;
  let revivals = 0;
  changing.look = () => {
    if (!changing.revive()) return;
    if (++revivals === 3) sizeBytes = 1 << 20;
  };
  assert.deepEqual([...takeAll(changing).values()], [0]);
  assert(changing.lost.some(({ message }) => message.includes("offers another device")));
});

for (
  const [what, end] of [
    ["dead", (changing: ChangingDriver) => changing.kill()],
    ["replaced", (changing: ChangingDriver) => void changing.replace()],
  ] as const
) {
  testWays(`a frontend leaves in order when its driver is ${what} meanwhile`, () => {
    const { changing } = onDisk();
    submitWrites(changing, 1);
    takeAll(changing);
    end(changing);
    changing.look = () => {
      changing.revive();
      // The next driver finds nobody there, and needs nobody.
      const { driver } = changing;
      if (driver !== null && !driver.backend.connected) driver.connected = true;
    };
    changing.frontend.close();
    assert.throws(() => changing.frontend.submit(0, Read, 0, 512), ConnectionError);
  });
}
