/** Devices that destroy what is on a path, have something to say, and count, as a person meets them. */

import assert from "node:assert/strict";
import { builtins, expandScenario, runScenario, ScenarioDocument, ScenarioError } from "iddr";
import { threadUsage } from "../../core/measure/thread.ts";
import { runCli, withFiles } from "../helpers/run_deno.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

/** A disk in memory that says it destroys `path`, notes what it was told, and counts its reads. */
const DISK = `import { API_VERSION, definePlugin, synchronous, z } from "iddr";
const sizeBytes = 1 << 20;
const options = z.strictObject({
  path: z.string().default("/dev/nosuch"),
  fails: z.boolean().default(false),
  each: z.boolean().default(false),
});
export default definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "old-disk",
  description: "A disk that somebody has used before.",
  options,
  counters: { diskReads: "Reads that reached the disk." },
  destroys: ({ path }) => [path],
  openMedium({ each, path }, { allowDestructive, force, note }) {
    note(\`allowed \${allowDestructive.join(", ")}\${force ? " by force" : ""}\`);
    if (each) note(\`this is \${path}\`);
    return new SharedArrayBuffer(sizeBytes);
  },
  create({ fails }, memory: SharedArrayBuffer, { note }) {
    for (let i = 0; i < 3; i++) note("io_uring is not available");
    if (fails) throw new Error("it is broken");
    const disk = new Uint8Array(memory);
    let diskReads = 0;
    return synchronous({
      info: { sizeBytes, sectorSize: 512, readOnly: false, canFlush: false, canDiscard: false },
      read(offset, into) {
        diskReads++;
        into.set(disk.subarray(offset, offset + into.length));
      },
      write: (offset, from) => disk.set(from, offset),
      counters: () => ({ diskReads }),
    });
  },
});
`;

/** Line 5 has the device. */
function scenario(device: string, more = ""): string {
  return `apiVersion: iddr/v1
kind: Scenario
name: test
policy: { use: interrupt }
device: { use: ./disk.ts${device === "" ? "" : `, with: { ${device} }`} }
workload: { use: sysbench-fileio, with: { mode: rndrd, blockSize: 4KiB } }
run: { warmup: 1ms, duration: 10ms, repetitions: 1 }
${more}`;
}

const ALLOW = "--allow-plugin=./disk.ts";

function files(text: string): Readonly<Record<string, string>> {
  return { "s.yaml": text, "disk.ts": DISK };
}

Deno.test("a run that would destroy something is refused before anything happens, with the place and the flag", async () => {
  await withFiles(files(scenario("path: /dev/old")), async (folder) => {
    for (const more of [[], ["--allow-destructive=/dev/old2"], ["--allow-destructive=/dev/", "--force"]]) {
      const { code, stdout, stderr } = await runCli(["s.yaml", ALLOW, ...more], folder);
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.equal(
        stderr,
        "s.yaml:5:41: device.with.path: writes to /dev/old, and what is on it would be lost. If that is meant, add " +
          "--allow-destructive=/dev/old\niddr: 1 mistake; nothing was run\n",
      );
      await assert.rejects(Deno.stat(`${folder}/results`), Deno.errors.NotFound);
    }
  });
});

Deno.test("consent is asked for before the permissions of plugins", async () => {
  const greedy = DISK.replace("  openMedium(", '  permissions: () => ({ net: ["localhost:1"] }),\n  openMedium(');
  await withFiles({ "s.yaml": scenario(""), "disk.ts": greedy }, async (folder) => {
    assert.match(
      (await runCli(["s.yaml", ALLOW], folder)).stderr,
      /^s\.yaml:5:9: device\.with\.path: writes to \/dev\/nosuch, /,
    );
    const { stderr } = await runCli(["s.yaml", ALLOW, "--allow-destructive=/dev/nosuch"], folder);
    assert.match(stderr, /^iddr: permissions are missing. Add: --allow-net=localhost:1 /);
  });
});

Deno.test("every path of every cell is named, where the matrix or the command line has it", async () => {
  const matrix = "matrix: { device.with.path: [/dev/a, /dev/b, '/dev/c d'] }\n";
  await withFiles(files(scenario("fails: false", matrix)), async (folder) => {
    const refused = async (...args: string[]): Promise<string[]> => {
      const { code, stderr } = await runCli(["s.yaml", ALLOW, ...args], folder);
      assert.equal(code, 2, stderr);
      return [...stderr.matchAll(/^s\.yaml:(\d+:\d+: .*?): writes to .* add (.*)$/gm)].map(([, at, flag]) =>
        `${at} ${flag}`
      );
    };
    assert.deepEqual(await refused("--allow-destructive=/dev/b"), [
      "8:30: matrix.device.with.path.0 --allow-destructive=/dev/a",
      "8:46: matrix.device.with.path.2 --allow-destructive='/dev/c d'",
    ]);
    assert.deepEqual(await refused("--set", "device.with.path=/dev/z"), [
      "5:33: device.with.path (from --set) --allow-destructive=/dev/z",
    ]);
  });
});

Deno.test("check demands no consent, and says what a run would destroy", async () => {
  const matrix =
    "matrix: { device.with.path: [/dev/a, '/dev/b c'], policy: [{ use: interrupt }, { use: fixed-spin }] }\n";
  await withFiles(files(scenario("", matrix)), async (folder) => {
    const { code, stdout, stderr } = await runCli(["check", "s.yaml", ALLOW], folder);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.deepEqual(stdout.split("\n").slice(1), [
      "s.yaml: a run writes to /dev/a, what is on it is lost: it takes --allow-destructive=/dev/a",
      "s.yaml: a run writes to /dev/b c, what is on it is lost: it takes --allow-destructive='/dev/b c'",
      "",
    ]);
  });
});

