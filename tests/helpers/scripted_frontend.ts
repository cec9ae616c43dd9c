/**
 * A hostile frontend together with the real backend that it attacks, on one thread.
 *
 * @module
 */

import { Backend } from "../../core/backend.ts";
import { Operation } from "../../core/blkif.ts";
import type { BlockDevice } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import type { EventPage } from "../../core/event_channel.ts";
import { HostileFrontend } from "../conformance/peer/hostile_frontend.ts";
import type { Segment } from "../conformance/peer/wire.ts";
import { connectBackend, type LinkChanges, type LinkEnds, linkEnds, linkOptions } from "./link.ts";

export class ScriptedFrontend extends HostileFrontend {
  readonly ends: LinkEnds;
  readonly backend: Backend;
  readonly gate: DeviceGate;

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
    const ends = linkEnds(options, undefined, driverEvents);
    super(ends.front, options);
    this.ends = ends;
    this.gate = gate;
    this.backend = new Backend(ends.back, options, this.gate);
  }

  /** Offers the ring as it should be, or changed by `spoil`, and goes through the handshake. */
  connect(spoil: (store: HostileFrontend["keys"]) => void = () => {}): this {
    spoil(this.offer());
    connectBackend(this.backend, this.ends);
    return this;
  }

  /** The status with which the backend answers a read of these segments. */
  statusOfRead(sector: number, ...segments: Segment[]): number {
    this.postTransfer(Operation.Read, 1, sector, ...segments);
    this.backend.service();
    const [response] = this.responses();
    return response.status;
  }
}
