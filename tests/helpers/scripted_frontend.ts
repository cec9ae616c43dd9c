/**
 * A frontend that writes whatever a test likes into the shared region, against a real backend.
 *
 * @module
 */

import { Backend } from "../../core/backend.ts";
import {
  entryWord,
  MAX_SEGMENTS,
  Operation,
  responseOperation,
  responseStatus,
  SEGMENT_WORDS,
  segmentWord,
  writeRequest,
  writeSegment,
} from "../../core/blkif.ts";
import type { BlockDevice } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import type { EventPage } from "../../core/event_channel.ts";
import { GrantTable } from "../../core/grant_table.ts";
import { FRAME_SIZE } from "../../core/memory.ts";
import { type LinkLayout, linkLayout } from "../../core/link.ts";
import { initialiseRing } from "../../core/ring.ts";
import { XenbusStore } from "../../core/xenbus.ts";
import { BACK_DOMAIN, connectBackend, type LinkChanges, type LinkEnds, linkEnds, linkOptions } from "./link.ts";

const REQ_PROD = 0;
const RSP_PROD = 2;

/** A response as found in the ring. */
export interface FoundResponse {
  readonly id: number;
  readonly idHigh: number;
  readonly operation: number;
  readonly status: number;
}

export class ScriptedFrontend {
  readonly layout: LinkLayout;
  readonly ends: LinkEnds;
  readonly backend: Backend;
  readonly gate: DeviceGate;
  readonly grants: GrantTable;
  readonly grantWords: Int32Array;
  readonly ring: Int32Array;
  /** Free-running index of the next request. */
  produced = 0;
  #consumed = 0;

  /**
   * @param driverEvents the event page of the driver domain, if others share it
   * @param gate the device's gate, if others share it
   */
  constructor(
    device: BlockDevice,
    changes: LinkChanges = {},
    driverEvents?: EventPage,
    gate: DeviceGate = new DeviceGate(device, () => {}),
  ) {
    const options = linkOptions(changes);
    this.layout = linkLayout(options);
    this.ends = linkEnds(options, undefined, driverEvents);
    const { memory, back } = this.ends;
    this.gate = gate;
    this.backend = new Backend(back, options, this.gate);
    this.grantWords = memory.frameWords(this.layout.grantFrame, this.layout.grantFrameCount);
    this.grants = new GrantTable(this.grantWords);
    this.ring = memory.frameWords(this.layout.ringFrame, this.layout.ringFrameCount);
  }

  /** Offers the ring as it should be, or changed by `spoil`, and goes through the handshake. */
  connect(spoil: (store: ReturnType<typeof XenbusStore.frontend>) => void = () => {}): this {
    spoil(this.offer());
    connectBackend(this.backend, this.ends);
    return this;
  }

  /** Writes the keys that offer the ring. */
  offer(): ReturnType<typeof XenbusStore.frontend> {
    initialiseRing(this.ring);
    const store = XenbusStore.frontend(this.ends.memory.frameWords(0, 1));
    store.write("ring-page-order", this.layout.ringOrder);
    for (let i = 0; i < this.layout.ringFrameCount; i++) {
      store.write("ring-ref0", this.grants.grantAccess(BACK_DOMAIN, this.layout.ringFrame + i, false), i);
    }
    return store;
  }

  /** Grants a data frame, counted from the first, to the backend. */
  grant(dataFrame: number, readOnly = false): number {
    return this.grants.grantAccess(BACK_DOMAIN, this.layout.dataFrame + dataFrame, readOnly);
  }

  /** Bytes of a data frame. */
  frame(dataFrame: number): Uint8Array {
    const { bytes } = this.ends.memory;
    return bytes.subarray((this.layout.dataFrame + dataFrame) * FRAME_SIZE).subarray(0, FRAME_SIZE);
  }

  /** Writes an entry and publishes it. */
  post(write: (words: Int32Array, at: number) => void): void {
    write(this.ring, entryWord(this.produced & (this.layout.entryCount - 1)));
    this.produced++;
    this.publish(this.produced);
  }

  /** Claims that requests up to a free-running index are there. */
  publish(index: number): void {
    Atomics.store(this.ring, REQ_PROD, index | 0);
  }

  /** A read or write of segments `[reference, first, last]`. */
  postTransfer(operation: number, id: number, sector: number, ...segments: [number, number, number][]): void {
    this.post((words, at) => {
      writeRequest(words, at, operation, segments.length, 0xca00, id, sector);
      const first = segmentWord(at);
      segments.slice(0, MAX_SEGMENTS).forEach((each, i) => writeSegment(words, first + i * SEGMENT_WORDS, ...each));
    });
  }

  /** The responses since the last call. */
  responses(): FoundResponse[] {
    const found: FoundResponse[] = [];
    while (this.#consumed !== this.ring[RSP_PROD]) {
      const at = entryWord(this.#consumed & (this.layout.entryCount - 1));
      const [id, idHigh, outcome] = this.ring.subarray(at);
      found.push({ id, idHigh, operation: responseOperation(outcome), status: responseStatus(outcome) });
      this.#consumed = (this.#consumed + 1) | 0;
    }
    return found;
  }

  /** The status with which the backend answers a read of one segment. */
  statusOfRead(sector: number, ...segments: [number, number, number][]): number {
    this.postTransfer(Operation.Read, 1, sector, ...segments);
    this.backend.service();
    const [response] = this.responses();
    return response.status;
  }
}
