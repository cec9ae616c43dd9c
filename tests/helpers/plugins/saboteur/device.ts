/** A disk in memory that does its driver harm at a request of its choice. */

import { Operation, Status } from "../../../../core/blkif.ts";
import { type BlockDevice, type BlockRequest, synchronous } from "../../../../core/block_device.ts";
import { DeviceError } from "../../../../core/errors.ts";
import { FRAME_SIZE, SECTOR_SIZE } from "../../../../core/memory.ts";
import type { Deeds } from "./deeds.ts";

/** What goes wrong. */
export const FAULTS = [
  "throw",
  "eio",
  "exit",
  "crash",
  "kill",
  "stop",
  "loop",
  "slow",
  "grow",
  "torn",
  "short",
] as const;
/** What requests are counted. */
export const KINDS = ["any", "read", "write", "flush"] as const;

/** When what goes wrong. */
export interface Sabotage {
  /** What. */
  readonly fault: typeof FAULTS[number];
  /** Of which requests. */
  readonly of: typeof KINDS[number];
  /** At every so-manieth of them, counted over all drivers that the medium has had. */
  readonly at: number;
  /** How often in all. */
  readonly times: number;
  /** How long `slow` takes, in nanoseconds. */
  readonly slowFor: number;
  /** Decides which sectors a torn write leaves out. */
  readonly seed: number;
}

/** Bytes before the disk in the medium's memory: the counters. */
export const HEAD_BYTES = FRAME_SIZE;
/** The words of the head: requests of the kind that were seen, and faults that were done. */
export const SEEN = 0;
/** See {@link SEEN}. */
export const FIRED = 1;

/** What the device adds to {@link Sabotage.slowFor} for the time that it says it may block. */
const SLACK_NS = 10e9;
const KIND_OF: Readonly<Record<number, Sabotage["of"]>> = {
  [Operation.Read]: "read",
  [Operation.Write]: "write",
  [Operation.Flush]: "flush",
};

/**
 * The device on its memory.
 *
 * @param sizeBytes of the disk, which lies behind the {@link HEAD_BYTES}
 */
export function saboteur(memory: SharedArrayBuffer, sizeBytes: number, plan: Sabotage, deeds: Deeds): BlockDevice {
  const words = new Int32Array(memory, 0, HEAD_BYTES / 4);
  const disk = new Uint8Array(memory, HEAD_BYTES, sizeBytes);
  const bed = new Int32Array(new SharedArrayBuffer(4));
  const zero = (offsetBytes: number, byteLength: number): void => {
    disk.fill(0, offsetBytes, offsetBytes + byteLength);
  };
  const honest = synchronous({
    info: { sizeBytes, sectorSize: SECTOR_SIZE, readOnly: false, canFlush: true, canDiscard: true },
    read: (offsetBytes, into) => into.set(disk.subarray(offsetBytes, offsetBytes + into.length)),
    write: (offsetBytes, from) => disk.set(from, offsetBytes),
    flush() {},
    discard: zero,
    writeZeroes: zero,
    ...(plan.fault === "slow" ? { operationTimeoutNs: plan.slowFor + SLACK_NS } : {}),
  });

  /** Counts a request. It is noted before it is done, so that no successor does it again. */
  function isDue({ operation }: BlockRequest): boolean {
    if (plan.of !== "any" && KIND_OF[operation] !== plan.of) return false;
    if ((Atomics.add(words, SEEN, 1) + 1) % plan.at !== 0) return false;
    return Atomics.load(words, FIRED) < plan.times && Atomics.add(words, FIRED, 1) < plan.times;
  }

  return {
    ...honest,
    submit(request) {
      if (!isDue(request)) return honest.submit(request);
      switch (plan.fault) {
        case "throw":
          throw new DeviceError("it was told to throw");
        case "eio":
          request.status = Status.Error;
          return true;
        case "exit":
          return deeds.exit();
        case "crash":
          return deeds.crash();
        case "kill":
          return deeds.kill();
        case "stop":
          deeds.stop();
          return honest.submit(request);
        case "loop":
          for (;;);
        case "slow":
          Atomics.wait(bed, 0, 0, plan.slowFor / 1e6);
          return honest.submit(request);
        case "grow":
          return deeds.grow();
        case "torn":
          tear(request, disk, plan.seed + Atomics.load(words, FIRED));
          return deeds.kill();
        case "short":
          readHalf(request, disk);
          throw new DeviceError("it was told to read no more than half");
      }
    },
  };
}

/** Writes some sectors of a request, never all of them: half, on average, in no order. */
function tear(request: BlockRequest, disk: Uint8Array, seed: number): void {
  const sectors = request.byteLength / SECTOR_SIZE;
  let state = seed | 1;
  const random = (): number => { // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  for (let i = 0; i < 8; i++) random(); // Small seeds are much alike at first.
  const missing = random() % sectors;
  let [index, offset] = [0, request.offsetBytes];
  for (let i = 0; i < request.extentCount; i++) {
    const from = request.extent(i);
    for (let at = 0; at < from.length; at += SECTOR_SIZE, offset += SECTOR_SIZE, index++) {
      if (index === missing || random() % 2 === 0) continue;
      disk.set(from.subarray(at, at + SECTOR_SIZE), offset);
    }
  }
}

/** Fills the first half of a request's memory. */
function readHalf(request: BlockRequest, disk: Uint8Array): void {
  let left = request.byteLength / 2;
  let offset = request.offsetBytes;
  for (let i = 0; i < request.extentCount && left > 0; i++) {
    const into = request.extent(i);
    const length = Math.min(into.length, left);
    into.set(disk.subarray(offset, offset + length));
    offset += length;
    left -= length;
  }
}
