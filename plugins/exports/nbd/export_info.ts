/**
 * What an export is: what its device can do, in the words of NBD.
 *
 * @module
 */

import type { DeviceInfo } from "../../../core/block_device.ts";
import { FRAME_SIZE } from "../../../core/memory.ts";
import { MAX_PAYLOAD_BYTES, TransmissionFlag } from "../../nbd/protocol.ts";

/** One export. */
export interface ExportInfo {
  /** Its name, as clients ask for it; the empty name leads to it, too. */
  readonly name: string;
  /** A sentence for people; empty for none. */
  readonly description: string;
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Bits of {@link TransmissionFlag}. */
  readonly flags: number;
  /** Smallest transfer, to which all are aligned. */
  readonly minimumBytes: number;
  /** What transfers best. */
  readonly preferredBytes: number;
  /** Most data of one request. */
  readonly maximumBytes: number;
  /** Whether writes are refused. */
  readonly readOnly: boolean;
}

/** How a device is exported. */
export interface ExportOptions {
  /** Its name. */
  readonly name: string;
  /** A sentence for people. */
  readonly description: string;
  /** Whether writes are refused, whatever the device. */
  readonly readOnly: boolean;
}

/** The export of a device. All connections see the same writes, so that a client may use several. */
export function exportOf(info: DeviceInfo, { name, description, readOnly }: ExportOptions): ExportInfo {
  const refused = readOnly || info.readOnly;
  const flag = TransmissionFlag;
  const always = flag.HasFlags | flag.SendDontFragment | flag.CanMultiConn | flag.SendFlush | flag.SendFua;
  const writing = flag.SendWriteZeroes | (info.canDiscard ? flag.SendTrim : 0);
  return {
    name,
    description,
    sizeBytes: info.sizeBytes,
    flags: always | (refused ? flag.ReadOnly : writing),
    minimumBytes: info.sectorSize,
    preferredBytes: Math.max(FRAME_SIZE, info.sectorSize),
    maximumBytes: MAX_PAYLOAD_BYTES,
    readOnly: refused,
  };
}
