/**
 * A hostile backend together with the real frontend that it attacks, on one thread.
 *
 * @module
 */

import type { DeviceInfo } from "../../core/block_device.ts";
import { HostileBackend } from "../conformance/peer/hostile_backend.ts";
import { deviceInfo } from "./devices.ts";
import {
  connectFrontend,
  type FrontendUnderTest,
  type LinkChanges,
  type LinkEnds,
  linkEnds,
  linkOptions,
  makeFrontend,
  PumpWaiter,
} from "./link.ts";

export class ScriptedBackend extends HostileBackend {
  readonly ends: LinkEnds;
  readonly test: FrontendUnderTest;

  constructor(info: DeviceInfo = deviceInfo(), changes: LinkChanges = {}) {
    const options = linkOptions(changes);
    const ends = linkEnds(options);
    super(ends.back, options);
    this.ends = ends;
    this.test = makeFrontend(ends, new PumpWaiter());
    this.describe(info);
  }

  /** Lets the frontend go through the handshake. */
  connect(): this {
    connectFrontend(this.test, this.ends);
    return this;
  }
}
