/**
 * `sata list` and `sata identify`: which disks there are, and what they say of themselves.
 *
 * @module
 */

import { Table } from "console-table-printer";
import { messageOf } from "../core/errors.ts";
import { cLibraryNeed } from "../core/libc.ts";
import { formatSize } from "../core/units.ts";
import type { AtaIdentity } from "../plugins/devices/sata/identify.ts";
import { inspectDisk, type InspectedDisk, listDisks, type ListedDisk } from "../plugins/devices/sata/list.ts";
import type { SataIdentifyArguments, SataListArguments } from "./arguments.ts";
import { ExitStatus } from "./exit_status.ts";
import { counted } from "./labels.ts";
import { ensurePermissions } from "./permissions.ts";

/** Lists disks. One that cannot be asked is in the list, with the reason. */
export function sataListCommand({ json }: SataListArguments): number {
  if (!mayCallLibc()) return ExitStatus.Invalid;
  let disks: readonly ListedDisk[];
  try {
    disks = listDisks();
  } catch (thrown) {
    return refuse(thrown);
  }
  console.log(json ? JSON.stringify(disks, null, 2) : renderDisks(disks));
  return ExitStatus.Ok;
}

/** Asks one disk. */
export function sataIdentifyCommand({ disk, json }: SataIdentifyArguments): number {
  if (!mayCallLibc()) return ExitStatus.Invalid;
  let found: InspectedDisk;
  try {
    found = inspectDisk(disk);
  } catch (thrown) {
    return refuse(thrown);
  }
  console.log(json ? JSON.stringify({ path: disk, ...found }, null, 2) : renderDisk(disk, found));
  return ExitStatus.Ok;
}

function mayCallLibc(): boolean {
  const path = cLibraryNeed();
  return ensurePermissions([
    { descriptor: { name: "ffi", path }, flag: `--allow-ffi=${path}`, reason: "give commands to disks" },
  ]);
}

function refuse(thrown: unknown): number {
  console.error(`iddr: ${messageOf(thrown)}`);
  return ExitStatus.Invalid;
}

/** The disks as text: a table, and below it why some could not be asked. */
export function renderDisks(disks: readonly ListedDisk[]): string {
  if (disks.length === 0) return "This machine has no SATA or SCSI disk.";
  const table = new Table({ shouldDisableColors: true, defaultColumnOptions: { alignment: "left" } });
  for (const { path, kernelModel, sizeBytes, identity } of disks) {
    table.addRow(identity === null ? rowOfUnasked(path, kernelModel, sizeBytes) : rowOf(path, identity));
  }
  const problems = disks.flatMap(({ problem }) => problem === null ? [] : [problem]);
  return [table.render(), ...problems].join("\n");
}

/** All columns, so that a table whose first disk could not be asked has them too. */
function rowOfUnasked(path: string, model: string | null, sizeBytes: number | null): Record<string, string> {
  return {
    path,
    model: model ?? "?",
    serial: "?",
    firmware: "?",
    size: sizeBytes === null ? "?" : inUnits(sizeBytes),
    sectors: "?",
    rotation: "?",
    NCQ: "?",
    "write cache": "?",
    TRIM: "?",
  };
}

function rowOf(path: string, identity: AtaIdentity): Record<string, string> {
  const { model, serial, firmware, sizeBytes, logicalSectorSize, physicalSectorSize, writeCache } = identity;
  return {
    path,
    model,
    serial,
    firmware,
    size: inUnits(sizeBytes),
    sectors: `${logicalSectorSize}/${physicalSectorSize}`,
    rotation: rotation(identity),
    NCQ: identity.ncqDepth === null ? "no" : String(identity.ncqDepth),
    "write cache": writeCache,
    TRIM: identity.trim === null ? "no" : "yes",
  };
}

/** One disk's facts, one a line. */
export function renderDisk(path: string, { identity, partitionOf, openedBytes }: InspectedDisk): string {
  const { trim, maxSpeedGbps, speedGbps } = identity;
  const facts: [string, string][] = [
    ["model", identity.model || "not told"],
    ["serial", identity.serial || "not told"],
    ["firmware", identity.firmware || "not told"],
    ["world wide name", identity.worldWideName ?? "not told"],
    ["size", `${inUnits(identity.sizeBytes)} (${identity.sizeBytes} bytes)`],
    ["logical sector", `${identity.logicalSectorSize} bytes`],
    ["physical sector", physicalSector(identity)],
    ["rotation", rotation(identity)],
    ["command set", identity.commandSet ?? "not told"],
    ["transport", identity.transport ?? "not told"],
    ["speed", gigabits(speedGbps)],
    ["fastest speed", gigabits(maxSpeedGbps)],
    ["48-bit addresses", yesNo(identity.lba48)],
    ["DMA", yesNo(identity.dma)],
    ["NCQ", identity.ncqDepth === null ? "no" : `${identity.ncqDepth} commands`],
    ["write cache", identity.writeCache],
    ["flush", yesNo(identity.flushCacheExt)],
    ["durable write (FUA)", yesNo(identity.fua)],
    ["TRIM", trim === null ? "no" : `yes, at most ${counted(trim.maxBlocks, "block")} of ranges in one command`],
    ...trim === null ? [] : [["trimmed sectors", `read as ${TRIMMED[trim.reads]}`] as [string, string]],
    ["password", PASSWORD[identity.security]],
  ];
  if (partitionOf !== null) {
    facts.unshift(["partition", `${path} is ${inUnits(openedBytes)} of ${partitionOf}; the rest is about all of it`]);
  }
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  return facts.map(([name, value]) => name.padEnd(width) + value).join("\n");
}

const TRIMMED: Readonly<Record<NonNullable<AtaIdentity["trim"]>["reads"], string>> = {
  zeroes: "zeroes",
  deterministic: "always the same, which need not be zeroes",
  undefined: "anything",
};
const PASSWORD: Readonly<Record<AtaIdentity["security"], string>> = {
  none: "the disk knows none",
  disabled: "none is set",
  enabled: "set",
  locked: "set, and the disk is locked",
};

function physicalSector({ physicalSectorSize, alignmentSectors }: AtaIdentity): string {
  const shift = alignmentSectors === 0
    ? ""
    : `, LBA 0 is ${counted(alignmentSectors, "logical sector")} inside its first`;
  return `${physicalSectorSize} bytes${shift}`;
}

function rotation({ rotationRate }: AtaIdentity): string {
  if (rotationRate === null) return "not told";
  return rotationRate === 0 ? "none (SSD)" : `${rotationRate} rpm`;
}

function gigabits(speed: number | null): string {
  return speed === null ? "not told" : `${speed} Gbit/s`;
}

function yesNo(fact: boolean): string {
  return fact ? "yes" : "no";
}

/** Whole binary units where a size has them, else as disks are sold: `256MiB`, `500.1 GB`. */
function inUnits(bytes: number): string {
  const binary = formatSize(bytes);
  if (/^\d{1,4}[KMGT]iB$/.test(binary)) return binary;
  const [unit, name] = bytes >= 1e12 ? [1e12, "TB"] : bytes >= 1e9 ? [1e9, "GB"] : [1e6, "MB"];
  return `${(bytes / unit).toFixed(1)} ${name}`;
}
