/**
 * `deno task test:sata`: builds the guest, boots it, prints its console, and checks from outside what it has left.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createDisks } from "./disks.ts";
import { writeImage } from "./image.ts";
import { runMachine } from "./machine.ts";
import { guestPackages } from "./packages.ts";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
const folder = await Deno.makeTempDir({ prefix: "iddr-sata-" });
const start = performance.now();
const say = (line: string) => console.log(`[${((performance.now() - start) / 1000).toFixed(1)}] ${line}`);
try {
  const packages = await guestPackages();
  say("packages");
  const image = join(folder, "guest.cpio");
  await writeImage(image, packages, PROJECT);
  say(`image ${Deno.statSync(image).size}`);
  const disks = await createDisks(folder);
  say("disks");
  const end = await runMachine({
    kernel: packages.kernel,
    image,
    disks,
    folder,
    timeLimitMs: 900_000,
    signal: new AbortController().signal,
    say,
  });
  say(JSON.stringify(end));
  await Deno.copyFile(end.results, "/tmp/gx/results.tar");
} finally {
  await Deno.remove(folder, { recursive: true });
}
