/**
 * What the kernel tells of disks and ports under /sys. Deno reads there with `--allow-all` only.
 *
 * @module
 */

/** A disk, as the kernel shows it. */
export interface KernelDisk {
  /** Such as `/dev/sda`. */
  readonly path: string;
  /** Without the blanks around it; empty if the kernel knows none. */
  readonly serial: string;
  readonly vendor: string;
  readonly model: string;
  readonly sizeBytes: number;
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
}

/** The SCSI and ATA disks, which are one to the kernel. */
export function kernelDisks(): KernelDisk[] {
  const names = [...Deno.readDirSync("/sys/block")].map(({ name }) => name).filter((name) => /^sd[a-z]+$/.test(name));
  return names.sort().flatMap((name) => {
    const folder = `/sys/block/${name}`;
    try {
      return [{
        path: `/dev/${name}`,
        serial: serialIn(`${folder}/device/vpd_pg80`),
        vendor: text(`${folder}/device/vendor`),
        model: text(`${folder}/device/model`),
        sizeBytes: Number(text(`${folder}/size`)) * 512,
        logicalSectorBytes: Number(text(`${folder}/queue/logical_block_size`)),
        physicalSectorBytes: Number(text(`${folder}/queue/physical_block_size`)),
      }];
    } catch {
      return []; // It has just gone.
    }
  });
}

/** The path of the disk with this serial number, once the kernel has made its node; null if there is none. */
export function diskWithSerial(serial: string): string | null {
  const path = kernelDisks().find((disk) => disk.serial === serial)?.path;
  try {
    return path !== undefined && Deno.statSync(path).isBlockDevice ? path : null;
  } catch {
    return null;
  }
}

/** The path of the virtio disk with this serial number; null if there is none yet. */
export function virtioDisk(serial: string): string | null {
  const names = [...Deno.readDirSync("/sys/block")].map(({ name }) => name).filter((name) => /^vd[a-z]+$/.test(name));
  const found = names.find((name) => text(`/sys/block/${name}/serial`) === serial);
  return found === undefined ? null : `/dev/${found}`;
}

/** Disks by serial number, as targets of the kernel's SCSI layer (`0:0:0:0`): they are there before it drives them. */
export function scsiTargets(): Map<string, string> {
  const names = [...Deno.readDirSync("/sys/bus/scsi/devices")].map(({ name }) => name);
  return new Map(
    names.filter((name) => /^[\d:]+$/.test(name)).map((name) => [
      serialIn(`/sys/bus/scsi/devices/${name}/vpd_pg80`),
      name,
    ]),
  );
}

/** Has the kernel drive a disk; it is there at the return. `init.sh` has said that the kernel shall not do so unasked. */
export function driveDisk(target: string): void {
  Deno.writeTextFileSync("/sys/bus/scsi/drivers/sd/bind", target);
}

/** Has the kernel drive by itself what is plugged in from now on. */
export function driveWhatComes(): void {
  Deno.writeTextFileSync("/sys/bus/scsi/drivers_autoprobe", "1");
}

/** The path of the virtio port that the host named so; null if there is none. */
export function portNamed(name: string): string | null {
  try {
    for (const port of Deno.readDirSync("/sys/class/virtio-ports")) {
      if (text(`/sys/class/virtio-ports/${port.name}/name`) === name) return `/dev/${port.name}`;
    }
  } catch {
    // No virtio here.
  }
  return null;
}

/** The "unit serial number" page of a disk's vital product data (SPC-4, 7.8.18): four bytes, then the number. */
function serialIn(path: string): string {
  try {
    return new TextDecoder("latin1").decode(Deno.readFileSync(path).subarray(4)).trim();
  } catch {
    return "";
  }
}

function text(path: string): string {
  return Deno.readTextFileSync(path).trim();
}
