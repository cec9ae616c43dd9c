/**
 * A disk by ATA commands alone: the kernel's driver carries them, and adds no cache and no queue of its own.
 *
 * One command is in flight at a time, so native command queuing is not used. A request's pieces of memory go to the
 * kernel as one list: data moves straight between them and the disk where each piece begins and ends on a logical
 * sector, else the kernel copies that request, which is counted.
 *
 * @module
 */

import { Operation, Status } from "../../../core/blkif.ts";
import type { BlockDevice, BlockRequest, DeviceInfo } from "../../../core/block_device.ts";
import { DeviceError } from "../../../core/errors.ts";
import { FRAME_SIZE } from "../../../core/memory.ts";
import { formatSize } from "../../../core/units.ts";
import { isAligned } from "../disk_io/bounce_buffer.ts";
import { ATA_COMMANDS, type AtaCommand, MAX_SECTORS, OPERATION_TIMEOUT_NS } from "./ata_command.ts";
import { AtaDisk } from "./ata_disk.ts";
import type { AtaIdentity } from "./identify.ts";
import { blockDeviceBytes, type DeviceControl, IoctlRequest, LibcControl } from "./ioctl.ts";
import { MAX_PAGES } from "./sg_io.ts";

/** What a pass-through device is made of. */
export interface PassthroughOptions {
  /** The disk, open for reading, or for reading and writing; it stays open when the device is closed. */
  readonly descriptor: number;
  /** Where it was opened, for errors. */
  readonly path: string;
  /** Whether writes are refused. */
  readonly readOnly: boolean;
  /** How it is controlled; by libc when absent. */
  readonly control?: DeviceControl;
}

/** A block device by ATA commands. */
export interface PassthroughDevice extends BlockDevice {
  /** What the disk says of itself. */
  readonly identity: AtaIdentity;
  /** Of requests whose data does not begin and end on logical sectors in memory, so that the kernel copied it. */
  counters(): { readonly bouncedRequests: number };
}

/** Bytes of a command where the kernel does not say how many it takes: what every driver does. */
const DEFAULT_TRANSFER_BYTES = 64 * 1024;

/**
 * The device on an open ATA disk.
 *
 * @throws {DeviceError} when it is none, is a partition of one, or lacks a command that is needed
 */
export function passthroughDevice({ descriptor, path, readOnly, control }: PassthroughOptions): PassthroughDevice {
  const own = control ?? new LibcControl();
  try {
    const openedBytes = blockDeviceBytes(own, descriptor, path);
    const disk = new AtaDisk(own, descriptor, path);
    const identity = disk.identify();
    const refusal = refusalOf(identity, openedBytes);
    if (refusal !== null) throw new DeviceError(`${path} cannot be used by pass-through: ${refusal}`);
    const maxBytes = transferLimit(own, descriptor, identity.logicalSectorSize);
    return new Passthrough(disk, identity, readOnly, maxBytes, () => own.close());
  } catch (thrown) {
    own.close();
    throw thrown;
  }
}

/** Why a disk cannot be used, or null. */
function refusalOf(identity: AtaIdentity, openedBytes: number): string | null {
  const { sizeBytes, logicalSectorSize, lba48, dma, security } = identity;
  if (sizeBytes !== openedBytes) {
    return `it is ${formatSize(openedBytes)} of a disk that has ${formatSize(sizeBytes)}. A partition cannot: ATA ` +
      "commands reach the whole disk, so name the disk";
  }
  // A sector must fit into the memory that one command can have in the smallest pieces.
  if (logicalSectorSize < 512 || logicalSectorSize > 65536 || !Number.isInteger(Math.log2(logicalSectorSize))) {
    return `its logical sectors have ${logicalSectorSize} bytes; a power of two from 512 to 65536 can be used`;
  }
  if (!lba48) return "it has no commands with 48-bit addresses";
  if (!dma) return "it has no DMA";
  return security === "locked" ? "it is locked by its ATA password" : null;
}

/** Most bytes of one command: what the kernel takes, in whole sectors. */
function transferLimit(control: DeviceControl, descriptor: number, sectorSize: number): number {
  const sectors = new Uint8Array(2);
  const told = control.ioctl(descriptor, IoctlRequest.BlkSectGet, sectors) < 0
    ? 0
    : (sectors[0] | sectors[1] << 8) * 512;
  const bytes = Math.min(told === 0 ? DEFAULT_TRANSFER_BYTES : told, MAX_PAGES * FRAME_SIZE, MAX_SECTORS * sectorSize);
  return Math.max(sectorSize, bytes - bytes % sectorSize);
}

class Passthrough implements PassthroughDevice {
  readonly info: DeviceInfo;
  readonly identity: AtaIdentity;
  readonly operationTimeoutNs = OPERATION_TIMEOUT_NS;
  readonly #disk: AtaDisk;
  readonly #maxBytes: number;
  readonly #sectorSize: number;
  readonly #close: () => void;
  #bouncedRequests = 0;

  constructor(disk: AtaDisk, identity: AtaIdentity, readOnly: boolean, maxBytes: number, close: () => void) {
    this.info = {
      sizeBytes: identity.sizeBytes,
      sectorSize: identity.logicalSectorSize,
      readOnly,
      canFlush: identity.flushCacheExt,
      canDiscard: identity.trim !== null && !readOnly,
      canWriteZeroes: false,
      canFua: identity.fua,
    };
    this.identity = identity;
    this.#disk = disk;
    this.#maxBytes = maxBytes;
    this.#sectorSize = identity.logicalSectorSize;
    this.#close = close;
  }

  submit(request: BlockRequest): boolean {
    switch (request.operation) {
      case Operation.Read:
        this.#transfer(request, ATA_COMMANDS.readDmaExt);
        break;
      case Operation.Write:
        this.#transfer(request, ATA_COMMANDS.writeDmaExt);
        break;
      case Operation.WriteFua:
        this.#transfer(request, ATA_COMMANDS.writeDmaFuaExt);
        break;
      case Operation.Flush:
        this.#disk.flush();
        break;
      case Operation.Discard:
        this.#disk.trim(request.offsetBytes / this.#sectorSize, request.byteLength / this.#sectorSize);
        break;
    }
    request.status = Status.Okay;
    return true;
  }

  counters(): { readonly bouncedRequests: number } {
    return { bouncedRequests: this.#bouncedRequests };
  }

  close(): void {
    this.#close();
  }

  /** As few commands as the kernel's limits allow. On the hot path. */
  #transfer(request: BlockRequest, command: AtaCommand): void {
    const sectorSize = this.#sectorSize;
    if (!isAligned(request, sectorSize)) this.#bouncedRequests++;
    for (let done = 0; done < request.byteLength;) {
      const bytes = this.#addPieces(request, done);
      this.#disk.transfer(command, (request.offsetBytes + done) / sectorSize, bytes / sectorSize);
      done += bytes;
    }
  }

  /** Gives the next command its pieces of memory, past the first `done` bytes. How many bytes it is to transfer. */
  #addPieces(request: BlockRequest, done: number): number {
    const { sg } = this.#disk;
    const base = request.memory.address;
    sg.clearData();
    let skip = done;
    for (let i = 0; i < request.extentCount; i++) {
      const length = request.extentEnd(i) - request.extentStart(i);
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const wanted = Math.min(length - skip, this.#maxBytes - sg.dataBytes);
      if (sg.addData(base + request.extentStart(i) + skip, wanted) < length - skip) break;
      skip = 0;
    }
    // Pieces may be shorter than a sector; a command transfers whole ones.
    return sg.dataBytes - sg.dataBytes % this.#sectorSize;
  }
}
