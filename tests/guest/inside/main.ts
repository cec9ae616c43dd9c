/**
 * Runs in the guest: finds the disks, runs the tests beside this file, and iddr's command line on the disks. What the
 * host needs to know goes into /results.
 *
 * @module
 */

import {
  BAD_READ_LBA,
  BAD_READ_VARIABLE,
  BAD_WRITE_LBA,
  BAD_WRITE_VARIABLE,
  DISKS,
  EXPORT,
  RESULTS,
  STEPS,
} from "./agenda.ts";
import { diskWithSerial, driveDisk, driveWhatComes, kernelDisks, scsiTargets, virtioDisk } from "./sysfs.ts";

const paths = await findDisks();
const variables: Record<string, string> = {
  [BAD_READ_VARIABLE]: String(BAD_READ_LBA),
  [BAD_WRITE_VARIABLE]: String(BAD_WRITE_LBA),
  ...Object.fromEntries(Object.values(DISKS).map(({ serial, variable }) => [variable, paths.get(serial) as string])),
};

for (const { name, limitSeconds, args } of STEPS) await step(name, limitSeconds, args);

/**
 * Waits for the disks, which the kernel looks for by itself, lets it drive them in the agenda's order, so that the first
 * is always `/dev/sda`, prints them, and returns their paths by serial numbers.
 */
async function findDisks(): Promise<Map<string, string>> {
  const serials: string[] = Object.values(DISKS).map(({ serial }) => serial);
  const targets = await until("the kernel does not find all disks", () => {
    const found = scsiTargets();
    return serials.every((serial) => found.has(serial)) ? found : null;
  });
  for (const serial of serials) driveDisk(targets.get(serial) as string);
  driveWhatComes();
  await until("the kernel does not show all disks", () => serials.every(diskWithSerial) || null);
  const disks = kernelDisks();
  console.log("Disks:");
  for (const { path, vendor, model, serial, sizeBytes, logicalSectorBytes, physicalSectorBytes } of disks) {
    const sectors = `sectors of ${logicalSectorBytes}/${physicalSectorBytes} bytes (logical/physical)`;
    console.log(`  ${path}: ${vendor} ${model}, serial ${serial}, ${sizeBytes} bytes, ${sectors}`);
  }
  const served = await until(`the kernel does not show ${EXPORT.serial}`, () => virtioDisk(EXPORT.serial));
  return new Map([...disks.map(({ serial, path }) => [serial, path] as const), [EXPORT.serial, served]]);
}

async function until<T>(otherwise: string, look: () => T | null): Promise<T> {
  for (let tries = 0; tries < 500; tries++) {
    const found = look();
    if (found !== null) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${otherwise}: there are ${[...scsiTargets().keys()].join(", ")}`);
}

/**
 * Runs Deno, with serial numbers replaced by the paths of disks, and leaves its exit status for the host in
 * `NAME.status`. What takes too long is interrupted, whereupon `deno test` says what it knows, and ended if that does not
 * help.
 */
async function step(name: string, limitSeconds: number, args: readonly string[]): Promise<void> {
  const given = args.map((arg) => arg.replace(/\{(IDDR-[A-Z0-9-]+)\}/, (_, serial) => paths.get(serial) as string));
  console.log(`\n== ${name}: deno ${given.join(" ")}`);
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), { args: given, env: variables, stdin: "null" }).spawn();
  const timers = [
    setTimeout(() => child.kill("SIGINT"), limitSeconds * 1000),
    setTimeout(() => child.kill("SIGKILL"), (limitSeconds + 10) * 1000),
  ];
  const { code } = await child.status;
  for (const timer of timers) clearTimeout(timer);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`== ${name}: status ${code} after ${seconds} s, of ${limitSeconds} s at most`);
  await Deno.writeTextFile(`${RESULTS}/${name}.status`, String(code));
}
