/**
 * The gate of a device: the one place through which every request goes to it and comes back.
 *
 * @module
 */

import { Operation, Status } from "./blkif.ts";
import { type BlockDevice, type BlockRequest, type DeviceInfo, mistakeIn } from "./block_device.ts";
import { DeviceError, messageOf } from "./errors.ts";
import type { WaitSource } from "./waiter.ts";

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
