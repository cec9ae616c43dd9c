// Several frontends on one device, on this thread: who is served how much is counted, not timed.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, Status, writeWithoutData } from "../../core/blkif.ts";
import { type BlockDevice, synchronous } from "../../core/block_device.ts";
import { REQUEST_COST } from "../../core/allowance.ts";
import { DeficitRoundRobin, QUANTUM, type ServedRing, WINDOW } from "../../core/deficit_round_robin.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { RateLimit, type RateLimits } from "../../core/rate_limit.ts";
import { deviceInfo, LaterDevice, MemoryDevice } from "../helpers/devices.ts";
import { ScriptedFrontend } from "../helpers/scripted_frontend.ts";

/** Most that one request of these tests costs: 11 frames. */
const MAX_COST = 11 * 4096 + REQUEST_COST;

/** A frontend that posts reads of known lengths, and counts what was answered. */
class Load {
  readonly frontend: ScriptedFrontend;
  readonly ring: ServedRing;
  /** Requests that were answered, and what they cost. */
  answered = 0;
  cost = 0;
  /** Requests that are not answered yet. */
  waiting = 0;
  readonly #references: number[];
  readonly #costs: number[] = [];

  constructor(frontend: ScriptedFrontend, ring: ServedRing) {
    this.frontend = frontend;
    this.ring = ring;
    this.#references = Array.from({ length: 11 }, (_, frame) => frontend.grant(frame));
  }

  get isFull(): boolean {
    return this.waiting === this.frontend.layout.entryCount;
  }

