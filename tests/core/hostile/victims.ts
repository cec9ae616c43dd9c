/**
 * The two victims: each connected to a hostile peer on this thread.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Operation, Status } from "../../../core/blkif.ts";
import { type BlockDevice, type DeviceInfo, synchronous } from "../../../core/block_device.ts";
import type { Frontend } from "../../../core/frontend.ts";
import type { Segment } from "../../conformance/peer/wire.ts";
import { MemoryDevice } from "../../helpers/devices.ts";
import type { LinkChanges } from "../../helpers/link.ts";
import { ScriptedBackend } from "../../helpers/scripted_backend.ts";
import { ScriptedFrontend } from "../../helpers/scripted_frontend.ts";

/** Sectors of the victim's device. */
export const SECTORS = 64;

/** A backend of a small disk, and the hostile frontend that has it. */
export interface BackendVictim {
  readonly device: MemoryDevice;
  readonly peer: ScriptedFrontend;
  /** A reference of data frame 0, which was granted as it should be. */
  readonly honest: number;
  /** The status of a read of these segments, of which the device sees nothing unless it is done; the link works on. */
  refused(sector: number, ...segments: Segment[]): number;
}

/** A victim whose device's info and link are changed; `wrap` makes a block device of the disk. */
export function backendVictim(
  info: Partial<DeviceInfo> = {},
  changes: LinkChanges = {},
  wrap: (device: MemoryDevice) => BlockDevice = synchronous,
): BackendVictim {
  const device = new MemoryDevice({ sizeBytes: SECTORS * 512, ...info });
  const peer = new ScriptedFrontend(wrap(device), changes).connect();
  const honest = peer.grant(0);
  const refused = (sector: number, ...segments: Segment[]): number => {
    device.calls.length = 0;
    const status = peer.statusOfRead(sector, ...segments);
    if (status !== Status.Okay) assert.deepEqual(device.calls, [], "the device saw nothing of it");
    assert.equal(peer.statusOfRead(0, [honest, 0, 7]), Status.Okay);
    return status;
  };
  return { device, peer, honest, refused };
}

/** The link still works: an honest read is done. */
export function stillServes({ peer, honest }: BackendVictim): void {
  peer.responses();
  assert.equal(peer.statusOfRead(0, [honest, 0, 7]), Status.Okay);
}

/** A frontend that has pushed reads in slots 0 and 1, and the hostile backend that has them. */
export function frontendVictim(changes: LinkChanges = {}): { peer: ScriptedBackend; frontend: Frontend } {
  const peer = new ScriptedBackend(undefined, changes).connect();
  const { frontend } = peer.test;
  frontend.submit(0, Operation.Read, 0, 512);
  frontend.submit(1, Operation.Read, 512, 512);
  assert.equal(frontend.poll(), -1);
  return { peer, frontend };
}

/** The link still works: both reads are answered. */
export function stillAsks({ peer, frontend }: ReturnType<typeof frontendVictim>): void {
  for (const slot of [0, 1]) {
    peer.answer(slot, Operation.Read, Status.Okay);
    assert.equal(frontend.poll(), slot);
    assert.equal(frontend.status(slot), Status.Okay);
  }
}
