// A remote disk under the runner while its server dies, stops, comes late or stays away.
import assert from "node:assert/strict";
import { join } from "node:path";
import { checkFromOutside } from "../../helpers/check_from_outside.ts";
import { NbdProgram, programRefusal } from "../../helpers/nbd_programs.ts";
import { testUnless } from "../../helpers/test_unless.ts";
import { serve as serveDevice, type ServeSettings } from "./served.ts";
import { flags, outcome, savedResult, start, until, withDirectory, writeScenario } from "../command.ts";

const SIZE = 2 ** 20;
const refusal = programRefusal("nbdkit");

/** A disk's file, a server of it, and the scenario's parts that name it. */
async function serve(
  directory: string,
  device: Record<string, unknown>,
): Promise<{ disk: string; server: NbdProgram; parts: Record<string, unknown> }> {
  const disk = join(directory, "disk.img");
  await Deno.writeFile(disk, new Uint8Array(SIZE));
  const server = NbdProgram.nbdkit("--filter=delay", "file", disk, "wdelay=1ms");
  const parts = {
    device: { use: "nbd", with: { uri: server.uri, ...device } },
    workload: { use: "verify", with: { size: "1MiB", queueDepth: 8, threads: 2 } },
    run: { warmup: "10ms", duration: "5s", repetitions: 1 },
    expect: ["errors == 0", "sectorsVerified >= 2048"],
  };
  return { disk, server, parts };
}

/** Waits until the workload has written something more. */
async function progress(disk: string): Promise<void> {
  const hash = async (): Promise<string> => {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(disk))).join();
  };
  const before = await hash();
  await until(async () => await hash() !== before);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const COMBINATIONS = [
  { placement: "isolated", policy: "interrupt", connections: 1 },
  { placement: "isolated", policy: "adaptive-spin", connections: 3 },
  { placement: "monolithic", policy: "interrupt", connections: 2 },
];

for (const { placement, policy, connections } of COMBINATIONS) {
  const how = `${placement}, ${policy}, ${connections} connections`;
  testUnless(refusal, `nothing is lost when the server of a remote disk is killed in mid-run: ${how}`, async () => {
    await withDirectory(async (directory) => {
      const { disk, server, parts } = await serve(directory, { connections });
      await using _server = server;
      const scenario = await writeScenario(directory, { ...parts, placement, policy: { use: policy } });
      const results = join(directory, "results");
      const running = outcome(
        start([scenario, "--out", results, "--no-progress"], [...flags(directory), "--allow-net"]),
      );
      const kills = 3;
      for (let kill = 0; kill < kills; kill++) {
        await progress(disk);
        await server.kill();
        if (kill === 1) await pause(1500); // Longer than a domain may be without a sign of life.
        server.start();
      }
      const { code, stdout, stderr } = await running;
      assert.equal(code, 0, stderr + stdout);
      const { samples, notes } = (await savedResult(results)).cells[0];
      const { counters } = samples[0];
      // Each thread of a monolithic machine has connections of its own; not all are back when the server dies again.
      const threads = placement === "monolithic" ? 2 : 1;
      const { nbdReconnects } = counters;
      assert(nbdReconnects >= kills && nbdReconnects <= kills * connections * threads, `${nbdReconnects} reconnects`);
      assert(counters.nbdReissued > 0, "something was in flight");
      assert(notes.some((note: string) => /connection to nbd\+unix:.* was lost: /.test(note)), String(notes));
      assert(notes.some((note: string) => note.endsWith(" is back")), String(notes));
      const found = await checkFromOutside(disk, SIZE, 4096);
      assert.deepEqual([found.bad, found.sectors], [0, SIZE / 512]);
      assert.equal(found.generationSum, counters.generationSum);
    });
  });
}

testUnless(
  refusal,
  "a server that is stopped is not dead: requests wait for it longer than for one that has gone",
  async () => {
    await withDirectory(async (directory) => {
      const { disk, server, parts } = await serve(directory, { reconnectTimeout: "300ms" });
      await using _server = server;
      const results = join(directory, "results");
      const scenario = await writeScenario(directory, parts);
      const running = outcome(
        start([scenario, "--out", results, "--no-progress"], [...flags(directory), "--allow-net"]),
      );
      await progress(disk);
      server.signal("SIGSTOP");
      await pause(2000);
      server.signal("SIGCONT");
      const { code, stdout, stderr } = await running;
      assert.equal(code, 0, stderr + stdout);
      const { counters } = (await savedResult(results)).cells[0].samples[0];
      assert.deepEqual([counters.nbdReconnects, counters.nbdReissued], [0, 0]);
    });
  },
);

