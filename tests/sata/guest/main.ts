/**
 * Runs in the guest: finds the disks, runs the tests beside this file and the scenarios on them. What the host needs to
 * know goes into /results.
 *
 * @module
 */

import { BAD_READ_LBA, BAD_READ_VARIABLE, BAD_WRITE_LBA, BAD_WRITE_VARIABLE, DISKS } from "./disks.ts";
import { kernelDisks } from "./sysfs.ts";

const RESULTS = "/results";
const TESTS = "tests/sata/guest";

const paths = await findDisks();
const variables: Record<string, string> = {
  [BAD_READ_VARIABLE]: String(BAD_READ_LBA),
  [BAD_WRITE_VARIABLE]: String(BAD_WRITE_LBA),
  ...Object.fromEntries(Object.values(DISKS).map(({ serial, variable }) => [variable, paths.get(serial) as string])),
};

await step("tests", 240, [
  ...["test", "--allow-all", "--cached-only", "--no-check", "--sanitize-ops", "--sanitize-resources"],
  ...[`--junit-path=${RESULTS}/tests.xml`, TESTS],
]);
const disk = paths.get(DISKS.plain.serial);
const cli = [...["run", "--allow-all", "--cached-only", "--no-check", "cli/main.ts"]];
await step("scenario", 120, [
  ...[...cli, "scenarios/sata/rndrw.yaml", "--set", `device.with.path=${disk}`, `--allow-destructive=${disk}`],
  ...["--set", "run.repetitions=1", "--out", `${RESULTS}/scenario.json`, "--no-progress"],
]);
await step("integrity", 120, [
  ...[...cli, "scenarios/sata/integrity.yaml", "--set", `device.with.path=${disk}`, `--allow-destructive=${disk}`],
  ...["--set", "matrix.policy=[interrupt,adaptive-spin]", "--out", `${RESULTS}/integrity.json`, "--no-progress"],
]);

/** Waits for the disks, which the kernel looks for by itself, prints them, and returns their paths by serial numbers. */
async function findDisks(): Promise<Map<string, string>> {
  const serials: string[] = Object.values(DISKS).map(({ serial }) => serial);
  const missing = (): string[] => {
    const found = new Set(kernelDisks().map(({ serial }) => serial));
    return serials.filter((serial) => !found.has(serial));
  };
  for (let look = 0; look < 500 && missing().length > 0; look++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const disks = kernelDisks();
  console.log("Disks:");
  for (const { path, vendor, model, serial, sizeBytes, logicalSectorBytes, physicalSectorBytes } of disks) {
    const sectors = `sectors of ${logicalSectorBytes}/${physicalSectorBytes} bytes (logical/physical)`;
    console.log(`  ${path}: ${vendor} ${model}, serial ${serial}, ${sizeBytes} bytes, ${sectors}`);
  }
  if (missing().length > 0) throw new Error(`the kernel does not show ${missing().join(", ")}`);
  return new Map(disks.map(({ serial, path }) => [serial, path]));
}

/**
 * Runs Deno, and leaves its exit status for the host in `NAME.status`. What takes too long is interrupted, whereupon
 * `deno test` says what it knows, and ended if that does not help.
 */
async function step(name: string, limitSeconds: number, args: readonly string[]): Promise<void> {
  console.log(`\n== ${name}: deno ${args.join(" ")}`);
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), { args: [...args], env: variables, stdin: "null" }).spawn();
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
