/**
 * `deno task test:guest`: builds a guest, boots it, prints its console, and checks from outside what it has left on its
 * disks. Ends with 0 if all is well, with 1 if something failed, with 2 if the guest cannot be made, with 130 after
 * Ctrl-C. Its last line has the counts.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkFromOutside } from "../helpers/check_from_outside.ts";
import { createDisks } from "./disks.ts";
import { serveDisk } from "./export.ts";
import { INTEGRITY_STEPS } from "./inside/agenda.ts";
import { fetchNpmPackages, writeImage } from "./image.ts";
import { runMachine } from "./machine.ts";
import { guestPackages } from "./packages.ts";
import { BenchError, requireTools, tool } from "./tool.ts";
import { type Check, checkImage, checkSteps } from "./verdict.ts";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
/** About four times what a run takes on two slow cores. */
const TIME_LIMIT_MS = 20 * 60_000;
/** How much of the kernel's log is of interest when something failed. */
const KERNEL_LINES = 80;

const start = performance.now();

function say(line: string): void {
  console.log(`host, ${((performance.now() - start) / 1000).toFixed(1)} s: ${line}`);
}

/** Runs all of it in a folder, which the caller removes. Returns whether all is well. */
async function run(folder: string, signal: AbortSignal): Promise<boolean> {
  requireTools();
  const packages = await guestPackages();
  await fetchNpmPackages(PROJECT);
  const image = join(folder, "guest.cpio");
  await writeImage(image, packages, PROJECT);
  await using served = await serveDisk({ project: PROJECT, folder, say });
  const disks = [...await createDisks(folder), served.disk];
  say(`the guest is made of ${packages.versions.join(", ")} and Deno ${Deno.version.deno}`);
  signal.throwIfAborted();
  const print = (line: string): void => console.log(line);
  const options = { kernel: packages.kernel, image, disks, folder, timeLimitMs: TIME_LIMIT_MS, signal, say, print };
  const end = await runMachine(options);
  signal.throwIfAborted();
  say(`the guest ${end.description}`);

  const results = join(folder, "results");
  await Deno.mkdir(results);
  // A guest that came to grief leaves none, or half an archive: what is missing then has failed.
  await tool("tar", ["-x", "-f", end.results, "-C", results]).catch((thrown) => say((thrown as Error).message));
  const { tests, unsaid, checks } = await checkSteps(results);
  checks.unshift({ name: "the guest powers off by itself", failure: end.poweredOff ? null : end.description });
  for (const step of INTEGRITY_STEPS) {
    const path = disks.find(({ serial }) => serial === step.serial)?.image as string;
    checks.push(await checkImage(step, results, () => checkFromOutside(path, step.sizeBytes)));
  }
  checks.push(...await served.end());
  const failures = checks.filter(({ failure }) => failure !== null).length + tests.failed;
  if (failures > 0) await printKernelLog(results);
  print("");
  for (const failure of unsaid) print(failure);
  for (const check of checks) print(describe(check));
  print(`tests in the guest: ${tests.passed} passed, ${tests.failed} failed, ${tests.skipped} skipped`);
  const passed = checks.filter(({ failure }) => failure === null).length + tests.passed;
  print(`${passed} passed, ${failures} failed, ${tests.skipped} skipped`);
  return failures === 0;
}

function describe({ name, failure }: Check): string {
  return failure === null ? `${name} ... ok` : `${name} ... FAILED: ${failure}`;
}

async function printKernelLog(results: string): Promise<void> {
  const log = await Deno.readTextFile(join(results, "kernel.log")).catch(() => "");
  console.log(["", "The end of the guest's kernel log:", ...log.trimEnd().split("\n").slice(-KERNEL_LINES)].join("\n"));
}

const interruption = new AbortController();
const interrupt = (): void => interruption.abort();
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt);
const folder = await Deno.makeTempDir({ prefix: "iddr-guest-" });
try {
  Deno.exitCode = await run(folder, interruption.signal) ? 0 : 1;
} catch (thrown) {
  if (!interruption.signal.aborted && !(thrown instanceof BenchError)) throw thrown;
  console.error(interruption.signal.aborted ? "interrupted" : `test:guest: ${(thrown as Error).message}`);
  Deno.exitCode = interruption.signal.aborted ? 130 : 2;
} finally {
  await Deno.remove(folder, { recursive: true });
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, interrupt);
}
