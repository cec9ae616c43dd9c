/**
 * The gate of a device: the one place through which every request goes to it and comes back.
 *
 * It refuses what the device must never see, and makes up for what a device cannot do by itself:
 *
 * | operation | a device that can | one that cannot |
 * |---|---|---|
 * | flush, discard | gets it | answered as unsupported |
 * | write-zeroes | gets it (`canWriteZeroes`) | gets writes of zeroes |
 * | durable write (FUA) | gets it (`canFua`) | gets a write, then a flush, answered after both; without a cache to flush, a write |
 *
 * @module
 */

import { carriesData, Operation, Status } from "./blkif.ts";
import { type BlockDevice, BlockRequest, type DeviceInfo, mistakeIn, type RequestOwner } from "./block_device.ts";
import type { Counters } from "./counters.ts";
import { DeviceError, messageOf } from "./errors.ts";
import type { FlushRecord } from "./flush_record.ts";
import { FRAME_SIZE, SharedMemory } from "./memory.ts";
import type { WaitSource } from "./waiter.ts";

/** Zeroes that are written at a time for a device without write-zeroes. */
const ZERO_FRAMES = 16;
const NS_PER_MS = 1e6;

/** Where it stands that a call of the device may take long: who watches the thread does not take it for hanging. */
export interface DeviceCalls {
  /** How long the present call may take, in ms; 0: as long as anything else. */
  blockingMs: number;
}

/** What more a gate of a driver domain has. */
export interface GateOptions {
  /** What is remembered of flushes beyond the driver's death. */
  readonly flushes?: FlushRecord | null;
  /** See {@link DeviceCalls}. */
  readonly calls?: DeviceCalls;
}

/** A device as who sends it requests sees it: all of it, or a part. */
export interface DeviceView {
  /** What it is. */
  readonly info: DeviceInfo;
  /** Whether it completes requests later. */
  readonly asynchronous: boolean;
  /** Runs a request. Its owner gets it back, now or later. On the hot path. */
  submit(request: BlockRequest): void;
}

/**
 * The one way to a device. It checks every request against the device's info, turns what the device throws into a
 * failed request, and hands finished requests back to their owners.
 */
export class DeviceGate implements DeviceView, WaitSource {
  /** The device's info, checked for sense. */
  readonly info: DeviceInfo;
  /** Requests that the device has and has not completed. */
  inFlight = 0;
  /** Bytes that those read or write. */
  inFlightBytes = 0;
  /** Requests that the device has completed so far. */
  taken = 0;
  readonly #device: BlockDevice;
  readonly #report: (message: string) => void;
  readonly #flushes: FlushRecord | null;
  readonly #calls: DeviceCalls;
  /** How long a call of the device may take, in ms; 0: as long as anything else. */
  readonly #callMs: number;
  #finished: BlockRequest | null = null;
  #zeroes: SharedMemory | undefined;

  /**
   * The gate of a device.
   *
   * @param report called with the message of everything that the device throws
   * @throws {DeviceError} when the device's info, or the time for which it may block, makes no sense
   */
  constructor(device: BlockDevice, report: (message: string) => void, { flushes = null, calls }: GateOptions = {}) {
    const mistake = mistakeIn(device.info) ?? mistakeInTimeout(device.operationTimeoutNs);
    if (mistake !== null) throw new DeviceError(`The device cannot be: ${mistake}`);
    this.info = device.info;
    this.#device = device;
    this.#report = report;
    this.#flushes = flushes;
    this.#calls = calls ?? { blockingMs: 0 };
    this.#callMs = Math.ceil(this.operationTimeoutNs / NS_PER_MS);
  }

  /** Whether the device completes requests later, and so is a source to wait for. */
  get asynchronous(): boolean {
    return this.#device.poll !== undefined;
  }

  /** Whether the device completes requests by events, so that its thread must serve them. */
  get eventDriven(): boolean {
    return this.#device.listen !== undefined;
  }

  /** See {@link BlockDevice.descriptor}. */
  get descriptor(): number | undefined {
    return this.#device.descriptor;
  }

  /** See {@link BlockDevice.pollNs}. */
  get peekNs(): number | undefined {
    return this.#device.pollNs;
  }

