/**
 * One fuzzed state of a ring, and a few steps from there, against a real backend.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Allowance } from "../../../../core/allowance.ts";
import { Backend } from "../../../../core/backend.ts";
import type { DeviceInfo } from "../../../../core/block_device.ts";
import { DeviceGate } from "../../../../core/device_gate.ts";
import { ConnectionError } from "../../../../core/errors.ts";
import { Partition, rangeOf } from "../../../../core/partition.ts";
import { BACK_DOMAIN, connectBackend, withRingsAt } from "../../../helpers/link.ts";
import type { Random } from "../../../helpers/random.ts";
import { State } from "../control_words.ts";
import { HostileFrontend } from "../hostile_frontend.ts";
import { type RequestFields, RingWord, type Segment, SEGMENT_BYTES, writeSegmentBytes } from "../wire.ts";
import { BackendModel, type Expected } from "./backend_model.ts";
import { CheckedDevice } from "./checked_device.ts";
import { differenceBetween } from "./difference.ts";
import { type Arena, arenas } from "./arena.ts";
import type { FuzzReport } from "./report.ts";
import { oddWord, Scribbler } from "./scribbler.ts";

/** Data frames of the link. */
const DATA_FRAMES = 12;
const ARENAS = arenas([0, 1].map((ringOrder) => ({ ringOrder, slots: { count: DATA_FRAMES, bytes: 4096 } })));
/** Segments that are written for indirect requests. */
const SEGMENTS = 24;
const STEPS = 4;
const REAPS = 200;

/**
 * Plays one state.
 *
 * @throws at whatever a right backend would not have done
 */
export function attackBackend(random: Random, report: FuzzReport): void {
  const arena = random.pick(ARENAS());
  arena.reset();
  const attack = new Attack(arena, random, report);
  if (random.chance(0.05)) attack.shakeHands();
  else attack.run();
}

class Attack {
  readonly #arena: Arena;
  readonly #random: Random;
  readonly #report: FuzzReport;
  readonly #model: BackendModel;
  readonly #device: CheckedDevice;
  readonly #gate: DeviceGate;
  readonly #backend: Backend;
  readonly #peer: HostileFrontend;
  readonly #scribbler: Scribbler;
  readonly #info: DeviceInfo;
  /** References that grant a data frame, at least at first. */
  readonly #references: number[] = [];

