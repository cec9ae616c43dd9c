/**
 * What a driver drives: block devices, asynchronous by nature, and the small adapter for those that are not.
 *
 * A plugin author writes a {@link BlockDevice} (submit now, complete later) or, more simply, a
 * {@link SynchronousDevice} (read, write, flush, discard) and wraps it with {@link synchronous}. Every request passes
 * {@link DeviceGate} first, which refuses what the device must never see.
 *
 * @module
 */

import { Operation, Status } from "./blkif.ts";
import { DeviceError, messageOf } from "./errors.ts";
import { SECTOR_SIZE, type SharedMemory } from "./memory.ts";
import type { WaitSource } from "./waiter.ts";

/** What a device is. */
export interface DeviceInfo {
  /** Size in bytes, a multiple of `sectorSize`. */
  readonly sizeBytes: number;
  /** Logical sector size in bytes: a power of two, at least 512. Requests are aligned to it. */
  readonly sectorSize: number;
  /** Whether writes and discards are refused. */
  readonly readOnly: boolean;
  /** Whether the device has a cache to flush. */
  readonly canFlush: boolean;
  /** Whether the device can discard sectors. */
  readonly canDiscard: boolean;
}

/** Who gets a request back. */
export interface RequestOwner {
  /** The request is done; its `status` says how. */
  completed(request: BlockRequest): void;
}

/**
 * One operation on a device: which bytes of it, and which shared memory they come from or go to.
 *
 * Requests are made once and used again and again; a device must not keep one after completing it.
 */
export class BlockRequest {
  /** Names the request to its owner. */
  readonly slot: number;
  /** One of `Operation.Read`, `Write`, `Flush`, `Discard`. */
  operation: number = Operation.Read;
  /** First byte on the device. */
  offsetBytes = 0;
  /** Bytes to transfer or to discard; 0 for a flush. */
  byteLength = 0;
  /** The outcome: set by the device before it completes the request. */
  status: number = Status.Okay;
  /** Contiguous pieces of memory that hold the data, in the order of the device's bytes. */
  extentCount = 0;

  /** Who gets the request back. */
  readonly owner: RequestOwner;
  /** What the owner needs to answer: for a backend, the low and high word of the ring's id. */
  idLow = 0;
  /** See {@link idLow}. */
  idHigh = 0;

  readonly #memory: SharedMemory;
  readonly #offsets: Int32Array;
  readonly #lengths: Int32Array;
  readonly #views: Uint8Array<SharedArrayBuffer>[];

  /**
   * A request that carries nothing yet.
   *
   * @param memory the region in which the data lies
   * @param maxExtents how many pieces the data may be in
   */
  constructor(owner: RequestOwner, slot: number, memory: SharedMemory, maxExtents: number) {
    this.owner = owner;
    this.slot = slot;
    this.#memory = memory;
    this.#offsets = new Int32Array(maxExtents);
    this.#lengths = new Int32Array(maxExtents);
    this.#views = Array.from({ length: maxExtents }, () => new Uint8Array(memory.buffer, 0, 0));
  }

  /** Appends a piece of memory, from `start` up to `end`. */
  addExtent(start: number, end: number): void {
    this.#offsets[this.extentCount] = start;
    this.#lengths[this.extentCount] = end - start;
    this.extentCount++;
  }