testUnless(refusal, "a server that stays away fails the cell, with how long and why", async () => {
  await withDirectory(async (directory) => {
    const { disk, server, parts } = await serve(directory, { reconnectTimeout: "300ms" });
    await using _server = server;
    const scenario = await writeScenario(directory, parts);
    const running = outcome(
      start([scenario, "--out", directory, "--no-progress"], [...flags(directory), "--allow-net"]),
    );
    await progress(disk);
    await server.kill();
    const { code, stdout, stderr } = await running;
    assert.equal(code, 1);
    assert.match(stdout + stderr, /There has been no connection to nbd\+unix:.* for 300ms: ECONNREFUSED/);
  });
});

testUnless(
  refusal,
  "a server that comes late is waited for, longer than a domain may be without a sign of life",
  async () => {
    await withDirectory(async (directory) => {
      const { server, parts } = await serve(directory, { connectTimeout: "1min" });
      await using _server = server;
      await server.kill();
      const run = { warmup: "10ms", duration: "50ms", repetitions: 1 };
      const scenario = await writeScenario(directory, { ...parts, run });
      const running = outcome(
        start([scenario, "--out", directory, "--no-progress"], [...flags(directory), "--allow-net"]),
      );
      await pause(3000);
      server.start();
      const { code, stdout, stderr } = await running;
      assert.equal(code, 0, stderr + stdout);
    });
  },
);

/** A disk's file that iddr serves itself; its other scenario has a folder of its own. */
async function serveFile(
  directory: string,
  settings: ServeSettings,
): Promise<{ disk: string; start: () => ReturnType<typeof serveDevice> }> {
  const folder = join(directory, "served");
  const disk = join(folder, "disk.img");
  await Deno.mkdir(folder);
  await Deno.writeFile(disk, new Uint8Array(SIZE));
  const parts = { device: { use: "loop-file", with: { path: disk } } };
  return { disk, start: () => serveDevice(folder, { parts, ...settings }) };
}

Deno.test("iddr is a client of its own server: a driver's disk is another driver's export, by TCP and by name", async () => {
  await withDirectory(async (directory) => {
    const { disk, start: startServer } = await serveFile(directory, { nbd: "tcp:127.0.0.1:0" });
    await using served = await startServer();
    const uri = served.uri.replace("127.0.0.1", "localhost");
    assert.match(uri, /^nbd:\/\/localhost:\d+\/$/);
    const scenario = await writeScenario(directory, {
      device: { use: "nbd", with: { uri, connections: 2 } },
      workload: { use: "verify", with: { size: "1MiB", queueDepth: 8, threads: 2, discardShare: 0.05 } },
      run: { warmup: "10ms", duration: "300ms", repetitions: 1 },
      recovery: { hangTimeout: "20s" },
      expect: ["errors == 0", "sectorsVerified >= 2048", "nbdReconnects == 0"],
    });
    const results = join(directory, "results");
    const { code, stdout, stderr } = await outcome(
      start([scenario, "--out", results, "--no-progress"], [...flags(directory), "--allow-net"]),
    );
    assert.equal(code, 0, stderr + stdout);
    assert.equal((await served.end()).code, 0);
    const { counters } = (await savedResult(results)).cells[0].samples[0];
    const found = await checkFromOutside(disk, SIZE, 4096);
    assert.deepEqual([found.bad, found.generationSum], [0, counters.generationSum]);
  });
});

Deno.test("a server that ends in order and is started again costs its client a wait, and no error", async () => {
  await withDirectory(async (directory) => {
    const { disk, start: startServer } = await serveFile(directory, {});
    await using first = await startServer();
    const scenario = await writeScenario(directory, {
      device: { use: "nbd", with: { uri: first.uri, connections: 2 } },
      workload: { use: "verify", with: { size: "1MiB", queueDepth: 8 } },
      run: { warmup: "10ms", duration: "5s", repetitions: 1 },
      recovery: { hangTimeout: "20s" },
      expect: ["errors == 0", "nbdReconnects >= 1"],
    });
    const running = outcome(
      start([scenario, "--out", directory, "--no-progress"], [...flags(directory), "--allow-net"]),
    );
    await progress(disk);
    assert.equal((await first.end()).code, 0);
    await using _second = await startServer();
    const { code, stdout, stderr } = await running;
    assert.equal(code, 0, stderr + stdout);
    assert.equal((await checkFromOutside(disk, SIZE, 4096)).bad, 0);
  });
});
