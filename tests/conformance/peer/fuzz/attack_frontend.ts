/**
 * One fuzzed state of a ring, and a few steps from there, against a real frontend.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type DeviceInfo, mistakeIn } from "../../../../core/block_device.ts";
import type { Operation } from "../../../../core/blkif.ts";
import { ConnectionError } from "../../../../core/errors.ts";
import {
  connectFrontend,
  type FrontendUnderTest,
  makeFrontend,
  PumpWaiter,
  withRingsAt,
} from "../../../helpers/link.ts";
import { deviceInfo } from "../../../helpers/devices.ts";
import type { Random } from "../../../helpers/random.ts";
import { State } from "../control_words.ts";
import { HostileBackend } from "../hostile_backend.ts";
import { RingWord } from "../wire.ts";
import { type Arena, arenas } from "./arena.ts";
import { FrontendModel, type Request } from "./frontend_model.ts";
import { RegionGuard } from "./region_guard.ts";
import type { FuzzReport } from "./report.ts";
import { oddWord, Scribbler } from "./scribbler.ts";

/** Few slots of few frames as a rule; some of requests that are indirect or split, and more slots than entries. */
const ARENAS = arenas([
  { slots: { count: 6, bytes: 8192 }, batch: 1 },
  { slots: { count: 6, bytes: 8192 }, batch: 4, suppression: "sleep-flag" },
  { slots: { count: 6, bytes: 8192 }, batch: 4, transfer: "copy" },
  { slots: { count: 8, bytes: 8192 }, batch: 8, merge: true, indirectSegments: 0 },
  { slots: { count: 40, bytes: 4096 }, batch: 40 },
  { slots: { count: 3, bytes: 16 * 4096 }, batch: 2, indirectSegments: 14, merge: true },
  { slots: { count: 3, bytes: 16 * 4096 }, batch: 2, indirectSegments: 0, transfer: "copy" },
  { slots: { count: 6, bytes: 8192 }, batch: 1, completion: "thread" },
  { slots: { count: 8, bytes: 8192 }, batch: 4, completion: "thread", suppression: "sleep-flag", merge: true },
]);
const SECTOR_BYTES = 512;
const STEPS = 4;
/** Operations: read, write, flush, discard, write-zeroes, durable write. */
const OPERATIONS = [0, 0, 0, 1, 1, 3, 5, 16, 17];
const INFO: DeviceInfo = deviceInfo({ sizeBytes: 2 ** 40, canWriteZeroes: true, canFua: true });

/**
 * Plays one state.
 *
 * @throws at whatever a right frontend would not have done
 */
export function attackFrontend(random: Random, report: FuzzReport): void {
  const arena = random.chance(0.7) ? ARENAS()[random.below(4)] : random.pick(ARENAS());
  arena.reset();
  const attack = new Attack(arena, random, report);
  if (random.chance(0.05)) attack.shakeHands();
  else attack.run();
}

class Attack {
  readonly #arena: Arena;
  readonly #random: Random;
  readonly #report: FuzzReport;
  readonly #peer: HostileBackend;
  readonly #test: FrontendUnderTest;
  readonly #model: FrontendModel;
  readonly #guard: RegionGuard;
  readonly #scribbler: Scribbler;
  /** Whether the backend answered what may have been a good guess. */
  #guessed = false;
  /** The sector at which the next operation begins. */
  #sector = 0;

  constructor(arena: Arena, random: Random, report: FuzzReport) {
    const { ends } = arena;
    const { memory, options } = ends;
    const startIndex = random.chance(0.5) ? 0 : random.pick([-1, -2, -31, 0x7fffffff - 3, random.u32() | 0]);
    this.#arena = arena;
    this.#random = random;
    this.#report = report;
    this.#peer = new HostileBackend(ends.back, options);
    this.#peer.taken = this.#peer.answered = startIndex;
    this.#test = withRingsAt(startIndex, () => makeFrontend(ends, new PumpWaiter()));
    this.#peer.ring.set([startIndex, startIndex + 1, startIndex, startIndex + 1]);
    this.#model = new FrontendModel(memory.words, this.#peer.layout, options.slots.count);
    this.#model.published = this.#model.consumed = startIndex;
    this.#guard = new RegionGuard(arena, this.#peer.layout, this.#model, this.#test.frontend);
    this.#scribbler = new Scribbler([memory.words], this.#peer.layout, random);
    this.#peer.describe(INFO);
    this.#peer.store.write("feature-max-indirect-segments", 256);
    this.#peer.store.write("feature-sleep-flag", 1);
  }

