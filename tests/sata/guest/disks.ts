/**
 * The disks of the test bench by their serial numbers, and the environment variable under which each is told to the
 * tests in the guest. The host makes the disks by this table, and the guest finds them by it.
 *
 * @module
 */

/** A disk of the bench. */
export interface BenchDisk {
  /** What IDENTIFY DEVICE or INQUIRY tells: at most 20 characters. */
  readonly serial: string;
  /** The variable that holds its path, such as `/dev/sda`. */
  readonly variable: string;
}

/** The disks. Sizes are those of the images. */
export const DISKS = {
  /** ATA, 256 MiB, sectors of 512 bytes, TRIM; reads and writes as it should. Empty at first. */
  plain: { serial: "IDDR-PLAIN", variable: "IDDR_SATA_DISK" },
  /** ATA, 64 MiB, logical sectors of 512 and physical ones of 4096 bytes; says that it is an SSD. */
  sectors512e: { serial: "IDDR-512E", variable: "IDDR_SATA_512E" },
  /** SCSI, 64 MiB, logical sectors of 4096 bytes. */
  sectors4kn: { serial: "IDDR-4KN", variable: "IDDR_SATA_4KN" },
  /** ATA, 3 TiB, sparse. */
  large: { serial: "IDDR-LARGE", variable: "IDDR_SATA_LARGE" },
  /** ATA, 64 MiB; {@link BAD_READ_LBA} cannot be read, and {@link BAD_WRITE_LBA} cannot be written. */
  bad: { serial: "IDDR-BAD", variable: "IDDR_SATA_BAD" },
  /** ATA, 64 MiB, with an MBR partition table, and an ext4 file system labelled "iddr" in its partition. Only look. */
  partitioned: { serial: "IDDR-PARTITIONED", variable: "IDDR_SATA_PARTITIONED" },
  /** ATA, 64 MiB, on a controller of its own: both can be unplugged and plugged again, several times. */
  unplug: { serial: "IDDR-UNPLUG", variable: "IDDR_SATA_UNPLUG" },
  /** SCSI, 64 MiB, which can be unplugged by itself and plugged again. */
  unplugScsi: { serial: "IDDR-UNPLUG-SCSI", variable: "IDDR_SATA_UNPLUG_SCSI" },
} as const satisfies Record<string, BenchDisk>;

/** The 512-byte sector of {@link DISKS.bad} that cannot be read. */
export const BAD_READ_LBA = 4096;
/** The 512-byte sector of {@link DISKS.bad} that cannot be written. */
export const BAD_WRITE_LBA = 8192;
/** The variable that holds {@link BAD_READ_LBA}. */
export const BAD_READ_VARIABLE = "IDDR_SATA_BAD_LBA";
/** The variable that holds {@link BAD_WRITE_LBA}. */
export const BAD_WRITE_VARIABLE = "IDDR_SATA_BAD_WRITE_LBA";
