/**
 * A step of the guest: iddr serves a disk, the kernel's own client makes a block device of it, and that gets a file
 * system. The machine of the tests need not have that client; the guest has.
 *
 * @module
 */

import assert from "node:assert/strict";
import { linesOf } from "../lines.ts";

const SOCKET = "/tmp/nbd.sock";
const SCENARIO = "/tmp/served.yaml";
const DEVICE = "/dev/nbd0";
const DENO = ["run", "--allow-all", "--cached-only", "--no-check"];
const NAME = "disk";
const CONNECTIONS = 2;

Deno.writeTextFileSync(
  SCENARIO,
  JSON.stringify({
    apiVersion: "iddr/v1",
    kind: "Scenario",
    name: "served",
    device: { use: "ramdisk", with: { size: "64MiB" } },
    policy: { use: "adaptive-spin" },
    // Software emulation takes its time.
    recovery: { hangTimeout: "30s" },
  }),
);
const served = new Deno.Command(Deno.execPath(), {
  args: [...DENO, "cli/main.ts", "serve", SCENARIO, "--nbd", `unix:${SOCKET}`, "--name", NAME],
  stdin: "null",
  stdout: "piped",
}).spawn();
const lines = linesOf(served.stdout)[Symbol.asyncIterator]();
const { value: first } = await lines.next();
assert.equal(first, `listening on nbd+unix:///${NAME}?socket=${SOCKET}`);

command("nbd-client", "-unix", SOCKET, DEVICE, "-name", NAME, "-connections", String(CONNECTIONS));
assert.equal(Number(Deno.readTextFileSync("/sys/block/nbd0/size")) * 512, 64 * 2 ** 20);
command(Deno.execPath(), ...DENO, "tests/guest/inside/file_system.ts", DEVICE);
command("nbd-client", "-d", DEVICE);

served.kill("SIGTERM");
const { value: last } = await lines.next();
console.log(last);
assert.match(last ?? "", new RegExp(`^served ${CONNECTIONS} connections, \\d+ requests, `));
assert.equal((await served.status).code, 0);

function command(name: string, ...args: readonly string[]): void {
  const { success } = new Deno.Command(name, { args: [...args], stdout: "inherit", stderr: "inherit" }).outputSync();
  assert(success, `${name} ${args.join(" ")}`);
}
