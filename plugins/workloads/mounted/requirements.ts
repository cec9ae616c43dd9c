/**
 * What the attendant needs of the system, and where to get it.
 *
 * @module
 */

import { WorkloadError } from "../../../core/errors.ts";
import type { Attacher } from "./attachment.ts";
import type { AttendantJob } from "./job.ts";

/** Debian's packages of programs that are not in every system. */
const PACKAGES: Readonly<Record<string, string>> = {
  "nbdfuse": "libnbd-bin",
  "nbdinfo": "libnbd-bin",
  "nbd-client": "nbd-client",
  "mkfs.ext2": "e2fsprogs",
  "mkfs.ext4": "e2fsprogs",
  "e2fsck": "e2fsprogs",
  "mount": "mount",
  "umount": "mount",
  "sync": "coreutils",
  "sysbench": "sysbench",
  "fio": "fio",
  "dd": "coreutils",
};

/** What there is of a system: that is, all of it but for tests. */
export interface System {
  /** Whether a path exists. */
  exists(path: string): boolean;
  /** The folders in which programs are looked for. */
  readonly programFolders: readonly string[];
  /** Whether the kernel has an NBD client. */
  hasKernelClient(): boolean;
}

/**
 * Makes sure that a job can be done.
 *
 * @returns how the export is to be attached
 * @throws {WorkloadError} that names all that is missing, and what to install
 */
export function checkRequirements(job: AttendantJob, system: System): Attacher {
  const { hasKernelClient, exists } = system;
  const attacher = job.attach ?? (hasKernelClient() && isThere("nbd-client", system) ? "nbd-client" : "nbdfuse");
  const missing = [...new Set(programsOf(job, attacher))].filter((program) => !isThere(program, system));
  const packages = [...new Set(missing.map((program) => PACKAGES[program]).filter((name) => name !== undefined))];
  const problems: string[] = [];
  if (missing.length > 0) {
    const install = packages.length === 0 ? "" : `; on Debian, install ${packages.join(" ")}`;
    problems.push(`there is no program ${missing.join(", ")}${install}`);
  }
  if (attacher === "nbd-client" && !hasKernelClient()) {
    problems.push("there is no /dev/nbd0: load the kernel's module nbd, or use attach: nbdfuse");
  }
  if (attacher === "nbdfuse" && !exists("/dev/fuse")) {
    problems.push("there is no /dev/fuse: load the kernel's module fuse");
  }
  if (attacher === "nbdfuse" && !exists("/dev/loop-control")) {
    problems.push("there is no /dev/loop-control: load the kernel's module loop");
  }
  if (problems.length > 0) throw new WorkloadError(`The device cannot be attached: ${problems.join("; ")}`);
  return attacher;
}

function programsOf({ fileSystem, check, prepare, command, cleanup }: AttendantJob, attacher: Attacher): string[] {
  const own = ["nbdinfo", attacher, ...(attacher === "nbdfuse" ? ["umount"] : [])];
  const ofFileSystem = fileSystem === null
    ? []
    : [`mkfs.${fileSystem}`, "mount", "umount", "sync", ...(check ? ["e2fsck"] : [])];
  return [...own, ...ofFileSystem, ...[...prepare, command, ...cleanup].map(([program]) => program)];
}

function isThere(program: string, { exists, programFolders }: System): boolean {
  if (program.startsWith("/")) return exists(program);
  if (program.includes("/")) return true; // From the folder in which it will run.
  return programFolders.some((folder) => exists(`${folder}/${program}`));
}
