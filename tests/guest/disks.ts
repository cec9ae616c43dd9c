/**
 * The guest's disks: what their images hold, how QEMU makes disks of them, and under which environment variable the
 * tests in the guest find each. They are told apart by serial numbers.
 *
 * @module
 */

import { join } from "node:path";
import { BAD_READ_LBA, BAD_WRITE_LBA, DISKS } from "./inside/agenda.ts";
import { tool } from "./tool.ts";

const MIB = 2 ** 20;

/** A device for QEMU, as `-device` and QMP's `device_add` take it. */
export type QemuDevice = Readonly<Record<string, unknown>> & { readonly driver: string; readonly id: string };

/** A disk of the guest, as the host sees it. */
export interface HostDisk {
  /** Its serial number, which is its id in QEMU too. */
  readonly serial: string;
  /** Path of its image: raw. */
  readonly image: string;
  /** Node of QEMU's block layer (`-blockdev`). */
  readonly node: Readonly<Record<string, unknown>>;
  /** What is pulled out and plugged in again: the disk itself. Null if it cannot be. */
  readonly plug: ScsiPlug | AtaPlugs | null;
  /** Its devices at the start. */
  readonly devices: readonly QemuDevice[];
}

/** A SCSI disk is unplugged and plugged by itself. */
export interface ScsiPlug {
  readonly kind: "scsi";
  readonly device: QemuDevice;
}

/**
 * QEMU unplugs ATA disks with their controller only, and plugs none into a running machine. So the disk hangs on several
 * controllers, each on a PCI bus of its own; the guest sees the next one when the one before is gone.
 */
export interface AtaPlugs {
  readonly kind: "ata";
  readonly controllers: readonly { readonly id: string; readonly disk: string; readonly bus: number }[];
}

/** An ATA disk on a port of an AHCI controller. */
function ata(serial: string, bus: string, properties: Record<string, unknown> = {}): QemuDevice {
  return { driver: "ide-hd", id: serial, drive: `node-${serial}`, serial, bus, ...properties };
}

/** A SCSI disk: QEMU's ATA disks have logical sectors of 512 bytes only. */
function scsi(serial: string, lun: number, properties: Record<string, unknown> = {}): QemuDevice {
  return { driver: "scsi-hd", id: serial, drive: `node-${serial}`, serial, bus: "scsi.0", lun, ...properties };
}

/** Controllers that are there from the start. */
export const CONTROLLERS: readonly QemuDevice[] = [
  { driver: "ich9-ahci", id: "ahci" },
  { driver: "virtio-scsi-pci", id: "scsi" },
];

/** How often the ATA disk that can be unplugged can be, and one more. The guest's first bus is 0. */
const UNPLUG_CONTROLLERS = Array.from({ length: 8 }, (_, index) => {
  return { id: `ahci-unplug-${index + 1}`, disk: `${DISKS.unplug.serial}-${index + 1}`, bus: index + 1 };
});

/** Makes the images in a folder. They are sparse. */
export async function createDisks(folder: string): Promise<HostDisk[]> {
  const disks: HostDisk[] = [];
  const add = async (
    serial: string,
    sizeBytes: number,
    devices: readonly QemuDevice[],
    over: (file: Record<string, unknown>) => Record<string, unknown> = (file) => file,
  ): Promise<string> => {
    const image = join(folder, `${serial}.img`);
    await Deno.writeFile(image, new Uint8Array());
    await Deno.truncate(image, sizeBytes);
    const file = { driver: "file", filename: image, discard: "unmap" };
    const node = { driver: "raw", file: over(file), discard: "unmap", "node-name": `node-${serial}` };
    disks.push({ serial, image, node, devices, plug: plugOf(serial, devices) });
    return image;
  };

  await add(DISKS.plain.serial, 256 * MIB, [ata(DISKS.plain.serial, "ahci.0")]);
  await add(DISKS.sectors512e.serial, 64 * MIB, [
    ata(DISKS.sectors512e.serial, "ahci.1", { physical_block_size: 4096, logical_block_size: 512, rotation_rate: 1 }),
  ]);
  await add(DISKS.large.serial, 3 * 2 ** 40, [ata(DISKS.large.serial, "ahci.2")]);
  const report = { rerror: "report", werror: "report" };
  await add(DISKS.bad.serial, 64 * MIB, [ata(DISKS.bad.serial, "ahci.3", report)], failing);
  const partitioned = await add(DISKS.partitioned.serial, 64 * MIB, [ata(DISKS.partitioned.serial, "ahci.4")]);
  await partition(partitioned);
  await add(DISKS.sectors4kn.serial, 64 * MIB, [
    scsi(DISKS.sectors4kn.serial, 0, { logical_block_size: 4096, physical_block_size: 4096 }),
  ]);
  await add(DISKS.unplug.serial, 64 * MIB, UNPLUG_CONTROLLERS.flatMap(onItsOwnBus));
  await add(DISKS.unplugScsi.serial, 64 * MIB, [scsi(DISKS.unplugScsi.serial, 1)]);
  return disks;
}

/** The disk that can be unplugged, on a controller behind a PCI bridge. */
function onItsOwnBus({ id, disk, bus }: AtaPlugs["controllers"][number]): QemuDevice[] {
  const { serial } = DISKS.unplug;
  return [
    { driver: "pci-bridge", id: `bridge-${bus}`, chassis_nr: bus },
    { driver: "ich9-ahci", id, bus: `bridge-${bus}`, addr: "1" },
    { driver: "ide-hd", id: disk, drive: `node-${serial}`, serial, bus: `${id}.0`, "share-rw": true },
  ];
}

function plugOf(serial: string, devices: readonly QemuDevice[]): ScsiPlug | AtaPlugs | null {
  if (serial === DISKS.unplug.serial) return { kind: "ata", controllers: UNPLUG_CONTROLLERS };
  return serial === DISKS.unplugScsi.serial ? { kind: "scsi", device: devices[0] } : null;
}

/** A node on which reads of one sector and writes of another fail with EIO (5). */
function failing(file: Record<string, unknown>): Record<string, unknown> {
  const fault = (iotype: string, sector: number): Record<string, unknown> => {
    return { event: "none", iotype, sector, errno: 5, once: false, immediately: false };
  };
  return {
    driver: "blkdebug",
    image: file,
    discard: "unmap",
    "inject-error": [fault("read", BAD_READ_LBA), fault("write", BAD_WRITE_LBA)],
  };
}

/**
 * Writes an MBR partition table with one partition of Linux, from 1 MiB to the end, and an ext4 file system in it, made
 * beside it as mkfs.ext4 works on files too.
 */
async function partition(image: string): Promise<void> {
  const sectors = (await Deno.stat(image)).size / 512;
  const [first, count] = [2048, sectors - 2048];
  const table = new Uint8Array(512);
  const view = new DataView(table.buffer);
  view.setUint32(440, 0x1dd12026, true); // The disk's signature: anything.
  table[446 + 4] = 0x83;
  view.setUint32(446 + 8, first, true);
  view.setUint32(446 + 12, count, true);
  view.setUint16(510, 0xaa55, true);
  const file = await Deno.open(image, { write: true });
  try {
    await file.write(table);
  } finally {
    file.close();
  }
  await tool("mkfs.ext4", ["-q", "-F", "-L", "iddr", "-E", "offset=1048576", image, `${count / 2}k`]);
}