  /** A handshake in which anything may change at any time ends, with a connection or without. */
  shakeHands(): void {
    const { frontend } = this.#test;
    let steps = 0;
    this.#test.stop = () => {
      this.#peer.step();
      if (this.#random.chance(0.7)) this.#scribbler.control();
      if (this.#random.chance(0.3)) this.#peer.store.write("state", this.#random.below(9));
      this.#arena.ends.front.events.wake();
      return ++steps > 20;
    };
    try {
      frontend.connect();
      assert.equal(mistakeIn(frontend.info), null);
      this.#report.connected++;
    } catch (thrown) {
      this.#broke(thrown);
      assert.throws(() => frontend.submit(0, 0, 0, SECTOR_BYTES), ConnectionError);
    }
  }

  /** An honest handshake, and then anything. */
  run(): void {
    connectFrontend(this.#test, this.#arena.ends);
    let goesOn = true;
    for (let step = this.#random.between(1, STEPS); goesOn && step > 0; step--) goesOn = this.#step();
    if (!this.#guessed) assert.equal(this.#test.frontend.inFlight, this.#model.inFlight);
    assert.deepEqual(this.#test.frontend.info, INFO, "what the device is does not change");
  }

  /** The workload submits, the backend answers and scribbles, the workload polls. Whether the connection holds. */
  #step(): boolean {
    const random = this.#random;
    this.#guard.begin();
    let holds = this.#idle(0.2);
    for (let count = random.between(0, 8); holds && count > 0; count--) this.#submit();
    if (holds && random.chance(0.1)) this.#submitNonsense();
    // Until nothing comes: then all is published, and what is scribbled over it is not taken for a request.
    holds &&= this.#poll(Infinity);
    this.#check();
    if (!holds) return false;
    for (const request of this.#someRequests()) this.#answer(request);
    if (random.chance(0.4)) this.#scribble();
    if (random.chance(0.1)) this.#peer.store.write("state", random.below(10));
    if (random.chance(0.1)) this.#peer.publish(this.#model.consumed + random.pick([0, 1, -1, 33, 64, oddWord(random)]));
    this.#guard.begin();
    const { channel, slots } = this.#arena.ends.options;
    // A thread that takes responses takes all that are there.
    const inPart = random.chance(0.3) && channel.completion === "inline";
    const stillHolds = this.#poll(inPart ? random.below(3) : slots.count + 1);
    this.#check();
    // Answers go where the frontend looks next.
    this.#peer.answered = Atomics.load(this.#peer.ring, RingWord.ResponseProducer);
    return stillHolds;
  }

  /** After a good guess the model does not know what the frontend took. */
  #check(): void {
    if (!this.#guessed) this.#guard.check();
  }

  #submit(): void {
    const random = this.#random;
    const { frontend } = this.#test;
    const slot = random.below(frontend.depth);
    if (!this.#model.isIdle(slot)) return;
    const operation = random.pick(OPERATIONS);
    const sectors = random.chance(0.5) ? 8 : random.below(frontend.maxTransferBytes / SECTOR_BYTES + 1);
    const byteLength = operation === 3 ? 0 : sectors * SECTOR_BYTES;
    const asked = { operation, sector: this.#sector, byteLength };
    // Mostly adjacent, so that some can be merged.
    this.#sector += sectors + (random.chance(0.3) || sectors === 0 ? 8 : 0);
    this.#guard.fill(slot, random.below(256));
    this.#model.submitted(slot, asked);
    this.#guard.submitted(slot, asked);
    frontend.submit(slot, operation as Operation, asked.sector * SECTOR_BYTES, byteLength);
    this.#report.requests += this.#model.look();
  }

  /** What a queue never takes, whatever its backend does. */
  #submitNonsense(): void {
    const { frontend } = this.#test;
    const busy = Array.from({ length: frontend.depth }, (_, slot) => slot).find((slot) => !this.#model.isIdle(slot));
    const [slot, offset, length] = this.#random.pick([
      [frontend.depth, 0, SECTOR_BYTES],
      [busy ?? frontend.depth, 0, SECTOR_BYTES],
      [0, 1, SECTOR_BYTES],
      [0, 0, SECTOR_BYTES - 1],
      [0, -SECTOR_BYTES, SECTOR_BYTES],
      [0, NaN, SECTOR_BYTES],
      [0, 2 ** 53, SECTOR_BYTES],
      [0, 0, frontend.maxTransferBytes + SECTOR_BYTES],
      [0, 0, -SECTOR_BYTES],
    ]);
    assert.throws(() => frontend.submit(slot, 0, offset, length), RangeError);
  }

  /** Polls as often as that. Whether the connection holds. */
  #poll(times: number): boolean {
    for (let i = 0; i < times; i++) {
      let slot: number | null = null;
      let error: unknown = null;
      try {
        slot = this.#test.frontend.poll();
      } catch (thrown) {
        error = thrown;
      }
      this.#report.requests += this.#model.look();
      const asked = slot === null || slot < 0 ? null : this.#model.operation(slot);
      const expected = this.#model.poll();
      if (expected === "either" || error !== null) {
        assert(expected === "either" || expected === "broken", `${expected} expected: ${error}`);
        if (error !== null) this.#brokeForGood(error);
        this.#guessed = expected === "either";
        return false;
      }
      if (expected === "nothing") {
        assert.equal(slot, -1);
        return true;
      }
      assert.notEqual(expected, "broken", `a broken connection expected, found slot ${slot}`);
      assert.deepEqual([slot, this.#test.frontend.status(slot as number)], expected);
      assert(asked !== null, `slot ${slot} was not in flight`);
      this.#guard.finished(slot as number, asked, expected[1] as number);
      this.#report.done++;
    }
    return true;
  }

  /** Waits once; a backend that has left is noticed then. */
  #idle(probability: number): boolean {
    if (!this.#random.chance(probability)) return true;
    this.#test.waiter.pump = () => {};
    const left = this.#peer.store.own("state") !== State.Connected;
    try {
      this.#test.frontend.idle();
      assert(!left || this.#test.frontend.peek(), "a backend that has left is noticed");
    } catch (thrown) {
      assert(left, `the backend is still there: ${thrown}`);
      this.#brokeForGood(thrown);
      return false;
    }
    this.#report.requests += this.#model.look();
    return true;
  }

  #someRequests(): Request[] {
    const requests = [...this.#model.requests.values()];
    const share = this.#random.pick([0, 0.3, 1]);
    const chosen = requests.filter(() => this.#random.chance(share));
    for (let i = chosen.length - 1; i > 0; i--) {
      const other = this.#random.below(i + 1);
      [chosen[i], chosen[other]] = [chosen[other], chosen[i]];
    }
    return chosen;
  }

  /** Answers a request, now and then with a lie. */
  #answer({ id, idHigh, operation }: Request): void {
    const random = this.#random;
    const status = random.chance(0.8) ? 0 : random.pick([-1, -2]);
    if (random.chance(0.95)) return this.#peer.answer(id, operation, status, idHigh);
    const lies: readonly (() => void)[] = [
      () => this.#peer.answer(random.below(32), operation, status, idHigh),
      () => this.#peer.answer(oddWord(random), operation, status, idHigh),
      () => this.#peer.answer(id, operation, status, idHigh - 1),
      () => this.#peer.answer(id, operation, status, oddWord(random)),
      () => this.#peer.answer(id, random.below(256), status, idHigh),
      () => this.#peer.answer(id, operation, random.pick([1, -3, 0x7fff, -0x8000]), idHigh),
      () => {
        for (let i = 0; i < 2; i++) this.#peer.answer(id, operation, status, idHigh);
      },
    ];
    random.pick(lies)();
  }

  #scribble(): void {
    const { layout } = this.#peer;
    const random = this.#random;
    const kind = random.below(6);
    if (kind === 0) this.#scribbler.grants(1, 64);
    else if (kind === 1) this.#scribbler.entries();
    else if (kind === 2) this.#scribbler.control();
    else if (kind === 3) this.#scribbler.frames(layout.dataFrame, layout.frameCount - layout.dataFrame);
    else if (kind === 4 && layout.segmentFrameCount > 0) {
      this.#scribbler.frames(layout.segmentFrame, layout.segmentFrameCount);
    } else this.#ringHeader();
    const { events } = this.#arena.ends.front;
    const port = random.chance(0.5) ? this.#arena.ends.front.port : random.below(256);
    random.pick([() => events.raise(port), () => events.clear(port), () => events.mask(port), () => events.wake()])();
  }

  /** Events and padding; and the frontend's own index, by a number that it cannot come to by itself. */
  #ringHeader(): void {
    const word = this.#random.pick([RingWord.RequestEvent, RingWord.ResponseEvent, 4 + this.#random.below(12)]);
    this.#peer.ring[word] = oddWord(this.#random);
    if (this.#random.chance(0.3)) this.#peer.ring[RingWord.RequestProducer] = this.#model.published + (1 << 30);
  }

  /** The connection stays broken. */
  #brokeForGood(thrown: unknown): void {
    this.#broke(thrown);
    const { frontend } = this.#test;
    assert.throws(() => frontend.poll(), ConnectionError);
    assert.throws(() => frontend.submit(0, 0, 0, SECTOR_BYTES), ConnectionError);
  }

  #broke(thrown: unknown): void {
    if (!(thrown instanceof ConnectionError)) throw thrown;
    this.#report.broken++;
  }
}