  constructor(arena: Arena, random: Random, report: FuzzReport) {
    const { ends, copy } = arena;
    const { memory, options } = ends;
    const startIndex = random.chance(0.5) ? 0 : random.pick([-1, -2, -31, -40, 0x7fffffff - 3, random.u32() | 0]);
    this.#arena = arena;
    this.#random = random;
    this.#report = report;
    this.#peer = new HostileFrontend(ends.front, options);
    this.#peer.produced = this.#peer.consumed = startIndex;
    const info = randomInfo(random);
    const range = random.chance(0.3) ? rangeOf(info, { index: random.below(3), count: 3 }) : null;
    this.#info = range === null ? info : { ...info, sizeBytes: range.sizeBytes };
    const rangeStart = range?.offsetBytes ?? null;
    this.#model = new BackendModel(copy, this.#peer.layout, this.#info, rangeStart, BACK_DOMAIN, startIndex);
    this.#device = new CheckedDevice(info, memory, this.#model, random, random.chance(0.5));
    this.#gate = new DeviceGate(this.#device, () => {});
    const view = range === null ? this.#gate : new Partition(this.#gate, range);
    this.#backend = withRingsAt(startIndex, () => new Backend(ends.back, options, view));
    this.#scribbler = new Scribbler([memory.words, copy], this.#peer.layout, random);
    this.#device.scribble = () => {
      if (random.chance(0.3)) this.#scribble();
    };
  }

  /** A handshake in which anything may change at any time ends, with a connection or without. */
  shakeHands(): void {
    const { ends } = this.#arena;
    const keys = this.#peer.offer();
    let steps = 0;
    try {
      this.#backend.offer();
      this.#backend.connect(() => {
        this.#peer.step();
        if (this.#random.chance(0.7)) this.#scribbler.control();
        if (this.#random.chance(0.3)) keys.write("state", this.#random.below(9));
        ends.back.events.wake();
        return ++steps > 20;
      });
      this.#report.connected++;
    } catch (thrown) {
      this.#broke(thrown);
    }
    this.#backend.close();
    assert.deepEqual(this.#peer.grants.mapped(), [], "no grant stays mapped");
  }

  /** An honest handshake, and then anything. */
  run(): void {
    const keys = this.#peer.offer();
    this.#model.sleepFlags = this.#random.chance(0.3);
    if (this.#model.sleepFlags) keys.write("feature-sleep-flag", 1);
    connectBackend(this.#backend, this.#arena.ends);
    this.#copyRegion();
    for (let i = 0; i < this.#peer.layout.ringFrameCount; i++) assert(this.#model.map(8 + i, true) > 0);
    for (let frame = 0; frame < DATA_FRAMES; frame++) {
      this.#references.push(this.#peer.grant(frame, this.#random.chance(0.15)));
    }
    this.#fillSegments();
    let goesOn = true;
    for (let step = this.#random.between(1, STEPS); goesOn && step > 0; step--) goesOn = this.#step();
    this.#end();
  }

  /** Some change, then a turn of the driver. Returns whether the connection holds. */
  #step(): boolean {
    const random = this.#random;
    for (let count = random.pick([0, 1, 2, 5, 9, 33]); count > 0; count--) this.#peer.postRequest(this.#request());
    if (random.chance(0.5)) this.#scribble();
    if (random.chance(0.1)) this.#peer.publish(this.#peer.produced + random.pick([1, -1, 32, 33, 64, oddWord(random)]));
    this.#copyRegion();
    if (random.chance(0.2)) this.#arm();
    const holds = this.#service() && this.#reap(0.8) && this.#connected();
    this.#compare();
    this.#resume();
    return holds;
  }

  #service(): boolean {
    const claimed = this.#model.claimed;
    const idle = this.#peer.layout.entryCount - this.#model.inFlight;
    if (claimed > idle) {
      assert.throws(() => this.#backend.service(), ConnectionError, `${claimed} requests where ${idle} fit`);
      this.#report.broken++;
      return false;
    }
    const most = this.#gate.asynchronous ? Math.min(claimed, 8) : claimed;
    if (most === 0) {
      assert.equal(this.#backend.service(), false);
      return true;
    }
    const allowance = this.#random.chance(0.2) ? this.#allowance() : null;
    const taken = this.#model.take(Math.min(most, allowance?.requests ?? most), this.#bytesAllowed(allowance));
    this.#device.expect(taken);
    assert.equal(this.#backend.service(allowance), true);
    this.#device.finishExpected();
    this.#report.requests += taken.length;
    this.#checkDevice();
    return true;
  }

  /** As a driver has it that serves several clients. */
  #allowance(): Allowance {
    const allowance = new Allowance(this.#info.sizeBytes);
    allowance.requests = this.#random.pick([1, 2, 7, Infinity]);
    allowance.bytes = this.#random.pick([1, 4096, 20_000, Infinity]);
    return allowance;
  }

  /** Whether another request may be taken after one: all but discards count towards the bytes. */
  #bytesAllowed(allowance: Allowance | null): (taken: Expected) => boolean {
    let left = allowance?.bytes ?? Infinity;
    return ({ operation, byteLength }) => {
      if (operation !== 5) left -= Math.min(byteLength, this.#info.sizeBytes);
      return left > 0;
    };
  }

  #reap(probability: number): boolean {
    if (!this.#random.chance(probability)) return true;
    const together = this.#random.chance(0.5);
    if (together) {
      this.#backend.hold();
      this.#device.hold();
    }
    this.#gate.reap();
    this.#device.settle();
    if (together) {
      this.#backend.release();
      this.#device.release();
    }
    this.#checkDevice();
    return true;
  }

  /** What the frontend's state says is believed only if the table of transitions has it. */
  #connected(): boolean {
    try {
      const connected = this.#backend.connected;
      assert.equal(connected, this.#peer.keys.own("state") === State.Connected);
      return connected;
    } catch (thrown) {
      this.#broke(thrown);
      return false;
    }
  }

  #arm(): void {
    const distance = this.#random.pick([1, 1, 3, 32, 1000, 0, -5]);
    this.#backend.arm(distance);
    this.#model.arm(Math.max(1, Math.min(distance, this.#peer.layout.entryCount)));
    this.#backend.peek();
    this.#backend.ready();
    if (this.#random.chance(0.5)) {
      this.#backend.disarm();
      this.#model.disarm();
    }
  }

  /** The connection ends when the device has nothing of it any more. */
  #end(): void {
    this.#backend.abandon();
    assert.equal(this.#backend.service(), false, "nothing more is taken");
    this.#device.scribble = () => {};
    for (let turn = 0; this.#backend.busy && turn < REAPS; turn++) this.#reap(1);
    assert(!this.#backend.busy, "all requests are answered in the end");
    assert.equal(this.#model.inFlight, 0);
    this.#backend.close();
    this.#model.close();
    this.#compare();
    this.#report.done += this.#device.done;
  }

  /** Requests follow what the frontend claims to have written, if that can be. */
  #resume(): void {
    const claim = Atomics.load(this.#peer.ring, RingWord.RequestProducer);
    if (((claim - this.#peer.produced) >>> 0) <= 64) this.#peer.produced = claim;
  }

  #scribble(): void {
    const { layout } = this.#peer;
    const random = this.#random;
    const kind = random.below(8);
    if (kind < 3) this.#scribbler.grants(BACK_DOMAIN, DATA_FRAMES + 4);
    else if (kind < 5) this.#scribbler.entries();
    else if (kind === 5) this.#scribbler.control();
    else if (kind === 6) this.#scribbler.frames(layout.dataFrame, DATA_FRAMES);
    else this.#scribbler.frames(0, layout.frameCount);
    this.#scribbleEvents();
  }

  /** Pending words, masks and the bell of the driver's page, and of its own. */
  #scribbleEvents(): void {
    const { back, front } = this.#arena.ends;
    const page = this.#random.pick([back, front]);
    const port = this.#random.pick([back.port, front.port, this.#random.below(256)]);
    this.#random.pick([() => page.events.raise(port), () => page.events.clear(port), () => page.events.mask(port)])();
  }

  #fillSegments(): void {
    const frame = this.#peer.frame(0);
    const bytes = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
    for (let i = 0; i < SEGMENTS; i++) writeSegmentBytes(bytes, i * SEGMENT_BYTES, this.#segment());
  }

  /** A request that is mostly right. */
  #request(): RequestFields {
    const random = this.#random;
    const sectors = this.#info.sizeBytes / 512;
    const sector = random.chance(0.9)
      ? random.below(sectors) & (random.chance(0.7) ? ~7 : ~0)
      : [oddWord(random), oddWord(random)] as const;
    const id = random.chance(0.9) ? random.below(64) : random.u32() | 0;
    const common = { id, idHigh: random.chance(0.5) ? random.below(4) : random.u32() | 0, sector };
    const kind = random.below(20);
    if (kind < 11) {
      const segments = Array.from({ length: random.between(1, random.chance(0.5) ? 2 : 11) }, () => this.#segment());
      const lie = random.chance(0.05) ? { segmentCount: random.pick([0, 12, 13, 255]) } : {};
      return { ...common, operation: random.pick([0, 0, 1, 17]), segments, ...lie };
    }
    if (kind < 15) {
      const count = random.chance(0.9) ? random.between(1, SEGMENTS) : random.pick([0, 256, 257, 512, 65_535]);
      const reference = random.chance(0.95) ? this.#references[0] : random.u32();
      return { ...common, operation: 6, indirect: [random.pick([0, 1, 17, 0, 1, 6, 3, 255]), count, reference] };
    }
    if (kind < 17) {
      const sectorCount = random.chance(0.9) ? random.below(sectors) & ~7 : [oddWord(random), oddWord(random)] as const;
      return { ...common, operation: random.pick([5, 16]), sectorCount, segmentCount: random.chance(0.1) ? 1 : 0 };
    }
    return { ...common, operation: kind < 19 ? 3 : random.below(256), segmentCount: random.below(256) };
  }

  #segment(): Segment {
    const random = this.#random;
    const reference = random.chance(0.97) ? random.pick(this.#references) : random.pick([0, 8, 511, random.u32()]);
    if (random.chance(0.7)) return [reference, 0, 7];
    if (random.chance(0.9)) return [reference, random.below(4), random.between(4, 7)];
    return [reference, random.below(256), random.below(256)];
  }

  #copyRegion(): void {
    this.#arena.copy.set(this.#arena.ends.memory.words);
  }

  /** Nothing in the region is other than the model has it. */
  #compare(): void {
    const { copy, ends: { memory } } = this.#arena;
    const [found, expected] = [memory.bytes, new Uint8Array(copy.buffer)];
    if (Buffer.compare(found, expected) === 0) return;
    assert.fail(differenceBetween(memory.words, copy, this.#peer.layout));
  }

  #checkDevice(): void {
    if (this.#device.failure !== null) throw this.#device.failure;
  }

  #broke(thrown: unknown): void {
    if (!(thrown instanceof ConnectionError)) throw thrown;
    this.#report.broken++;
  }
}

function randomInfo(random: Random): DeviceInfo {
  return {
    sizeBytes: random.pick([1 << 16, 1 << 18, 1 << 20]),
    sectorSize: random.pick([512, 512, 512, 4096]),
    readOnly: random.chance(0.1),
    canFlush: random.chance(0.8),
    canDiscard: random.chance(0.8),
    canWriteZeroes: random.chance(0.5),
    canFua: random.chance(0.5),
  };
}
