/**
 * What a test in the guest asks for: its disk, and the host's help. Outside the guest everything is refused with a
 * reason, so that such a test is skipped there:
 *
 * ```ts ignore
 * const refusal = refusalOf(DISKS.plain);
 * testUnless(refusal, "the disk answers", () => { const path = pathOf(DISKS.plain); });
 * ```
 *
 * @module
 */

import { type BenchDisk, DISKS } from "./agenda.ts";
import { diskWithSerial, portNamed } from "./sysfs.ts";

export { BAD_READ_LBA, BAD_WRITE_LBA, DISKS } from "./agenda.ts";

/** Why there is no such disk, or null. */
export function refusalOf(disk: BenchDisk): string | null {
  return Deno.env.has(disk.variable) ? null : `${disk.variable} is not set; deno task test:guest sets it`;
}

/** The disk's path at present: one that was plugged again may have another than before. */
export function pathOf(disk: BenchDisk): string {
  const path = Deno.env.has(disk.variable) ? diskWithSerial(disk.serial) ?? Deno.env.get(disk.variable) : undefined;
  if (path === undefined) throw new Error(`${disk.variable} is not set`);
  return path;
}

/** What QEMU has counted of a disk since the guest's start (QMP, `query-blockstats`). */
export interface HostStats {
  readonly readOperations: number;
  readonly readBytes: number;
  readonly writeOperations: number;
  readonly writeBytes: number;
  readonly flushOperations: number;
  /** TRIM and UNMAP. */
  readonly unmapOperations: number;
  readonly unmapBytes: number;
  /** Bytes that the disk's image takes up on the host: TRIM gives them back. */
  readonly allocatedBytes: number;
}

/** Asks the host what it has counted. */
export async function hostStats(disk: BenchDisk): Promise<HostStats> {
  return JSON.parse(await askHost(`stats ${disk.serial}`));
}

/** Pulls out a disk, and returns when it is gone from the machine. Works for {@link DISKS.unplug} and `unplugScsi`. */
export async function unplug(disk: BenchDisk): Promise<void> {
  await askHost(`unplug ${disk.serial}`);
}

/** Plugs it in again, and returns its path, which may be another than before. */
export async function plug(disk: BenchDisk): Promise<string> {
  const [, bus] = /^rescan (\d+)$/.exec(await askHost(`plug ${disk.serial}`)) ?? [];
  if (bus !== undefined) Deno.writeTextFileSync(`/sys/class/pci_bus/0000:${bus.padStart(2, "0")}/rescan`, "1");
  for (let look = 0; look < 500; look++) {
    const path = diskWithSerial(disk.serial);
    if (path !== null) return path;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${disk.serial} was plugged in, and the kernel shows no disk`);
}

/** Whether the kernel has a disk with this serial number at present. */
export function isPresent(disk: BenchDisk): boolean {
  return diskWithSerial(disk.serial) !== null;
}

/** Sends the host a line and returns its answer. One at a time. Throws what the host refuses. */
async function askHost(line: string): Promise<string> {
  const port = portNamed("iddr.host");
  if (port === null) throw new Error(`the port iddr.host is missing: ${DISKS.plain.variable} may be set by hand`);
  using file = await Deno.open(port, { read: true, write: true });
  const request = new TextEncoder().encode(`${line}\n`);
  for (let at = 0; at < request.length;) at += await file.write(request.subarray(at));
  let answer = "";
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  while (!answer.endsWith("\n")) {
    const count = await file.read(buffer);
    if (count === null) throw new Error(`${line}: the host is not listening`);
    answer += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  const [, status, text] = /^(ok|error) ?(.*)\n$/.exec(answer) ?? [];
  if (status !== "ok") throw new Error(`${line}: ${text ?? answer}`);
  return text;
}
