/**
 * What an export of a server is as a device, and whether one that is met again is still the same.
 *
 * @module
 */

import type { DeviceInfo } from "../../../core/block_device.ts";
import { FRAME_SIZE, SECTOR_SIZE } from "../../../core/memory.ts";
import { formatSize } from "../../../core/units.ts";
import { TransmissionFlag } from "../../nbd/protocol.ts";
import { HandshakeRefusal, type NbdExport } from "./handshake.ts";

/** What of an export's abilities is wanted. */
export interface ExportWishes {
  /** Whether writes are refused, whatever the server allows. */
  readonly readOnly: boolean;
  /** Whether discards are offered where the server knows them. */
  readonly discard: "auto" | "off";
}

/**
 * The device that an export is.
 *
 * @throws {HandshakeRefusal} when it can be none
 */
export function exportInfo(found: NbdExport, { readOnly, discard }: ExportWishes): DeviceInfo {
  const { minBlockBytes, maxPayloadBytes, sizeBytes, flags } = found;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  if (minBlockBytes > FRAME_SIZE) {
    throw new HandshakeRefusal(
      `its export takes blocks of ${formatSize(minBlockBytes)} at least; sectors of at most 4KiB can be served`,
    );
  }
  const sectorSize = Math.max(SECTOR_SIZE, minBlockBytes);
  if (maxPayloadBytes < sectorSize) {
    throw new HandshakeRefusal(
      `its export takes ${formatSize(maxPayloadBytes)} at most at a time, less than a sector of ${sectorSize} bytes`,
    );
  }
  if (sizeBytes < sectorSize) {
    throw new HandshakeRefusal(`its export has ${sizeBytes} bytes, less than a sector of ${sectorSize} bytes`);
  }
  const writable = !readOnly && !has(TransmissionFlag.ReadOnly);
  return {
    sizeBytes: sizeBytes - sizeBytes % sectorSize,
    sectorSize,
    readOnly: !writable,
    canFlush: has(TransmissionFlag.SendFlush),
    canFua: has(TransmissionFlag.SendFua),
    canDiscard: writable && discard === "auto" && has(TransmissionFlag.SendTrim),
    canWriteZeroes: writable && has(TransmissionFlag.SendWriteZeroes),
  };
}

/** Whether the server says that several connections see the same data. */
export function allowsSeveral({ flags }: NbdExport): boolean {
  return (flags & TransmissionFlag.CanMultiConn) !== 0;
}

/**
 * Why an export cannot stand for the one that was found first, or null.
 *
 * @param info the device that was made of the first
 * @param several whether there are several connections
 */
export function changeOf(first: NbdExport, now: NbdExport, info: DeviceInfo, several: boolean): string | null {
  if (now.sizeBytes !== first.sizeBytes) {
    return `its export has ${now.sizeBytes} bytes now, where it had ${first.sizeBytes}`;
  }
  if (now.minBlockBytes > info.sectorSize) {
    return `its export takes blocks of ${now.minBlockBytes} bytes at least now; the device has sectors of ${info.sectorSize}`;
  }
  if (now.maxPayloadBytes < first.maxPayloadBytes) {
    return `its export takes ${now.maxPayloadBytes} bytes at most now, where it took ${first.maxPayloadBytes}`;
  }
  const wanting = [
    [!info.readOnly && (now.flags & TransmissionFlag.ReadOnly) !== 0, "writes"],
    [info.canFlush && (now.flags & TransmissionFlag.SendFlush) === 0, "flushes"],
    [info.canFua === true && (now.flags & TransmissionFlag.SendFua) === 0, "durable writes"],
    [info.canDiscard && (now.flags & TransmissionFlag.SendTrim) === 0, "discards"],
    [info.canWriteZeroes === true && (now.flags & TransmissionFlag.SendWriteZeroes) === 0, "write-zeroes"],
    [several && !allowsSeveral(now), "several connections"],
  ].filter(([isWanting]) => isWanting).map(([, what]) => what);
  return wanting.length === 0 ? null : `its export does not take ${wanting.join(", ")} any more`;
}