Deno.test("--force alone is a mistake: it says nothing of what may be lost", async () => {
  await withFiles(files(scenario("")), async (folder) => {
    const { code, stderr } = await runCli(["s.yaml", ALLOW, "--force"], folder);
    assert.equal(code, 2);
    assert.equal(stderr, "iddr: --force goes with --allow-destructive=PATH, which says what may be lost\n");
  });
});

Deno.test("what was agreed to reaches the device; its notes and what it counted reach the result", async () => {
  const expect = "expect: [diskReads > 0, diskReads >= iops / 1000]\n";
  for (const placement of ["isolated", "monolithic"]) {
    await withFiles(files(scenario("path: /dev/old", `placement: ${placement}\n${expect}`)), async (folder) => {
      const agreed = ["--allow-destructive=/dev/else", "--allow-destructive=/dev/old", "--force"];
      const { code, stdout, stderr } = await runCli(["s.yaml", ALLOW, ...agreed, "--json"], folder);
      assert.equal(code, 0, stderr);
      const { cells: [{ notes, samples: [{ counters, operations }], summary }], expectations } = JSON.parse(stdout);
      assert.deepEqual(notes, ["allowed /dev/else, /dev/old by force", "io_uring is not available"]);
      // Counted from start to end, so more than in the measured window.
      assert(counters.diskReads >= operations && operations > 0);
      assert.equal(summary.counters.diskReads.median, counters.diskReads);
      assert.equal(expectations.length, 2);
    });
  }
});

Deno.test("notes stand below the table, those of some cells with what tells these apart; of failed cells too", async () => {
  const matrix = "matrix: { device.with.path: [/dev/a, /dev/b], device.with.fails: [true] }\n";
  await withFiles(files(scenario("each: true", matrix)), async (folder) => {
    const { code, stdout } = await runCli(
      ["s.yaml", ALLOW, "--allow-destructive=/dev/a", "--allow-destructive=/dev/b"],
      folder,
    );
    assert.equal(code, 1);
    assert.deepEqual(stdout.split("\n").filter((line) => /^(note|failed)/.test(line)), [
      "note: allowed /dev/a, /dev/b",
      "note: path=/dev/a: this is /dev/a",
      "note: io_uring is not available",
      "note: path=/dev/b: this is /dev/b",
      "failed: path=/dev/a: The domain driver failed: it is broken",
      "failed: path=/dev/b: The domain driver failed: it is broken",
    ]);
  });
});

Deno.test("a program is protected as well: what it runs destroys nothing that it does not name", async () => {
  await withFiles(files(scenario("path: /dev/old")), async (folder) => {
    const document = await ScenarioDocument.read(`${folder}/s.yaml`);
    const expanded = await expandScenario(document, builtins, { allowPlugins: ["./disk.ts"] });
    assert.deepEqual(expanded.demands.map(({ consent, name }) => [consent, name]), [["allowDestructive", "/dev/old"]]);
    for (const options of [{}, { allowDestructive: ["/dev/else"], force: true }]) {
      await assert.rejects(runScenario(expanded, options), (error) => {
        return error instanceof ScenarioError && error.message.includes("add --allow-destructive=/dev/old");
      });
    }
    const { cells } = await runScenario(expanded, { allowDestructive: ["/dev/old"] });
    assert.deepEqual([cells[0].status, cells[0].notes[0]], ["ok", "allowed /dev/old"]);
  });
});

Deno.test("what cannot be read as a list of paths, or counts what the workload counts, is a mistake of the scenario", async () => {
  const wrong: readonly (readonly [change: (text: string) => string, said: RegExp])[] = [
    [
      (text) => text.replace(/destroys: .*,/, 'destroys: () => "/dev/sda" as never,'),
      /^s\.yaml:5:16: device\.use: The device old-disk says that it destroys "\/dev\/sda"; allowed is a list of paths$/m,
    ],
    [
      (text) => text.replace(/destroys: .*,/, 'destroys: ["/dev/sda"] as never,'),
      /destroys is an object, allowed is a function or nothing$/m,
    ],
    [
      (text) => text.replace(/counters: \{ .*/, 'counters: ["diskReads"] as never,'),
      /counters is an object, allowed is names, each with a sentence, or nothing$/m,
    ],
    [
      (text) => text.replace("counters: { diskReads", "counters: { blocksWritten"),
      /^s\.yaml:6:11: workload: counts blocksWritten, and so does the device: use another of either$/m,
    ],
  ];
  for (const [change, said] of wrong) {
    const text = scenario("").replace(/workload: .*/, "workload: { use: dd }");
    await withFiles({ "s.yaml": text, "disk.ts": change(DISK) }, async (folder) => {
      const { code, stderr } = await runCli(["check", "s.yaml", ALLOW], folder);
      assert.equal(code, 2);
      assert.match(stderr, said);
    });
  }
});

Deno.test("a device that counts what its plugin does not say fails its cell", async () => {
  const silent = DISK.replace(/counters: \{ .*/, "");
  await withFiles({ "s.yaml": scenario(""), "disk.ts": silent }, async (folder) => {
    const { code, stdout } = await runCli(["s.yaml", ALLOW, "--allow-destructive=/dev/nosuch"], folder);
    assert.equal(code, 1);
    assert.match(stdout, /The device old-disk counts diskReads, which its plugin does not say/);
  });
});
