/**
 * A device that does as a test says, for what stands before it: synchronous, or completing later, by a look or by events.
 *
 * @module
 */

import { Operation, Status } from "../../core/blkif.ts";
import type { BlockDevice, BlockRequest, DeviceInfo } from "../../core/block_device.ts";
import type { Counters } from "../../core/counters.ts";

/** How a device completes requests. */
export const WAYS = ["synchronous", "later", "events"] as const;
/** One of the {@link WAYS}. */
export type Way = typeof WAYS[number];

/** A device on which every operation succeeds, unless the test says otherwise. It has no data. */
export class ScriptedDevice implements BlockDevice {
  readonly info: DeviceInfo;
  /** What has been called, in order: `submit`, `idle`, `arm`, `close`, `listen`. */
  readonly calls: string[] = [];
  /** The requests that it has done, in order. */
  readonly done: BlockRequest[] = [];
  /** The requests that it has and has not done. */
  readonly held: BlockRequest[] = [];
  /** How an operation ends. */
  statusOf: (request: BlockRequest) => number = () => Status.Okay;
  /** What `submit` throws; undefined: nothing. */
  throws: unknown = undefined;
  /** Which of so many held requests is done next; −1: none yet. */
  pick: (count: number) => number = () => 0;
  readonly poll?: () => BlockRequest | null;
  readonly listen?: (wake: () => void) => void;
  readonly operationTimeoutNs = 1e9;
  readonly #way: Way;
  #wake = (): void => {};

  /** A device of 1 MiB. */
  constructor(way: Way) {
    this.#way = way;
    this.info = { sizeBytes: 1 << 20, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: true };
    if (way !== "synchronous") this.poll = () => this.#finished();
    if (way === "events") {
      this.listen = (wake) => {
        this.calls.push("listen");
        this.#wake = wake;
      };
    }
  }

  submit(request: BlockRequest): boolean {
    this.calls.push("submit");
    if (this.throws !== undefined) throw this.throws;
    if (this.#way === "synchronous") {
      this.#do(request);
      return true;
    }
    this.held.push(request);
    if (this.#way === "events") queueMicrotask(this.#wake);
    return false;
  }

  idle(): void {
    this.calls.push("idle");
  }

  arm(): void {
    this.calls.push("arm");
  }

  counters(): Counters {
    return { scripted: this.done.length };
  }

  close(): void {
    this.calls.push("close");
  }

  #finished(): BlockRequest | null {
    const index = this.held.length === 0 ? -1 : this.pick(this.held.length);
    if (index < 0) return null;
    const [request] = this.held.splice(index, 1);
    this.#do(request);
    return request;
  }

  #do(request: BlockRequest): void {
    request.status = this.statusOf(request);
    if (request.operation === Operation.Read && request.status === Status.Okay) {
      for (let i = 0; i < request.extentCount; i++) request.extent(i).fill(0);
    }
    this.done.push(request);
  }
}
