/**
 * A device with a saboteur in front of it.
 *
 * @module
 */

import { Backend } from "../backend.ts";
import { Operation, Status } from "../blkif.ts";
import { type BlockDevice, BlockRequest, type DeviceInfo, type RequestOwner } from "../block_device.ts";
import type { Counters } from "../counters.ts";
import { Deed, Step } from "./kinds.ts";
import type { FaultPage } from "./page.ts";

/** Does what is due at a step with a request in hand. Returns whether the request must fail; may throw. */
export type PassWithRequest = (step: Step, request: BlockRequest) => boolean;

/** What is done to a response before it is written. */
const RESPONSE_DEEDS: readonly number[] = [
  Deed.ResponseId,
  Deed.ResponseSequence,
  Deed.ResponseOperation,
  Deed.ResponseStatus,
  Deed.ResponseRepeated,
];

/** A device with a saboteur in front of it. It can do what the device can. */
export class SabotagedDevice implements BlockDevice {
  readonly info: DeviceInfo;
  readonly poll?: () => BlockRequest | null;
  readonly listen?: (wake: () => void) => void;
  readonly #device: BlockDevice;
  readonly #page: FaultPage;
  readonly #pass: PassWithRequest;
  /** Requests that the device has and that must fail. */
  readonly #failing = new Set<BlockRequest>();

  /** In front of `device`. */
  constructor(device: BlockDevice, page: FaultPage, pass: PassWithRequest) {
    this.info = device.info;
    this.#device = device;
    this.#page = page;
    this.#pass = pass;
    if (device.poll !== undefined) this.poll = () => this.#finished(device.poll?.() ?? null);
    if (device.listen !== undefined) this.listen = (wake) => device.listen?.(wake);
  }

  get descriptor(): number | undefined {
    return this.#device.descriptor;
  }

  get pollNs(): number | undefined {
    return this.#device.pollNs;
  }

  get operationTimeoutNs(): number | undefined {
    return this.#device.operationTimeoutNs;
  }

  submit(request: BlockRequest): boolean {
    if (this.#happens(Step.Taken, request)) return fail(request);
    if (this.poll === undefined) {
      if (this.#happens(Step.Device, request, () => this.#doHalf(request))) return fail(request);
      this.#device.submit(request);
      if (this.#happens(Step.Done, request)) fail(request);
      return true;
    }
    const done = this.#device.submit(request);
    if (this.#happens(Step.Device, request)) this.#failing.add(request);
    if (done) this.#finished(request);
    return done;
  }

  idle(): void {
    this.#device.idle?.();
  }

  arm(): void {
    this.#device.arm?.();
  }

  counters(): Counters {
    return this.#device.counters?.() ?? {};
  }

  close(): void {
    this.#device.close?.();
  }

  /** A request of a device that completes later is done. */
  #finished(request: BlockRequest | null): BlockRequest | null {
    if (request === null) return null;
    if (this.#failing.delete(request) || this.#happens(Step.Done, request)) fail(request);
    return request;
  }

  /** Whether the request must fail. What cannot be done to it is not done now. */
  #happens(step: Step, request: BlockRequest, before?: () => void): boolean {
    const { deed } = this.#page;
    if (!isFit(deed, request) || !this.#page.isDue(step)) return false;
    before?.();
    try {
      return this.#pass(step, request);
    } catch (thrown) {
      // What a device has already it cannot refuse any more.
      if (this.poll !== undefined && step !== Step.Taken) return true;
      throw thrown;
    }
  }

  /** Does the first half of a request's sectors. */
  #doHalf(request: BlockRequest): void {
    const { sectorSize } = this.info;
    const byteLength = Math.floor(request.byteLength / sectorSize / 2) * sectorSize;
    if (byteLength === 0) return;
    const half = new BlockRequest(NOBODY, 0, request.memory, request.maxExtents);
    half.operation = request.operation;
    half.offsetBytes = request.offsetBytes;
    half.byteLength = byteLength;
    let left = byteLength;
    for (let i = 0; i < request.extentCount && left > 0; i++) {
      const start = request.extentStart(i);
      const length = Math.min(request.extentEnd(i) - start, left);
      half.addExtent(start, start + length);
      left -= length;
    }
    this.#device.submit(half);
  }
}

const NOBODY: RequestOwner = { completed() {} };

/** Whether a request is one to which a deed can be done so that what must come of it is certain. */
function isFit(deed: number, { operation, owner, flushFollows }: BlockRequest): boolean {
  const isFlush = operation === Operation.Flush || operation === Operation.WriteFua;
  // The gate remembers a flush that failed, and may answer another as failed for it: more than one operation.
  if (deed === Deed.Fail || deed === Deed.Throw) return !isFlush;
  if (!RESPONSE_DEEDS.includes(deed)) return true;
  // Of what the gate asks of the device by itself, the backend answers nothing.
  return owner instanceof Backend && !flushFollows && (operation === Operation.Read || operation === Operation.Write);
}

function fail(request: BlockRequest): true {
  request.status = Status.Error;
  return true;
}
