/**
 * An ATA disk behind an open descriptor: the commands, done or thrown.
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import { SharedMemory } from "../../../core/memory.ts";
import { ATA_BLOCK_BYTES, ATA_COMMANDS, type AtaCommand, encodeCommand } from "./ata_command.ts";
import { ataFailure, refusesPassThrough, type SectorRange, wasDone, wasForbidden } from "./ata_failure.ts";
import { encodeTrimBlock } from "./ata_trim.ts";
import { type AtaIdentity, parseIdentify } from "./identify.ts";
import type { DeviceControl } from "./ioctl.ts";
import { DataDirection, SgIo } from "./sg_io.ts";

/** The kernel forbids ATA commands to this process. */
export class ForbiddenError extends DeviceError {}

/** A disk to give ATA commands to, one at a time. */
export class AtaDisk {
  /** Where it was opened. */
  readonly path: string;
  /** What carries the commands; data is added to it before a {@link transfer}. */
  readonly sg: SgIo;
  /** One block for the commands that have data of their own. */
  readonly #block = SharedMemory.allocate(1);
  #sectorSize = ATA_BLOCK_BYTES;

  /** A disk that is open. Nothing is asked of it yet. */
  constructor(control: DeviceControl, descriptor: number, path: string) {
    this.path = path;
    this.sg = new SgIo(control, descriptor);
  }

  /**
   * Asks what it is: IDENTIFY DEVICE. To be called first, as transfers count the sectors that it tells.
   *
   * @throws {ForbiddenError} when this process may not give such commands
   * @throws {DeviceError} when it is no ATA disk, or does not answer
   */
  identify(): AtaIdentity {
    const command = ATA_COMMANDS.identifyDevice;
    this.#useBlock();
    if (!this.#issue(command, 0, 1, DataDirection.FromDevice, ATA_BLOCK_BYTES)) {
      const outcome = this.sg.outcome();
      const failure = ataFailure(this.path, command, null, outcome);
      if (wasForbidden(outcome)) throw new ForbiddenError(failure.message);
      if (!refusesPassThrough(outcome)) throw failure;
      throw new DeviceError(
        `${this.path} is no ATA disk, or its adapter does not pass ATA commands on: ${failure.message}`,
      );
    }
    const identity = parseIdentify(this.#block.bytes.slice(0, ATA_BLOCK_BYTES), this.path);
    this.#sectorSize = identity.logicalSectorSize;
    return identity;
  }

  /**
   * Reads or writes sectors into or out of the data that {@link sg} was given, in one command. On the hot path.
   *
   * @param lba first logical sector
   * @param count logical sectors, 1 to 65536
   * @throws {DeviceError} when it fails, with the command, the sectors and the cause
   */
  transfer(command: AtaCommand, lba: number, count: number): void {
    const direction = command.protocol === "dma-in" ? DataDirection.FromDevice : DataDirection.ToDevice;
    if (!this.#issue(command, lba, count, direction, count * this.#sectorSize)) this.#fail(command, { lba, count });
  }

  /**
   * Empties the volatile write cache: FLUSH CACHE EXT.
   *
   * @throws {DeviceError} when that fails
   */
  flush(): void {
    const command = ATA_COMMANDS.flushCacheExt;
    this.sg.clearData();
    if (!this.#issue(command, 0, 0, DataDirection.None, 0)) this.#fail(command, null);
  }

  /**
   * Tells it that sectors are not needed any more: DATA SET MANAGEMENT with TRIM, as many as it takes.
   *
   * @param lba first logical sector
   * @throws {DeviceError} when one fails
   */
  trim(lba: number, sectorCount: number): void {
    const command = ATA_COMMANDS.trim;
    const words = new Uint16Array(this.#block.buffer, 0, ATA_BLOCK_BYTES / 2);
    for (let done = 0; done < sectorCount;) {
      const named = encodeTrimBlock(words, lba + done, sectorCount - done);
      this.#useBlock();
      if (!this.#issue(command, 0, 1, DataDirection.ToDevice, ATA_BLOCK_BYTES)) {
        this.#fail(command, { lba: lba + done, count: named });
      }
      done += named;
    }
  }

  #useBlock(): void {
    this.sg.clearData();
    this.sg.addData(this.#block.address, ATA_BLOCK_BYTES);
  }

  #issue(command: AtaCommand, lba: number, count: number, direction: DataDirection, byteLength: number): boolean {
    encodeCommand(this.sg.cdb, command, lba, count, this.#sectorSize);
    return this.sg.issue(direction, byteLength, command.timeoutMs) || wasDone(this.sg.outcome());
  }

  #fail(command: AtaCommand, range: SectorRange | null): never {
    throw ataFailure(this.path, command, range, this.sg.outcome());
  }
}
