import assert from "node:assert/strict";
import { join } from "node:path";
import { flags, outcome, start, withDirectory } from "../e2e/command.ts";

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
      "(allowed: placement, domains, affinity, device, channel, policy, workload, recovery, run.warmup, " +
      "run.duration, run.seed)";
    const found = await places(directory, BROKEN);
    const expected: readonly (readonly [string, RegExp])[] = [
      ["1:1", /^name: is missing$/],
      ["3:1", /^descripton: is not a known key; did you mean description\? \(allowed: apiVersion, kind, /],
      ["4:12", /^placement: Invalid option: expected one of "isolated"\|"monolithic"$/],
      ["5:16", /^device\.use: "ramdsk" is not a known device; did you mean ramdisk\? /],
      ["6:42", /^policy\.with\.spin: must be a time with its unit, such as 50us$/],
      ["7:43", /^workload\.with\.blocksize: is not a known key; did you mean blockSize\? /],
      ["8:18", /^run\.duration: must be a time with one of the units ns, us, ms, s, min, such as 50us$/],
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