  /** Posts a read of so many sectors, at most 88. */
  read(sectors: number): void {
    const segments: [number, number, number][] = [];
    for (let left = sectors; left > 0; left -= 8) {
      segments.push([this.#references[segments.length], 0, Math.min(left, 8) - 1]);
    }
    const id = this.frontend.produced;
    this.#costs[id] = sectors * 512 + REQUEST_COST;
    this.frontend.postTransfer(Operation.Read, id, 0, ...segments);
    this.waiting++;
  }

  /** Keeps the ring full of requests. */
  fill(sectors: () => number): void {
    while (!this.isFull) this.read(sectors());
  }

  /** Takes the answers. */
  take(): void {
    for (const { id, status } of this.frontend.responses()) {
      assert.equal(status, Status.Okay);
      this.answered++;
      this.cost += this.#costs[id];
      this.waiting--;
    }
  }
}

function loadsOn(
  device: BlockDevice,
  rings: readonly { readonly ringOrder?: number; readonly limits?: RateLimits }[],
): { turns: DeficitRoundRobin; gate: DeviceGate; loads: Load[] } {
  const gate = new DeviceGate(device, () => {});
  const turns = new DeficitRoundRobin(gate, (backend, allowance) => backend.service(allowance));
  const loads = rings.map(({ ringOrder = 0, limits }) => {
    const frontend = new ScriptedFrontend(device, { ringOrder }, undefined, gate).connect();
    const limit = limits === undefined ? null : new RateLimit(limits);
    return new Load(frontend, turns.add(frontend.backend, limit, gate.info.sizeBytes));
  });
  return { turns, gate, loads };
}

const memory = (): BlockDevice => synchronous(new MemoryDevice());

Deno.test("rings that always have requests get the same share, whatever their lengths and however long the rings", () => {
  const ring = fc.record({
    ringOrder: fc.nat(4),
    sectors: fc.array(fc.integer({ min: 1, max: 88 }), { minLength: 1, maxLength: 20 }),
  });
  fc.assert(
    fc.property(fc.array(ring, { minLength: 2, maxLength: 5 }), fc.integer({ min: 1, max: 30 }), (rings, turnCount) => {
      const { turns, loads } = loadsOn(memory(), rings);
      const next = rings.map(() => 0);
      for (let turn = 0; turn < turnCount; turn++) {
        for (const [index, load] of loads.entries()) {
          const { sectors } = rings[index];
          load.fill(() => sectors[next[index]++ % sectors.length]);
        }
        assert(turns.turn(0));
        for (const load of loads) load.take();
        const costs = loads.map(({ cost }) => cost);
        assert(Math.max(...costs) - Math.min(...costs) < MAX_COST, `after ${turn + 1} turns: ${costs}`);
        assert(Math.min(...costs) >= (turn + 1) * QUANTUM);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("a request is answered in the next turn, however many another ring floods the driver with", () => {
  const { turns, loads: [flood, honest] } = loadsOn(memory(), [{ ringOrder: 4 }, {}]);
  for (let round = 1; round <= 50; round++) {
    flood.fill(() => 88);
    honest.read(8);
    const before = flood.cost;
    turns.turn(0);
    flood.take();
    honest.take();
    assert.equal(honest.answered, round);
    assert(flood.cost - before < QUANTUM + MAX_COST);
  }
});

Deno.test("who has nothing to do saves nothing up for later", () => {
  const { turns, loads: [busy, late] } = loadsOn(memory(), [{ ringOrder: 2 }, { ringOrder: 2 }]);
  for (let turn = 0; turn < 100; turn++) {
    busy.fill(() => 88);
    turns.turn(0);
    busy.take();
  }
  const before = busy.cost;
  for (let turn = 1; turn <= 5; turn++) {
    busy.fill(() => 88);
    late.fill(() => 88);
    turns.turn(0);
    busy.take();
    late.take();
    assert(late.cost < turn * QUANTUM + MAX_COST);
  }
  assert(Math.abs(busy.cost - before - late.cost) <= MAX_COST);
});

Deno.test("a ring alone is bounded by nothing: all that is there is taken in one turn", () => {
  const { turns, loads: [load] } = loadsOn(memory(), [{ ringOrder: 4 }]);
  load.fill(() => 88);
  turns.turn(0);
  load.take();
  assert.equal(load.answered, 512);
});

Deno.test("when the others have left, the last one is alone", () => {
  const { turns, loads: [first, second, third] } = loadsOn(memory(), [{}, { ringOrder: 4 }, {}]);
  for (const load of [first, second, third]) load.fill(() => 88);
  turns.turn(0);
  turns.keep([second.frontend.backend]);
  turns.turn(0);
  second.take();
  assert.equal(second.answered, 512);
});

Deno.test("a request that costs more than a turn's share is owed, and paid for in the turns after it", () => {
  const { turns, loads: [greedy, other] } = loadsOn(memory(), [{}, { ringOrder: 2 }]);
  const zeroes = (): void =>
    greedy.frontend.post((words, at) => writeWithoutData(words, at, Operation.WriteZeroes, 0, 1, 0, 0, 2048));
  zeroes();
  zeroes();
  let turnsBetween = 0;
  for (let answers = 0; answers < 2;) {
    other.fill(() => 88);
    turns.turn(0);
    other.take();
    const found = greedy.frontend.responses().length;
    if (answers === 1 && found === 0) turnsBetween++;
    answers += found;
  }
  const turnsOwed = Math.floor((2048 * 512 + REQUEST_COST - QUANTUM) / QUANTUM);
  assert.equal(turnsBetween, turnsOwed);
  assert(other.cost >= turnsOwed * QUANTUM);
});

Deno.test("who owes something and is the only one to ask is served at once", () => {
  const { turns, loads: [greedy] } = loadsOn(memory(), [{}, {}]);
  for (let count = 1; count <= 5; count++) {
    greedy.frontend.post((words, at) => writeWithoutData(words, at, Operation.WriteZeroes, 0, 1, 0, 0, 2048));
  }
  let turnCount = 0;
  for (let answers = 0; answers < 5; answers += greedy.frontend.responses().length) {
    assert(turns.turn(0), "there is something to do in every turn");
    assert(++turnCount <= 10);
  }
});

Deno.test("a length that no device has costs no more than the device", () => {
  const { turns, loads: [liar, other] } = loadsOn(memory(), [{}, {}]);
  liar.frontend.post((words, at) => writeWithoutData(words, at, Operation.Discard, 0, 1, 0, 0, 2 ** 53 - 1));
  liar.frontend.post((words, at) => writeWithoutData(words, at, Operation.Flush, 0, 2, 0, 0, 0));
  const turnsOwed = Math.ceil(deviceInfo().sizeBytes / QUANTUM);
  for (let turn = 0; turn <= turnsOwed + 1; turn++) {
    other.fill(() => 8);
    turns.turn(0);
    other.take();
  }
  assert.deepEqual(liar.frontend.responses().map(({ status }) => status), [Status.Error, Status.Okay]);
});

Deno.test("a ring whose frontend broke the protocol takes no turn from the others", () => {
  const { turns, loads: [broken, ...others] } = loadsOn(memory(), [{}, {}, {}]);
  broken.frontend.publish(1000);
  assert.throws(() => turns.turn(0), /claims 1000 new requests/);
  broken.frontend.backend.abandon();
  for (let turn = 1; turn <= 3; turn++) {
    for (const load of others) load.fill(() => 88);
    turns.turn(0);
    for (const load of others) load.take();
  }
  assert(others.every(({ cost }) => cost >= 3 * QUANTUM));
  assert(!broken.ring.peek() && !broken.ring.ready());
});

Deno.test("a frontend that does not take its answers keeps nobody waiting", () => {
  const { turns, loads: [deaf, other] } = loadsOn(memory(), [{}, {}]);
  deaf.fill(() => 88);
  for (let round = 1; round <= 20; round++) {
    other.read(8);
    turns.turn(0);
    other.take();
    assert.equal(other.answered, round);
  }
});

/** A device that does what it has in the order in which it came, each when it is told to. */
function slowDevice(): { device: LaterDevice; finishOne(): void } {
  let due = 0;
  const device = new LaterDevice(new MemoryDevice(), () => due-- > 0 ? 0 : -1);
  return { device, finishOne: () => void (due = 1) };
}

Deno.test("a device that completes later is given a window's worth, and then there is nothing to look at", () => {
  const { device, finishOne } = slowDevice();
  const { turns, gate, loads } = loadsOn(device, [{ ringOrder: 4 }, { ringOrder: 4 }]);
  for (const load of loads) load.fill(() => 88);
  let turnCount = 0;
  while (turns.turn(0)) assert(++turnCount < 1000);
  const atDevice = (): number => gate.inFlightBytes + gate.inFlight * REQUEST_COST;
  assert(turns.full);
  assert(atDevice() >= WINDOW && atDevice() < WINDOW + 8 * MAX_COST, `${atDevice()}`);
  for (const { ring } of loads) {
    assert(!ring.peek() && !ring.ready(), "a wait would go on until the device has completed something");
    assert(ring.arm(1));
  }
  while (atDevice() >= WINDOW) {
    finishOne();
    assert(gate.reap());
  }
  assert(turns.turn(0), "then the rings go on");
});

Deno.test("a device that completes later is shared alike by those that always have requests", () => {
  for (const [first, second] of [[88, 1], [1, 88], [8, 8], [32, 88]]) {
    const { device, finishOne } = slowDevice();
    const { turns, gate, loads } = loadsOn(device, [{ ringOrder: 4 }, { ringOrder: 4 }]);
    const sectors = [first, second];
    while (loads.some(({ cost }) => cost < 4 * WINDOW)) {
      for (const [index, load] of loads.entries()) load.fill(() => sectors[index]);
      turns.turn(0);
      finishOne();
      gate.reap();
      for (const load of loads) load.take();
      const [a, b] = loads.map(({ cost }) => cost);
      assert(Math.abs(a - b) <= 2 * QUANTUM + 2 * MAX_COST, `${sectors}: ${a} and ${b}`);
    }
  }
});

Deno.test("a ring alone may have all of its requests at a device that completes later", () => {
  const { device } = slowDevice();
  const { turns, gate, loads: [load] } = loadsOn(device, [{ ringOrder: 4 }]);
  load.fill(() => 88);
  while (turns.turn(0));
  assert.equal(gate.inFlight, 512);
});

Deno.test("a client that has used up its limits waits until there is more, while another is served", () => {
  const limits = { iops: 1000, bytesPerSecond: null, burstNs: 10e6 };
  const { turns, loads: [limited, free] } = loadsOn(memory(), [{ limits }, {}]);
  limited.fill(() => 8);
  free.fill(() => 8);
  turns.turn(0);
  for (const load of [limited, free]) load.take();
  assert.equal(limited.answered, 10, "as many as a burst has");
  free.fill(() => 8);
  turns.turn(0);
  free.take();
  assert.equal(limited.frontend.responses().length, 0);
  assert(!limited.ring.peek() && !limited.ring.ready(), "nothing to look at, so the thread can sleep");
  assert(limited.ring.arm(1));
  assert(turns.dueMs > 0 && turns.dueMs < 0.01, `${turns.dueMs}: at once, as nothing is owed`);
  assert.equal(free.answered, 32);
  for (let ms = 1; ms <= 5; ms++) {
    turns.turn(ms);
    limited.take();
    assert.equal(limited.answered, 10 + ms);
    assert(!turns.turn(ms), "and no more");
    assert(turns.dueMs > ms && turns.dueMs <= ms + 1);
  }
});

Deno.test("a client with a limit of bytes owes what its last request took too much, and pays for it in time", () => {
  const limits = { iops: null, bytesPerSecond: 4096 * 1000, burstNs: 1e6 };
  const { turns, loads: [limited] } = loadsOn(memory(), [{ limits }]);
  limited.fill(() => 88);
  turns.turn(0);
  limited.take();
  assert.equal(limited.answered, 1);
  assert(!turns.turn(9.5));
  assert(Math.abs(turns.dueMs - 10) < 0.01, `${turns.dueMs}`);
  assert(turns.turn(turns.dueMs));
  limited.take();
  assert.equal(limited.answered, 2);
});

Deno.test("the limits of a client are those of all its rings together", () => {
  const device = memory();
  const gate = new DeviceGate(device, () => {});
  const turns = new DeficitRoundRobin(gate, (backend, allowance) => backend.service(allowance));
  const limit = new RateLimit({ iops: 1000, bytesPerSecond: null, burstNs: 20e6 });
  const loads = [0, 1, 2].map(() => {
    const frontend = new ScriptedFrontend(device, {}, undefined, gate).connect();
    return new Load(frontend, turns.add(frontend.backend, limit, gate.info.sizeBytes));
  });
  let turnCount = 0;
  do {
    for (const load of loads) {
      load.take();
      load.fill(() => 8);
    }
    assert(++turnCount < 100);
  } while (turns.turn(0));
  assert.equal(loads.reduce((sum, { answered }) => sum + answered, 0), 20);
});
