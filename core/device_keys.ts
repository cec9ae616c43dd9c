/**
 * How a device's info crosses the handshake: the backend writes it in keys, the frontend reads it there.
 *
 * @module
 */

import { type DeviceInfo, mistakeIn } from "./block_device.ts";
import { ConnectionError } from "./errors.ts";
import { SECTOR_SIZE } from "./memory.ts";
import { type BackendKey, type FrontendKey, VDISK_READONLY, type XenbusStore } from "./xenbus.ts";

const TWO_32 = 2 ** 32;

/** Writes what a device is. */
export function writeDeviceInfo(store: XenbusStore<BackendKey, FrontendKey>, info: DeviceInfo): void {
  const sectors = info.sizeBytes / SECTOR_SIZE;
  store.write("sectors", sectors % TWO_32);
  store.write("sectors-high", Math.floor(sectors / TWO_32));
  store.write("sector-size", info.sectorSize);
  store.write("info", info.readOnly ? VDISK_READONLY : 0);
}

/**
 * Reads what a device is, and what the backend offers to do with it.
 *
 * @throws {ConnectionError} when no device can be so
 */
export function readDeviceInfo(store: XenbusStore<FrontendKey, BackendKey>): DeviceInfo {
  const info: DeviceInfo = {
    sizeBytes: (store.read("sectors") + store.read("sectors-high") * TWO_32) * SECTOR_SIZE,
    sectorSize: store.read("sector-size"),
    readOnly: (store.read("info") & VDISK_READONLY) !== 0,
    canFlush: store.read("feature-flush-cache") === 1,
    canDiscard: store.read("feature-discard") === 1,
    canWriteZeroes: store.read("feature-write-zeroes") === 1,
    canFua: store.read("feature-fua") === 1,
  };
  const mistake = mistakeIn(info);
  if (mistake !== null) {
    throw new ConnectionError(`The connection is broken: the backend offers a device that cannot be: ${mistake}`);
  }
  return info;
}