  /** Piece `index` as bytes. A view is made only when the piece is another than the last time, so most cost nothing. */
  extent(index: number): Uint8Array<SharedArrayBuffer> {
    const offset = this.#offsets[index];
    const length = this.#lengths[index];
    const view = this.#views[index];
    if (view.byteOffset === offset && view.length === length) return view;
    return (this.#views[index] = new Uint8Array(this.#memory.buffer, offset, length));
  }
}

/** A block device. It lives in a driver domain (or, when monolithic, in the application domain). */
export interface BlockDevice {
  /** What it is; constant. */
  readonly info: DeviceInfo;
  /**
   * Starts a request that was already checked against `info`. On the hot path.
   *
   * @returns true when the request is done and its `status` is set; false when {@link poll} will return it later
   * @throws anything: the request then fails, the message is reported, the device lives on
   */
  submit(request: BlockRequest): boolean;
  /** A request that has since been done, or null. Needed where `submit` returns false. On the hot path. */
  poll?(): BlockRequest | null;
  /** Lets go of everything. No request is in flight. */
  close?(): void;
}

/** A device whose operations are over when they return. Throwing fails the request and nothing else. */
export interface SynchronousDevice {
  /** What it is; constant. */
  readonly info: DeviceInfo;
  /** Fills `into` with the device's bytes from `offsetBytes` on. */
  read(offsetBytes: number, into: Uint8Array): void;
  /** Stores `from` on the device from `offsetBytes` on. */
  write(offsetBytes: number, from: Uint8Array): void;
  /** Makes all finished writes durable. Needed where `info.canFlush`. */
  flush?(): void;
  /** Forgets bytes. Needed where `info.canDiscard`. */
  discard?(offsetBytes: number, byteLength: number): void;
  /** Lets go of everything. */
  close?(): void;
}

/** A block device from a synchronous one. */
export function synchronous(device: SynchronousDevice): BlockDevice {
  return {
    info: device.info,
    submit(request: BlockRequest): boolean {
      let offset = request.offsetBytes;
      switch (request.operation) {
        case Operation.Read:
          for (let i = 0; i < request.extentCount; i++) {
            const into = request.extent(i);
            device.read(offset, into);
            offset += into.length;
          }
          break;
        case Operation.Write:
          for (let i = 0; i < request.extentCount; i++) {
            const from = request.extent(i);
            device.write(offset, from);
            offset += from.length;
          }
          break;
        case Operation.Flush:
          device.flush?.();
          break;
        case Operation.Discard:
          device.discard?.(offset, request.byteLength);
          break;
      }
      request.status = Status.Okay;
      return true;
    },
    close: () => device.close?.(),
  };
}

/**
 * The one way to a device. It checks every request against the device's info, turns what the device throws into a
 * failed request, and hands finished requests back to their owners.
 */
export class DeviceGate implements WaitSource {
  /** The device's info, checked for sense. */
  readonly info: DeviceInfo;
  /** Requests that the device has and has not completed. */
  inFlight = 0;
  readonly #device: BlockDevice;
  readonly #report: (message: string) => void;
  #finished: BlockRequest | null = null;

  /**
   * The gate of a device.
   *
   * @param report called with the message of everything that the device throws
   * @throws {DeviceError} when the device's info makes no sense
   */
  constructor(device: BlockDevice, report: (message: string) => void) {
    const mistake = mistakeIn(device.info);
    if (mistake !== null) throw new DeviceError(`The device cannot be: ${mistake}`);
    this.info = device.info;
    this.#device = device;
    this.#report = report;
  }

  /** Whether the device completes requests later, and so is a source to wait for. */
  get asynchronous(): boolean {
    return this.#device.poll !== undefined;
  }

  /** Runs a request. Its owner gets it back, now or from {@link reap}. On the hot path. */
  submit(request: BlockRequest): void {
    const refusal = this.#refusal(request);
    if (refusal !== Status.Okay) {
      request.status = refusal;
      request.owner.completed(request);
      return;
    }
    this.inFlight++;
    let done = true;
    try {
      done = this.#device.submit(request);
    } catch (thrown) {
      request.status = Status.Error;
      this.#report(messageOf(thrown));
    }
    if (!done && this.#device.poll === undefined) {
      done = true;
      request.status = Status.Error;
      this.#report("submit left a request pending, and there is no poll to complete it");
    }
    if (done) this.#complete(request);
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
    if (this.#finished === null && this.inFlight > 0) this.#finished = this.#device.poll?.() ?? null;
    return this.#finished !== null;
  }

  /** A device cannot ring the doorbell: while it has requests, the thread must go on looking. */
  arm(): boolean {
    return this.inFlight === 0;
  }

  /** Closes the device. */
  close(): void {
    this.#device.close?.();
  }

  #complete(request: BlockRequest): void {
    this.inFlight--;
    request.owner.completed(request);
  }

  #refusal(request: BlockRequest): Status {
    const info = this.info;
    const operation = request.operation;
    if (operation === Operation.Flush) return info.canFlush ? Status.Okay : Status.NotSupported;
    if (operation === Operation.Discard) {
      if (!info.canDiscard) return Status.NotSupported;
    } else if (operation !== Operation.Read && operation !== Operation.Write) {
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

/** As `value % unit === 0` for a power of two, without the call that V8 makes for a remainder of doubles. */
function isMultiple(value: number, unit: number): boolean {
  const quotient = value / unit;
  return Math.floor(quotient) === quotient;
}

/** What makes a device's info impossible, or null. */
export function mistakeIn({ sectorSize, sizeBytes }: DeviceInfo): string | null {
  if (!(sectorSize >= SECTOR_SIZE && Number.isInteger(Math.log2(sectorSize)))) {
    return `its sector size must be a power of two from 512 up: found ${sectorSize}`;
  }
  if (!(Number.isSafeInteger(sizeBytes) && sizeBytes >= sectorSize && sizeBytes % sectorSize === 0)) {
    return `its size must be a multiple of its sector size (${sectorSize} bytes) and not 0: found ${sizeBytes}`;
  }
  return null;
}
