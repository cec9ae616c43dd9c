/**
 * A model of a disk: random operations, many of them in flight, and the bytes that they must lead to.
 *
 * Operations in flight may be done in any order, so none that is submitted overlaps one in flight unless both read.
 *
 * @module
 */

import assert from "node:assert/strict";
import { carriesData, Operation } from "../../core/blkif.ts";
import type { DeviceInfo } from "../../core/block_device.ts";
import { fillPattern } from "../helpers/devices.ts";
import type { OpenedDevice } from "./opened_device.ts";
import { fc } from "./properties.ts";

/** One operation, in sectors of the device. */
export interface DiskStep {
  /** What is done. */
  readonly operation: Operation;
  /** First sector. */
  readonly sector: number;
  /** How many, at least 1. */
  readonly count: number;
  /** Decides what is written. */
  readonly seed: number;
}

interface Pending {
  readonly step: DiskStep;
  readonly start: number;
  readonly end: number;
  /** What a read must find: nothing that could change it is in flight. */
  readonly data: Uint8Array;
}

/** Random sequences of the operations that a device says it knows. */
export function diskSteps(info: DeviceInfo, maxTransferBytes: number): fc.Arbitrary<DiskStep[]> {
  const { Read, Write, Flush, Discard, WriteZeroes, WriteFua } = Operation;
  const sectors = info.sizeBytes / info.sectorSize;
  const operations: Operation[] = [Read, Read, Read];
  if (!info.readOnly) operations.push(Write, Write, Write, WriteFua, WriteZeroes);
  if (!info.readOnly && info.canDiscard) operations.push(Discard);
  if (info.canFlush) operations.push(Flush);
  const step = fc.record({
    operation: fc.constantFrom(...operations),
    sector: fc.nat(sectors - 1),
    count: fc.integer({ min: 1, max: maxTransferBytes / info.sectorSize }),
    seed: fc.nat(10_000),
  }).map((step) => ({ ...step, count: Math.min(step.count, sectors - step.sector) }));
  return fc.array(step, { maxLength: 120, size: "max" });
}

/**
 * Runs steps on a device that holds `disk`, and checks every read; `disk` then holds what the device must hold.
 *
 * @throws an assertion's error at the first difference
 */
export async function runDiskSteps(device: OpenedDevice, disk: Uint8Array, steps: readonly DiskStep[]): Promise<void> {
  const { queue } = device;
  const { sectorSize } = queue.info;
  const pending = new Map<number, Pending>();
  for (const step of steps) {
    const start = step.operation === Operation.Flush ? 0 : step.sector * sectorSize;
    const end = step.operation === Operation.Flush ? 0 : start + step.count * sectorSize;
    while (pending.size === queue.depth || conflicts(step, start, end, pending)) await takeOne(device, pending);
    const slot = freeSlot(queue.depth, step.seed, pending);
    const buffer = queue.buffer(slot).subarray(0, carriesData(step.operation) ? end - start : 0);
    apply(step, buffer, disk.subarray(start, end));
    pending.set(slot, { step, start, end, data: disk.slice(start, end) });
    queue.submit(slot, step.operation, start, end - start);
  }
  while (pending.size > 0) await takeOne(device, pending);
  assert.equal(queue.inFlight, 0);
}

/** What a step does to the model's disk, and what its buffer holds when it is submitted. */
function apply({ operation, seed }: DiskStep, buffer: Uint8Array, disk: Uint8Array): void {
  if (operation === Operation.Read) {
    buffer.fill(0xee);
  } else if (carriesData(operation)) {
    fillPattern(buffer, seed);
    disk.set(buffer);
  } else {
    disk.fill(0); // A discard and a write-zeroes; a flush has no bytes.
  }
}

function conflicts({ operation }: DiskStep, start: number, end: number, pending: Map<number, Pending>): boolean {
  return [...pending.values()].some((other) =>
    other.start < end && start < other.end &&
    !(operation === Operation.Read && other.step.operation === Operation.Read)
  );
}

/** The slots are used in no particular order. */
function freeSlot(depth: number, seed: number, pending: Map<number, Pending>): number {
  const free = Array.from({ length: depth }, (_, slot) => slot).filter((slot) => !pending.has(slot));
  return free[seed % free.length];
}

async function takeOne(device: OpenedDevice, pending: Map<number, Pending>): Promise<void> {
  const { queue, reports } = device;
  const slot = await device.take();
  const done = pending.get(slot);
  assert(done, `slot ${slot} was not in flight`);
  pending.delete(slot);
  const what = `operation ${done.step.operation} of bytes ${done.start} to ${done.end}`;
  assert.equal(queue.status(slot), 0, `${what} failed: ${reports.join()}`);
  if (done.step.operation !== Operation.Read) return;
  assertSameBytes(queue.buffer(slot).subarray(0, done.data.length), done.data, what);
}

/** Fails where bytes differ, with the place of the first difference; much faster than a deep comparison. */
export function assertSameBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
  assert.equal(found.length, expected.length, `${what}: the length`);
  const at = found.findIndex((byte, index) => byte !== expected[index]);
  assert(at < 0, `${what}: byte ${at} is ${found[at]}, expected ${expected[at]}`);
}