  /** See {@link BlockDevice.operationTimeoutNs}; 0 where it does not say. */
  get operationTimeoutNs(): number {
    return this.#device.operationTimeoutNs ?? 0;
  }

  /** Has `wake` called whenever an {@link eventDriven} device has completed something. */
  listen(wake: () => void): void {
    this.#device.listen?.(wake);
  }

  /** Runs a request. Its owner gets it back, now or from {@link reap}. On the hot path. */
  submit(request: BlockRequest): void {
    const refusal = this.#refusal(request);
    if (refusal !== Status.Okay) {
      request.status = refusal;
      request.owner.completed(request);
    } else if (request.operation <= Operation.Discard) {
      this.#start(request);
    } else if (request.operation === Operation.WriteFua) {
      this.#startDurable(request);
    } else if (this.info.canWriteZeroes === true) {
      this.#start(request);
    } else {
      this.#zeroes ??= SharedMemory.allocate(ZERO_FRAMES);
      new ZeroWrites(request, this.#zeroes, (piece) => this.#start(piece)).next();
    }
  }

  /** Hands back what the device has finished since. */
  reap(): boolean {
    let found = false;
    while (this.ready()) {
      const request = this.#finished as BlockRequest;
      this.#finished = null;
      this.#complete(request);
      found = true;
    }
    return found;
  }

  /** See {@link ready}. */
  peek(): boolean {
    return this.ready();
  }

  /** Whether {@link reap} would hand something back. */
  ready(): boolean {
    if (this.#finished === null && this.inFlight > 0) {
      if (this.#callMs !== 0) this.#calls.blockingMs = this.#callMs;
      this.#finished = this.#device.poll?.() ?? null;
      if (this.#callMs !== 0) this.#calls.blockingMs = 0;
    }
    return this.#finished !== null;
  }

  /**
   * Only an {@link eventDriven} device rings the doorbell: while another has requests, the thread must go on looking,
   * unless it watches the {@link descriptor}.
   */
  arm(): boolean {
    if (this.inFlight > 0) {
      this.#device.arm?.();
      return this.eventDriven;
    }
    if (this.#device.idle !== undefined) {
      if (this.#callMs !== 0) this.#calls.blockingMs = this.#callMs;
      this.#device.idle();
      if (this.#callMs !== 0) this.#calls.blockingMs = 0;
    }
    return true;
  }

  /** What the device has counted; nothing when it does not count. */
  counters(): Counters {
    return this.#device.counters?.() ?? {};
  }

  /** Closes the device, unless it still has requests: it may be using what it would let go of. */
  close(): void {
    if (this.inFlight === 0) this.#device.close?.();
  }

  #start(request: BlockRequest): void {
    if (this.#flushes !== null && makesDurable(request) && !this.#flushes.begin()) {
      request.status = Status.Error;
      this.#report("a flush failed, or was interrupted, in the driver that was here before");
      this.#answer(request);
      return;
    }
    this.inFlight++;
    if (request.extentCount > 0) this.inFlightBytes += request.byteLength;
    request.atDevice = true;
    let done = true;
    if (this.#callMs !== 0) this.#calls.blockingMs = this.#callMs;
    try {
      done = this.#device.submit(request);
    } catch (thrown) {
      request.status = Status.Error;
      this.#report(messageOf(thrown));
    }
    if (this.#callMs !== 0) this.#calls.blockingMs = 0;
    if (!done && this.#device.poll === undefined) {
      done = true;
      request.status = Status.Error;
      this.#report("submit left a request pending, and there is no poll to complete it");
    }
    if (done) this.#complete(request);
  }

  #startDurable(request: BlockRequest): void {
    if (this.info.canFua !== true) {
      request.operation = Operation.Write;
      request.flushFollows = true;
    }
    this.#start(request);
  }

  #complete(request: BlockRequest): void {
    if (!request.atDevice) {
      this.#report("the device completed a request that it did not have");
      return;
    }
    request.atDevice = false;
    this.inFlight--;
    this.taken++;
    if (this.#flushes !== null && makesDurable(request)) this.#flushes.end(request.status === Status.Okay);
    if (request.extentCount > 0) this.inFlightBytes -= request.byteLength;
    if (request.status !== Status.Okay && request.cause !== undefined) {
      this.#report(messageOf(request.cause));
      request.cause = undefined;
    }
    this.#answer(request);
  }

  #answer(request: BlockRequest): void {
    if (request.flushFollows) this.#completeDurable(request);
    else request.owner.completed(request);
  }

  /** A write is over that was asked to be durable: the flush comes next, or that was it. */
  #completeDurable(request: BlockRequest): void {
    if (request.operation === Operation.Write && request.status === Status.Okay && this.info.canFlush) {
      request.operation = Operation.Flush;
      request.byteLength = 0;
      request.extentCount = 0;
      this.#start(request);
      return;
    }
    request.operation = Operation.WriteFua;
    request.flushFollows = false;
    request.owner.completed(request);
  }

  #refusal(request: BlockRequest): Status {
    const info = this.info;
    const operation = request.operation;
    if (operation === Operation.Flush) return info.canFlush ? Status.Okay : Status.NotSupported;
    if (operation === Operation.Discard) {
      if (!info.canDiscard) return Status.NotSupported;
    } else if (!carriesData(operation) && operation !== Operation.WriteZeroes) {
      return Status.NotSupported;
    }
    if (info.readOnly && operation !== Operation.Read) return Status.Error;
    const offset = request.offsetBytes;
    const length = request.byteLength;
    if (!isMultiple(offset, info.sectorSize) || !isMultiple(length, info.sectorSize)) return Status.Error;
    if (length <= 0 || offset < 0 || offset > info.sizeBytes - length) return Status.Error;
    return Status.Okay;
  }
}

/** A write-zeroes as writes of zeroes, one after another. Not on the hot path. */
class ZeroWrites implements RequestOwner {
  readonly #whole: BlockRequest;
  readonly #piece: BlockRequest;
  readonly #start: (piece: BlockRequest) => void;
  #written = 0;
  /** Whether a piece is being started, and whether it was over before that returned. */
  #starting = false;
  #overAtOnce = false;

  constructor(whole: BlockRequest, zeroes: SharedMemory, start: (piece: BlockRequest) => void) {
    this.#whole = whole;
    this.#piece = new BlockRequest(this, 0, zeroes, 1);
    this.#start = start;
  }

  /** Writes the next piece, and those after it for as long as they are over at once: a loop, as they may be many. */
  next(): void {
    const piece = this.#piece;
    this.#starting = true;
    do {
      piece.operation = Operation.Write;
      piece.offsetBytes = this.#whole.offsetBytes + this.#written;
      piece.byteLength = Math.min(ZERO_FRAMES * FRAME_SIZE, this.#whole.byteLength - this.#written);
      piece.extentCount = 0;
      piece.addExtent(0, piece.byteLength);
      this.#overAtOnce = false;
      this.#start(piece);
    } while (this.#overAtOnce);
    this.#starting = false;
  }

  completed(piece: BlockRequest): void {
    this.#written += piece.byteLength;
    if (piece.status !== Status.Okay || this.#written >= this.#whole.byteLength) {
      this.#whole.status = piece.status;
      this.#whole.owner.completed(this.#whole);
    } else if (this.#starting) {
      this.#overAtOnce = true;
    } else {
      this.next();
    }
  }
}

/** Whether the device makes something durable by it. */
function makesDurable({ operation }: BlockRequest): boolean {
  return operation === Operation.Flush || operation === Operation.WriteFua;
}

/** As `value % unit === 0` for a power of two, without the call that V8 makes for a remainder of doubles. */
function isMultiple(value: number, unit: number): boolean {
  const quotient = value / unit;
  return Math.floor(quotient) === quotient;
}

/** What makes the time for which a device may block impossible, or null: no wait is without an end. */
function mistakeInTimeout(operationTimeoutNs: number | undefined): string | null {
  if (operationTimeoutNs === undefined || (Number.isFinite(operationTimeoutNs) && operationTimeoutNs >= 0)) return null;
  return `its operationTimeoutNs must be a finite number of nanoseconds, from 0 up: found ${operationTimeoutNs}`;
}
