import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { flags, outcome, savedResult, start, withDirectory, writeScenario } from "./command.ts";

const BAD_CLIENT = fileURLToPath(new URL("../helpers/plugins/one_bad_client.ts", import.meta.url));

Deno.test("several clients on several devices run, with a column that says how alike they were served", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, {
      device: [{ use: "ramdisk", with: { size: "1MiB" } }, { use: "loop-file", with: { size: "1MiB" } }],
      workload: { use: "verify" },
      run: { warmup: "10ms", duration: "50ms", repetitions: 1 },
      recovery: { hangTimeout: "10s" },
      matrix: { clients: [1, 2], drivers: ["consolidated", "isolated"] },
      expect: ["errors == 0", "sectorsVerified >= 4096", "fairness > 0", "minClientIops <= maxClientIops"],
    });
    const { code, stdout, stderr } = await outcome(start([scenario, "--out", directory], flags(directory)));
    assert.equal(code, 0, stderr + stdout);
    assert.match(stdout, /\bfair\b/);
    const { cells } = await savedResult(directory);
    assert.deepEqual(
      cells.map(({ samples: [{ clients }] }: { samples: { clients: { device: string }[] }[] }) => {
        return clients.map(({ device }) => device).join();
      }),
      [..."11"].map(() => "disk-0,disk-1").concat([..."22"].map(() => "disk-0,disk-0,disk-1,disk-1")),
    );
  });
});

Deno.test("where a client is lost the cell has failed with the cause, and what the others did is saved", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, {
      workload: { use: BAD_CLIENT, with: { seed: 78, does: "throw" } },
      clients: 2,
      run: { warmup: "10ms", duration: "100ms", repetitions: 3, seed: 77 },
      recovery: { hangTimeout: "10s" },
      expect: ["errors == 0"],
    });
    const args = [scenario, "--out", directory, `--allow-plugin=${BAD_CLIENT}`];
    const { code, stdout, stderr } = await outcome(start(args, flags(directory)));
    assert.equal(code, 1, stderr + stdout);
    assert.match(stdout, /failed: .*The domain client-1 failed: enough of it/);
    assert.match(stdout, /UNMET\s+errors == 0/);
    const { cells: [{ status, samples }] } = await savedResult(directory);
    assert.equal(status, "failed");
    assert.equal(samples.length, 1, "it is not repeated");
    const [{ clients, counters }] = samples;
    assert.deepEqual(clients.map(({ client }: { client: number }) => client), [0]);
    assert(counters.sectorsVerified >= 1024);
  });
});

Deno.test("serve refuses a scenario of several clients, and names the place", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, { clients: 2 });
    const args = ["serve", "--nbd", `unix:${directory}/nbd.sock`, scenario];
    const { code, stderr } = await outcome(start(args, flags(directory)));
    assert.equal(code, 2);
    assert.match(stderr, /scenario\.yaml:1:\d+: clients: makes 2 applications; allowed is one here/);
  });
});
