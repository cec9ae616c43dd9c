/**
 * What a failed ATA command is called: the command, the sectors, the cause.
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import { describeErrno } from "../../../core/libc.ts";
import type { AtaCommand } from "./ata_command.ts";
import { type AtaRegisters, describeSense, hex, parseSense, type Sense } from "./sense.ts";
import type { SgOutcome } from "./sg_io.ts";

/** SCSI status. */
const GOOD = 0;
const CHECK_CONDITION = 2;
const RECOVERED_ERROR = 1;
const ILLEGAL_REQUEST = 5;
const INVALID_OPCODE = 0x20;

const STATUS_ERROR = 1 << 0;
const STATUS_FAULT = 1 << 5;
/** Bits of ERROR, ACS-4 table 21 on. */
const ERROR_BITS: readonly (readonly [bit: number, name: string, meaning: string])[] = [
  [7, "ICRC", "CRC error in the transfer, look at the cable"],
  [6, "UNC", "uncorrectable data"],
  [4, "IDNF", "no such sector"],
  [2, "ABRT", "command aborted"],
];
/** Those of them after which LBA is the first sector that failed. */
const NAMES_SECTOR = 1 << 6 | 1 << 4;

/** `DID_*` of Linux's `scsi_status.h`. */
const HOST_STATUS: Readonly<Record<number, string>> = {
  0x01: "the disk cannot be reached, it is gone or switched off",
  0x02: "the bus stays busy",
  0x03: "the command took too long",
  0x04: "no disk answers",
  0x05: "the command was aborted",
  0x06: "parity error on the bus",
  0x07: "the adapter reports an error",
  0x08: "the bus was reset",
  0x0b: "the adapter reports an error that may pass",
  0x0d: "the command was not carried out, and may be repeated",
  0x0e: "the connection to the disk was interrupted",
  0x0f: "the connection to the disk is lost",
  0x10: "the disk reports a lasting error",
  0x13: "the medium has an error",
};
/** `DRIVER_*` of kernels before 5.14; later ones set none. `DRIVER_SENSE` (8) only says that there is sense data. */
const DRIVER_STATUS: Readonly<Record<number, string>> = {
  1: "busy",
  2: "soft error",
  3: "medium error",
  4: "error",
  5: "invalid",
  6: "the command took too long",
  7: "hard error",
};
const DRIVER_MASK = 7;

const EPERM = 1;
const EIO = 5;
const ENXIO = 6;
const ENODEV = 19;
const ENOTTY = 25;
const EINVAL = 22;

/** Which sectors a command was about. */
export interface SectorRange {
  /** The first logical sector. */
  readonly lba: number;
  /** How many. */
  readonly count: number;
}

/** Whether a command that said something was done nevertheless, as what it says is no error. */
export function wasDone(outcome: SgOutcome): boolean {
  if (outcome.result < 0 || outcome.hostStatus !== 0 || (outcome.driverStatus & DRIVER_MASK) !== 0) return false;
  if (outcome.residualBytes !== 0) return false;
  if (outcome.status === GOOD) return true;
  const sense = outcome.status === CHECK_CONDITION ? parseSense(outcome.sense) : null;
  if (sense === null || sense.key > RECOVERED_ERROR) return false;
  return sense.registers === null || (sense.registers.status & (STATUS_ERROR | STATUS_FAULT)) === 0;
}

/** Whether a disk answered that it does not know ATA PASS-THROUGH. */
export function refusesPassThrough(outcome: SgOutcome): boolean {
  if (outcome.result === -ENOTTY || outcome.result === -EINVAL) return true; // It does not know SCSI commands at all.
  if (outcome.status !== CHECK_CONDITION) return false;
  const sense = parseSense(outcome.sense);
  return sense !== null && sense.key === ILLEGAL_REQUEST && sense.code === INVALID_OPCODE;
}

/** Whether the kernel denied the command: `ATA PASS-THROUGH` takes a capability of its own. */
export function wasForbidden(outcome: SgOutcome): boolean {
  return outcome.result === -EPERM;
}

/**
 * The error for a command that was not done.
 *
 * @param range the sectors that it was about, if any
 */
export function ataFailure(
  path: string,
  command: AtaCommand,
  range: SectorRange | null,
  outcome: SgOutcome,
): DeviceError {
  const sectors = range === null
    ? ""
    : ` of ${range.count} ${range.count === 1 ? "sector" : "sectors"} at LBA ${range.lba}`;
  return new DeviceError(`${command.name}${sectors} failed on ${path}: ${causeOf(outcome, range)}`);
}

function causeOf(outcome: SgOutcome, range: SectorRange | null): string {
  const { result, status, hostStatus, driverStatus, residualBytes } = outcome;
  if (result < 0) return errnoInWords(-result);
  const sense = parseSense(outcome.sense);
  const causes: string[] = [];
  // Registers that report no error come with commands that never reached the disk.
  const registers = sense?.registers ?? null;
  if (registers !== null && (registers.status & (STATUS_ERROR | STATUS_FAULT)) !== 0) {
    causes.push(registersInWords(registers, range));
  }
  if (hostStatus !== 0) causes.push(inWords(HOST_STATUS, hostStatus, "host status"));
  const driver = driverStatus & DRIVER_MASK;
  if (driver !== 0) causes.push(inWords(DRIVER_STATUS, driver, "driver status"));
  if (saysWhy(sense)) causes.push(describeSense(sense));
  else if (status !== GOOD && causes.length === 0) causes.push(`SCSI status ${hex(status)}h without sense data`);
  if (causes.length === 0 && residualBytes !== 0) causes.push(`${residualBytes} bytes were not transferred`);
  return causes.join("; ");
}

function saysWhy(sense: Sense | null): sense is Sense {
  return sense !== null && sense.key !== 0;
}

function registersInWords({ status, error, lba }: AtaRegisters, range: SectorRange | null): string {
  const bits = ERROR_BITS.filter(([bit]) => (error & 1 << bit) !== 0);
  const words = bits.map(([, name, meaning]) => `${name} (${meaning})`);
  if ((status & STATUS_FAULT) !== 0) words.unshift("device fault");
  const within = range !== null && lba !== null && lba >= range.lba && lba < range.lba + range.count;
  const place = within && (error & NAMES_SECTOR) !== 0 ? ` at LBA ${lba}` : "";
  return `${words.join(", ") || "error"}${place}, status ${hex(status)}h, error ${hex(error)}h`;
}

function inWords(table: Readonly<Record<number, string>>, value: number, what: string): string {
  return `${table[value] ?? `${what} not known`} (${what} ${hex(value)}h)`;
}

function errnoInWords(errno: number): string {
  const words = describeErrno(errno);
  switch (errno) {
    case EPERM:
      return `${words}: ATA commands take root, or the capability CAP_SYS_RAWIO`;
    case ENODEV:
    case ENXIO:
      return `the disk is gone: ${words}`;
    case EIO:
      return `the kernel did not pass the command on: ${words}`;
    default:
      return words;
  }
}
