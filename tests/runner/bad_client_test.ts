// Several clients of which one is bad: the others go on, and what they wrote is unharmed, seen from outside.
import assert from "node:assert/strict";
import { join } from "node:path";
import { allowedCpus } from "../../core/measure/thread.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import type { CellResult } from "../../core/runner/result.ts";
import { runScenario } from "../../core/runner/run.ts";
import { builtins } from "../../plugins/mod.ts";
import { checkFromOutside } from "../helpers/check_from_outside.ts";

allowedCpus(); // Opens the C library for good, before a sanitizer counts what a test opens.

const CLIENTS = 4;
const RANGE_BYTES = 1 << 18;
const SEED = 1000;
const BAD = 1;

const plugins = {
  ...builtins,
  workload: {
    ...builtins.workload,
    "one-bad-client": import.meta.resolve("../helpers/plugins/one_bad_client.ts"),
  },
};

async function run(parts: Record<string, unknown>): Promise<CellResult> {
  const scenario = {
    apiVersion: "iddr/v1",
    kind: "Scenario",
    name: "test",
    policy: { use: "interrupt" },
    clients: CLIENTS,
    run: { warmup: "10ms", duration: "100ms", repetitions: 1, seed: SEED },
    recovery: { hangTimeout: "3s" },
    ...parts,
  };
  const document = ScenarioDocument.parse("test.yaml", JSON.stringify(scenario));
  return (await runScenario(await expandScenario(document, plugins))).cells[0];
}

async function withDisk(test: (disk: string, directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "iddr-test-" });
  try {
    const disk = join(directory, "disk.img");
    await Deno.writeFile(disk, new Uint8Array(CLIENTS * RANGE_BYTES));
    await test(disk, directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Checks the range of a client as a disk of its own: whole stamps at their places, all of this client. */
async function checkRange(disk: string, directory: string, client: number): Promise<void> {
  const bytes = (await Deno.readFile(disk)).slice(client * RANGE_BYTES, (client + 1) * RANGE_BYTES);
  const file = join(directory, `range-${client}.img`);
  await Deno.writeFile(file, bytes);
  const { bad, sectors, stamped } = await checkFromOutside(file, RANGE_BYTES);
  assert.deepEqual([bad, sectors], [0, RANGE_BYTES / 512], `client ${client}`);
  assert(stamped > sectors / 2);
  const words = new Uint32Array(bytes.buffer);
  for (let at = 0; at < words.length; at += 128) {
    if (words[at] !== 0) assert.equal(words[at + 5], SEED + client, "the writer's seed");
  }
}

Deno.test("clients of a ramdisk verify what they wrote, with each transfer and on one driver or none", async () => {
  for (const transfer of ["copy", "zero-copy"]) {
    for (const placement of ["isolated", "monolithic"]) {
      const { status, error, samples } = await run({
        device: { use: "ramdisk", with: { size: "1MiB" } },
        workload: { use: "verify", with: { discardShare: 0.05, threads: 2, queueDepth: 2 } },
        channel: { transfer },
        placement,
      });
      assert.deepEqual([status, error], ["ok", undefined]);
      assert(samples[0].counters.sectorsVerified >= (CLIENTS * RANGE_BYTES) / 512);
    }
  }
});

for (const engine of ["sync", "io-uring"]) {
  Deno.test(`clients of a loop file write to their own ranges and nowhere else, with the engine ${engine}`, async () => {
    await withDisk(async (disk, directory) => {
      const { status, error } = await run({
        device: { use: "loop-file", with: { path: disk, engine } },
        workload: { use: "verify", with: { zeroesShare: 0.02 } },
      });
      assert.deepEqual([status, error], ["ok", undefined]);
      for (let client = 0; client < CLIENTS; client++) await checkRange(disk, directory, client);
    });
  });
}

/** How the cell fails; undefined: it does not, as nobody is worse off. */
const misdeeds: Readonly<Record<string, RegExp | undefined>> = {
  "throw": /^The domain client-1 failed: enough of it$/,
  "end its worker": /^The domain client-1 has shown no sign of life for 3000 ms/,
  "hang": /^The domain client-1 has shown no sign of life for 3000 ms/,
  "break the protocol": /^The domain client-1 lost its connection: .*claims \d+ new requests/,
  "skip a state": /^The domain client-1 (lost its connection|failed): .*state 99/,
  "flood": undefined,
  "take no answers": undefined,
  "reach beyond its range": undefined,
};

for (const [does, message] of Object.entries(misdeeds)) {
  Deno.test(`one client does this, and the others go on to the end with their data unharmed: ${does}`, async () => {
    await withDisk(async (disk, directory) => {
      const { status, error = "", samples } = await run({
        device: { use: "loop-file", with: { path: disk, engine: "sync" } },
        workload: { use: "one-bad-client", with: { seed: SEED + BAD, does } },
        run: { warmup: "10ms", duration: "200ms", repetitions: 1, seed: SEED },
      });
      const good = [0, 2, 3];
      assert.equal(samples.length, 1, error);
      const [{ clients, counters }] = samples;
      if (message === undefined) {
        assert.deepEqual([status, error], ["ok", ""]);
        assert.deepEqual(clients.map(({ client }) => client), [0, 1, 2, 3]);
      } else {
        assert.equal(status, "failed");
        assert.match(error, message);
        assert.deepEqual(clients.map(({ client }) => client), good);
      }
      for (const { client, operations } of clients) if (client !== BAD) assert(operations > 0, `client ${client}`);
      assert(counters.sectorsVerified >= (good.length * RANGE_BYTES) / 512);
      for (const client of good) await checkRange(disk, directory, client);
      if (does === "flood") assert(counters.floodWrites > 8, "it filled its queue again and again");
      if (does === "reach beyond its range") {
        assert(counters.beyondRefused > 10);
        assert.equal(counters.beyondDone, 0);
      }
    });
  });
}

Deno.test("when all clients are lost the cell has failed, with the first cause and without a sample", async () => {
  const { status, error, samples } = await run({
    device: { use: "ramdisk", with: { size: "1MiB" } },
    workload: { use: "verify", with: { blockSize: "512KiB" } },
  });
  assert.equal(status, "failed");
  assert.match(error ?? "", /^The domain client-\d failed: blockSize is 512KiB; on this device .* up to 256KiB$/);
  assert.equal(samples.length, 0);
});

Deno.test("a device that is too small for so many clients fails the cell with both numbers", async () => {
  const { error } = await run({
    device: { use: "ramdisk", with: { size: "2KiB" } },
    workload: { use: "verify" },
    clients: 8,
  });
  assert.match(error ?? "", /The domain driver failed: The device has 4 sectors of 512 bytes, too few for 8 clients/);
});
