/**
 * What a driver drives: block devices, asynchronous by nature, and the small adapter for those that are not.
 *
 * A plugin author writes a {@link BlockDevice} (submit now, complete later) or, more simply, a
 * {@link SynchronousDevice} (read, write, flush, discard) and wraps it with {@link synchronous}; one whose operations are
 * promises is wrapped with `promised` of `promise_device.ts`. Every request passes the gate of `device_gate.ts` first,
 * which refuses what the device must never see and makes up for what it cannot do by itself.
 *
 * @module
 */

import { Operation, Status } from "./blkif.ts";
import type { Counters } from "./counters.ts";
import { SECTOR_SIZE, type SharedMemory } from "./memory.ts";

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
  /** Whether the device knows write-zeroes itself; else zeroes are written. */
  readonly canWriteZeroes?: boolean;
  /** Whether the device can make a single write durable itself; else it is written, then flushed. */
  readonly canFua?: boolean;
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
  /** One of `Operation.Read`, `Write`, `Flush`, `Discard`, and where the device can: `WriteZeroes`, `WriteFua`. */
  operation: number = Operation.Read;
  /** First byte on the device. */
  offsetBytes = 0;
  /** Bytes to transfer, to discard or to make zero; 0 for a flush. */
  byteLength = 0;
  /** The outcome: set by the device before it completes the request. */
  status: number = Status.Okay;
  /** Contiguous pieces of memory that hold the data, in the order of the device's bytes. */
  extentCount = 0;
  /** Why it failed, for the log: a device that completes requests later may set it. */
  cause: unknown = undefined;
  /** Whether the device has it: the gate's own note. */
  atDevice = false;
  /** Whether a flush follows before it is answered: the gate's own note. */
  flushFollows = false;

  /**
   * A number for each filter that the request passes, at the filter's layer: what it must know of the request when that
   * comes back. Undefined until the filter has put one there.
   */
  readonly marks: number[] = [];

  /** Who gets the request back. */
  readonly owner: RequestOwner;
  /** What the owner needs to answer: for a backend, the low and high word of the ring's id. */
  idLow = 0;
  /** See {@link idLow}. */
  idHigh = 0;

  /** The region in which the data lies. */
  readonly memory: SharedMemory;
  // Doubles, as a region may have 2 GiB and more.
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;

  /**
   * A request that carries nothing yet.
   *
   * @param memory the region in which the data lies
   * @param maxExtents how many pieces the data may be in
   */
  constructor(owner: RequestOwner, slot: number, memory: SharedMemory, maxExtents: number) {
    this.owner = owner;
    this.slot = slot;
    this.memory = memory;
    this.#starts = new Float64Array(maxExtents);
    this.#ends = new Float64Array(maxExtents);
  }

  /** How many pieces the data may be in. */
  get maxExtents(): number {
    return this.#starts.length;
  }

  /** Appends a piece of memory, from `start` up to `end`. */
  addExtent(start: number, end: number): void {
    this.#starts[this.extentCount] = start;
    this.#ends[this.extentCount] = end;
    this.extentCount++;
  }

  /** Where piece `index` begins in {@link memory}, in bytes. */
  extentStart(index: number): number {
    return this.#starts[index];
  }

  /** Where piece `index` ends in {@link memory}, in bytes. */
  extentEnd(index: number): number {
    return this.#ends[index];
  }

  /** Piece `index` as bytes. */
  extent(index: number): Uint8Array<SharedArrayBuffer> {
    return this.memory.view(this.#starts[index], this.#ends[index]);
  }
}

/** A block device. It lives in a driver domain (or, when monolithic, in the application domain). */
export interface BlockDevice {
  /** What it is; constant. */
  readonly info: DeviceInfo;
  /**
   * Starts a request that was already checked against `info`. On the hot path. What was submitted
   * may be handed to the hardware all together at the next {@link poll}, which follows without delay.
   *
   * @returns true when the request is done and its `status` is set; false when {@link poll} will return it later
   * @throws anything: the request then fails, the message is reported, the device lives on
   */
  submit(request: BlockRequest): boolean;
  /** A request that has since been done, or null. Needed where `submit` returns false. On the hot path. */
  poll?(): BlockRequest | null;
  /**
   * A file descriptor that is readable when {@link poll} has something new: with it the thread can sleep until then. A
   * device that completes requests later and has neither this nor {@link listen} is polled without a pause.
   */
  readonly descriptor?: number;
  /** What a {@link poll} that finds nothing costs, in nanoseconds, where it is more than a load: a system call's, say. */
  readonly pollNs?: number;
  /**
   * The longest time for which one call of {@link submit}, {@link poll} or {@link idle} may block the thread, in
   * nanoseconds: its domain is not taken to hang until then. Absent or 0 where none blocks for longer than the
   * scenario's `recovery.hangTimeout`.
   */
  readonly operationTimeoutNs?: number;
  /**
   * Called before the thread sleeps while the device has no request, and so at least every 100 ms unless the thread
   * spins. Whatever makes the {@link descriptor} readable then must be seen to here: the thread would not sleep.
   */
  idle?(): void;
  /**
   * Called before the thread sleeps while the device has requests: what makes the {@link descriptor} readable, or calls
   * what {@link listen} was given, once {@link poll} has something new must be seen to by the end of it.
   */
  arm?(): void;
  /**
   * Only for a device that completes requests by events (promises, timers): takes a function to call whenever
   * {@link poll} has something new. A driver domain then serves its event loop between looks; an application domain
   * has none, so such a device must be isolated.
   */
  listen?(wake: () => void): void;
  /**
   * What it has counted since it was made, by the names that `DevicePlugin.counters` has: whole numbers, which are added
   * up where several domains drive one medium. Asked for when it is made, and before it is closed.
   */
  counters?(): Counters;
  /** Lets go of everything. No request is in flight. */
  close?(): void;
}

/** A device whose operations are over when they return. Throwing fails the request and nothing else. */
export interface SynchronousDevice {
  /** What it is; constant. */
  readonly info: DeviceInfo;
  /** The longest time that one request may take, in nanoseconds. See {@link BlockDevice.operationTimeoutNs}. */
  readonly operationTimeoutNs?: number;
  /** Fills `into` with the device's bytes from `offsetBytes` on. */
  read(offsetBytes: number, into: Uint8Array): void;
  /** Stores `from` on the device from `offsetBytes` on. */
  write(offsetBytes: number, from: Uint8Array): void;
  /** Makes all finished writes durable. Needed where `info.canFlush`. */
  flush?(): void;
  /** Forgets bytes. Needed where `info.canDiscard`. */
  discard?(offsetBytes: number, byteLength: number): void;
  /** Makes bytes zero. Where it is missing, zeroes are written. */
  writeZeroes?(offsetBytes: number, byteLength: number): void;
  /** See {@link BlockDevice.counters}. */
  counters?(): Counters;
  /** Lets go of everything. */
  close?(): void;
}

/** A block device from a synchronous one. */
export function synchronous(device: SynchronousDevice): BlockDevice {
  return {
    info: { ...device.info, canWriteZeroes: device.writeZeroes !== undefined, canFua: false },
    operationTimeoutNs: device.operationTimeoutNs,
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
        case Operation.WriteZeroes:
          device.writeZeroes?.(offset, request.byteLength);
          break;
      }
      request.status = Status.Okay;
      return true;
    },
    counters: () => device.counters?.() ?? {},
    close: () => device.close?.(),
  };
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
