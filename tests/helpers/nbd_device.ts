/**
 * The device `nbd` on a {@link ScriptedServer}, in one thread: both are moved on in turn.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Operation, Status } from "../../core/blkif.ts";
import { BlockRequest } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { SharedMemory } from "../../core/memory.ts";
import type { NbdDevice } from "../../plugins/devices/nbd/device.ts";
import { openNbdDevice } from "../../plugins/devices/nbd/open.ts";
import nbd from "../../plugins/devices/nbd.ts";
import { mediumContext } from "./medium_context.ts";
import type { ScriptedServer } from "./nbd_script.ts";

/** How long a test waits for what must come. */
const PATIENCE_MS = 30_000;
/** Memory of each slot. */
const SLOT_FRAMES = 64;
const SLOT_BYTES = SLOT_FRAMES * 4096;
const EXTENTS = 256;

/** A device and the server that it talks to. */
export class NbdBench {
  readonly device: NbdDevice;
  readonly gate: DeviceGate;
  readonly notes: string[] = [];
  readonly reports: string[] = [];
  /** Slots in the order in which their requests were answered. */
  readonly done: number[] = [];
  readonly memory: SharedMemory;
  readonly requests: readonly BlockRequest[];
  readonly #server: ScriptedServer;

  /**
   * Connects.
   *
   * @throws what opening the device throws
   */
  constructor(server: ScriptedServer, given: Record<string, unknown> = {}, slots = 1) {
    this.#server = server;
    const options = nbd.options.parse({
      uri: `nbd+unix:///?socket=${encodeURIComponent(server.path)}`,
      retryFrom: "1ms",
      retryTo: "4ms",
      ...given,
    });
    const context = mediumContext({ note: (text) => void this.notes.push(text) });
    const medium = structuredClone(nbd.openMedium(options, context));
    this.device = openNbdDevice(medium, options, { ...context, alive: () => server.step() });
    this.gate = new DeviceGate(this.device, (report) => void this.reports.push(report));
    this.memory = SharedMemory.allocate(slots * SLOT_FRAMES);
    const owner = { completed: ({ slot }: BlockRequest) => void this.done.push(slot) };
    this.requests = Array.from({ length: slots }, (_, slot) => new BlockRequest(owner, slot, this.memory, EXTENTS));
  }

  /** The memory of a slot. */
  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.memory.bytes.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
  }

  /** Submits a request in pieces of so many bytes, with a gap of a sector after each. */
  submit(slot: number, operation: Operation, offsetBytes: number, pieces: readonly number[], byteLength = 0): void {
    const request = this.requests[slot];
    Object.assign(request, { operation, offsetBytes, byteLength, extentCount: 0 });
    let at = slot * SLOT_BYTES;
    for (const length of pieces) {
      request.addExtent(at, at + length);
      request.byteLength += length;
      at += length + 512;
    }
    this.gate.submit(request);
  }

  /** The bytes in a request's pieces. */
  bytesOf(slot: number): Uint8Array {
    const request = this.requests[slot];
    return Uint8Array.from(Array.from({ length: request.extentCount }, (_, i) => [...request.extent(i)]).flat());
  }

  /** Moves both on until a condition holds. */
  until(condition: () => boolean): void {
    for (const deadline = performance.now() + PATIENCE_MS; !condition();) {
      assert(performance.now() < deadline, `never happened: ${condition}. Notes: ${this.notes.join("; ")}`);
      this.#server.step();
      this.gate.reap();
      if (this.gate.inFlight === 0) this.gate.arm(); // As a thread that is about to sleep.
    }
  }

  /** Waits for all that was submitted. */
  finish(): void {
    this.until(() => this.gate.inFlight === 0);
  }

  /** Runs one request alone in slot 0, and tells its status. */
  run(operation: Operation, offsetBytes: number, pieces: readonly number[], byteLength = 0): number {
    this.requests[0].status = Status.Okay;
    this.submit(0, operation, offsetBytes, pieces, byteLength);
    this.finish();
    return this.requests[0].status;
  }

  [Symbol.dispose](): void {
    if (this.gate.inFlight === 0) this.gate.close();
    else this.device.close();
  }
}
