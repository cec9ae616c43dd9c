/**
 * The bench's agenda: its disks by their serial numbers, with the environment variable under which each is told to the
 * tests in the guest; and what runs there, step by step. Host and guest both go by it.
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

/** A virtio disk that `serve` on the host serves to QEMU. Empty at first; its path is found by its serial number. */
export const EXPORT = { serial: "IDDR-NBD", sizeBytes: 64 * 2 ** 20 } as const;

/** The 512-byte sector of {@link DISKS.bad} that cannot be read. */
export const BAD_READ_LBA = 4096;
/** The 512-byte sector of {@link DISKS.bad} that cannot be written. */
export const BAD_WRITE_LBA = 8192;
/** The variable that holds {@link BAD_READ_LBA}. */
export const BAD_READ_VARIABLE = "IDDR_SATA_BAD_LBA";
/** The variable that holds {@link BAD_WRITE_LBA}. */
export const BAD_WRITE_VARIABLE = "IDDR_SATA_BAD_WRITE_LBA";

/** Where the guest leaves what the host asks for: `NAME.status` of each step, and what the steps save. */
export const RESULTS = "/results";

/** A run of Deno in the guest. `{SERIAL}` in an argument stands for the path of that disk. */
export interface Step {
  readonly name: string;
  readonly limitSeconds: number;
  readonly args: readonly string[];
}

/** A step that leaves the stamps of `verify` on a disk, whose image the host then looks at. */
export interface IntegrityStep extends Step {
  readonly serial: string;
  readonly sizeBytes: number;
}

const OFFLINE = ["--allow-all", "--cached-only", "--no-check"];
const CLI = ["run", ...OFFLINE, "cli/main.ts"];

/** Runs a scenario that writes, and saves its result as `NAME.json`. Software emulation takes its time: once is enough. */
function scenario(name: string, file: string, serial: string, settings: readonly string[]): Step {
  // One cell after the other, as the host looks for what the last one wrote.
  const changes = [`device.with.path={${serial}}`, "run.repetitions=1", "run.order=sequential", ...settings];
  return {
    name,
    limitSeconds: 300,
    args: [
      ...[...CLI, `scenarios/sata/${file}.yaml`, ...changes.flatMap((change) => ["--set", change])],
      ...[`--allow-destructive={${serial}}`, "--out", `${RESULTS}/${name}.json`, "--no-progress", "--no-report"],
    ],
  };
}

/** Its matrix replaces the scenario's. */
function integrity(name: string, file: string, serial: string, matrix: string): IntegrityStep {
  const range = ["workload.with.size=2MiB", "workload.with.threads=2", "run.duration=4s"];
  return { ...scenario(name, file, serial, [...range, `matrix=${matrix}`]), serial, sizeBytes: 2 * 2 ** 20 };
}

/**
 * The steps whose disks the host looks at, after the guest has powered off. Several cells write to the first disk, one
 * after the other. The other disks have one each, so that no stamp on them can be of any other.
 */
export const INTEGRITY_STEPS: readonly IntegrityStep[] = [
  integrity(
    "integrity",
    "integrity",
    DISKS.plain.serial,
    "{ device.with.engine: [sync, io-uring], policy: [{ use: interrupt }, { use: adaptive-spin }] }",
  ),
  integrity(
    "integrity-4kn",
    "integrity",
    DISKS.sectors4kn.serial,
    "{ device.with.engine: [io-uring], policy: [{ use: adaptive-spin }] }",
  ),
  integrity(
    "integrity-passthrough",
    "integrity-passthrough",
    DISKS.sectors512e.serial,
    "{ policy: [{ use: adaptive-spin }] }",
  ),
];

/** All steps, in their order. */
export const STEPS: readonly Step[] = [
  {
    name: "tests",
    limitSeconds: 300,
    args: [
      ...["test", ...OFFLINE, "--sanitize-ops", "--sanitize-resources", `--junit-path=${RESULTS}/tests.xml`],
      "tests/guest/inside",
    ],
  },
  { name: "list", limitSeconds: 60, args: [...CLI, "sata", "list"] },
  { name: "identify", limitSeconds: 60, args: [...CLI, "sata", "identify", `{${DISKS.plain.serial}}`] },
  scenario("scenario", "rndrw", DISKS.plain.serial, []),
  {
    name: "file-system",
    limitSeconds: 300,
    args: ["run", ...OFFLINE, "tests/guest/inside/file_system.ts", `{${EXPORT.serial}}`],
  },
  { name: "kernel-client", limitSeconds: 300, args: ["run", ...OFFLINE, "tests/guest/inside/kernel_client.ts"] },
  { name: "mounted", limitSeconds: 420, args: ["run", ...OFFLINE, "tests/guest/inside/mounted.ts"] },
  ...INTEGRITY_STEPS,
];
