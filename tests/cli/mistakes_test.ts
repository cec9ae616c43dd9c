import assert from "node:assert/strict";
import { join } from "node:path";
import { flags, outcome, start, withDirectory, writeScenario } from "../e2e/command.ts";

const BROKEN = `apiVersion: iddr/v1
kind: Scenario
descripton: No name, and a word that is not spelt so.
placement: isolatde
device: { use: ramdsk }
policy: { use: fixed-spin, with: { spin: 50 } }
workload: { use: sysbench-fileio, with: { blocksize: 16KiB } }
run: { duration: 5 seconds }
channel: { ringOrder: 0 }
matrix:
  name: [a, b]
expect:
  - iops(plcy=fixed-spin) > 1
  - iops >> 1
`;

/** What stands before the explanation, for each mistake that `check` finds. */
async function places(directory: string, text: string): Promise<string[]> {
  const file = join(directory, "broken.yaml");
  await Deno.writeTextFile(file, text);
  const { code, stdout, stderr } = await outcome(start(["check", file], flags(directory)));
  assert.equal(code, 2);
  assert.equal(stdout, "");
  const lines = stderr.trim().split("\n");
  assert.match(lines.pop() ?? "", new RegExp(`^iddr: ${lines.length} mistakes?; nothing was run$`));
  return lines.map((line) => {
    assert.ok(line.startsWith(`${file}:`), line);
    return line.slice(file.length + 1);
  });
}

Deno.test("check finds ten mistakes of different kinds in one go, each with its place and what is allowed", async () => {
  await withDirectory(async (directory) => {
    const allowed =
      "(allowed: placement, domains, affinity, device, drivers, clients, neighbours, channel, policy, workload, recovery, " +
      "run.warmup, run.duration, run.seed)";
    const found = await places(directory, BROKEN);
    const expected: readonly (readonly [string, RegExp])[] = [
      ["1:1", /^name: is missing$/],
      ["3:1", /^descripton: is not a known key; did you mean description\? \(allowed: apiVersion, kind, /],
      ["4:12", /^placement: must be isolated \| monolithic: found "isolatde"$/],
      ["5:16", /^device\.use: "ramdsk" is not a known device; did you mean ramdisk\? /],
      ["6:42", /^policy\.with\.spin: must be a time with its unit, such as 50us: found 50$/],
      ["7:43", /^workload\.with\.blocksize: is not a known key; did you mean blockSize\? /],
      [
        "8:18",
        /^run\.duration: must be a time with one of the units ns, us, ms, s, min, such as 50us: found "5 seconds"$/,
      ],
      ["11:3", /^matrix\.name: is not a path to what a cell can have of its own/],
      ["13:10", /^expect\.0: plcy is not a label of the cells; did you mean policy\? /],
      ["14:11", /^expect\.1: found ">"; here must be a number, a metric, - or \($/],
    ];
    assert.ok(found.some((line) => line.includes(allowed)), found.join("\n"));
    assert.deepEqual(found.map((line) => line.slice(0, line.indexOf(": "))), expected.map(([place]) => place));
    for (const [index, [, message]] of expected.entries()) {
      assert.match(found[index].slice(found[index].indexOf(": ") + 2), message);
    }
  });
});

Deno.test("a queue depth beyond the ring is found together with mistakes elsewhere", async () => {
  await withDirectory(async (directory) => {
    const text = BROKEN
      .replace("placement: isolatde", "placement: isolated")
      .replace("blocksize: 16KiB", "queueDepth: 65")
      .replace("ringOrder: 0", "ringOrder: 1");
    const found = await places(directory, text);
    const depth = found.find((line) => line.startsWith("7:"));
    assert.match(depth ?? "", /workload: keeps 65 requests in flight; a ring of order 1 has 64 entries/);
    assert.equal(found.length, 9);
  });
});

Deno.test("wrong types, ranges and choices say what is allowed and what was found, and hide no other mistakes", async () => {
  await withDirectory(async (directory) => {
    const file = join(directory, "scenario.yaml");
    await Deno.writeTextFile(
      file,
      `apiVersion: iddr/v2
kind: Scenario
device: { use: ramdisk, with: { size: 1 } }
policy:
workload: { use: sysbench-fileio, with: { threads: 1.5, queueDepth: 0, fsyncAll: "no" } }
channel: { ringOrder: 9, batch: [4] }
run: { duration: 5us }
expect: [3, "", iops(plcy=a) > 1]
`,
    );
    const { code, stderr } = await outcome(start(["check", file], flags(directory)));
    assert.equal(code, 2);
    assert.deepEqual(
      stderr.trim().split("\n").map((line) => line.replace(`${file}:`, "").replace(/ \(allowed.*/, "")),
      [
        "1:1: name: is missing",
        '1:13: apiVersion: must be iddr/v1: found "iddr/v2"',
        "3:39: device.with.size: must be a size with its unit, such as 16KiB: found 1",
        "4:8: policy: must be a mapping: found nothing",
        "5:52: workload.with.threads: must be a whole number: found 1.5",
        "5:69: workload.with.queueDepth: must be at least 1: found 0",
        '5:82: workload.with.fsyncAll: must be true or false: found "no"',
        "6:23: channel.ringOrder: must be at most 4: found 9",
        "6:33: channel.batch: must be a number: found a list",
        "7:18: run.duration: must be at least 1ms",
        "8:10: expect.0: must be a text: found 3",
        '8:13: expect.1: must have at least 1 character: found ""',
        "8:22: expect.2: plcy is not a label of the cells; did you mean policy? (there are: policy, device, workload, placement)",
        "iddr: 13 mistakes; nothing was run",
      ],
    );
  });
});

Deno.test("a folder, a missing file, two documents and a wrong --set are told in words", async () => {
  await withDirectory(async (directory) => {
    const file = await writeScenario(directory);
    const two = join(directory, "two.yaml");
    await Deno.writeTextFile(two, "a: 1\n---\nb: 1\n");
    const check = async (...args: string[]): Promise<string[]> => {
      const { code, stderr } = await outcome(start(["check", ...args], flags(directory)));
      assert.equal(code, 2);
      return stderr.trim().split("\n").slice(0, -1).map((line) => line.replace(/ \(allowed.*/, ""));
    };
    assert.deepEqual(await check(directory, join(directory, "none.yaml"), two), [
      `${directory}:1:1: cannot be read: it is a folder; name the files in it`,
      `${join(directory, "none.yaml")}:1:1: cannot be read: there is no such file`,
      `${two}:2:1: begins a second document; a file is one scenario`,
    ]);
    const allowed = "must be PATH=VALUE, such as workload.with.queueDepth=8: found";
    assert.deepEqual(await check(file, file, "--set", "what", "--set", "a..b=1"), [
      `--set:1:1: ${allowed} what`,
      `--set:1:1: ${allowed} a..b=1`,
    ]);
    assert.deepEqual(await check(file, "--set", "rum.repetitions=3"), [
      `${file}:1:1: rum (from --set): is not a known key; did you mean run?`,
    ]);
  });
});
