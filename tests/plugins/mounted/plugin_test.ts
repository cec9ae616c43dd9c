import assert from "node:assert/strict";
import { loadPlugin } from "../../../core/plugin.ts";
import { builtins } from "../../../plugins/mod.ts";

const plugin = await loadPlugin("workload", builtins.workload.mounted);

function mistakes(options: unknown): string[] {
  return (plugin.options.safeParse(options).error?.issues ?? []).map(({ path, message }) => {
    return `${path.join(".")}: ${message}`;
  });
}

Deno.test("mounted: its options are checked, and a wrong one is named", () => {
  const command = ["sysbench", "fileio", "run"];
  assert.deepEqual(mistakes({ command }), []);
  assert.deepEqual(mistakes({ command, prepare: [command], fileSystem: "ext4", timeout: "1min", figures: "dd" }), []);
  assert.deepEqual(mistakes({ command: [] }), ["command: must name a program"]);
  for (const program of ["", "-a"]) {
    const message = "must name a program, and no name of one begins with a hyphen";
    assert.deepEqual(mistakes({ command: [program, "x"] }), [`command.0: ${message}`]);
    assert.deepEqual(mistakes({ command, cleanup: [command, [program]] }), [`cleanup.1.0: ${message}`]);
  }
  assert.deepEqual(mistakes({ command, prepare: [[]] }), ["prepare.0: must name a program"]);
  assert.deepEqual(mistakes({ command, transferSize: "4KiB" }), [
    "transferSize: must be 64KiB or more, in pages of 4KiB",
  ]);
  assert.deepEqual(mistakes({ command, timeout: "0s" }), ["timeout: must be longer than nothing"]);
  const message = "fileSystem: must be ext2 or ext4, as a command names {mount}";
  for (const names of [{ command: ["ls", "{mount}"] }, { command, cleanup: [["rm", "-r", "{mount}/x"]] }]) {
    assert.deepEqual(mistakes({ ...names, fileSystem: "none" }), [message]);
    assert.deepEqual(mistakes({ ...names, fileSystem: "ext2" }), []);
  }
});

Deno.test("mounted: every program that its commands name takes consent, each once", () => {
  const runs = (options: unknown): readonly string[] | undefined => plugin.runs?.(plugin.options.parse(options));
  assert.deepEqual(runs({ command: ["true"] }), ["true"]);
  const given = { prepare: [["sysbench", "a"], ["./make", "b"]], command: ["sysbench", "sh"], cleanup: [["/bin/rm"]] };
  assert.deepEqual(runs(given), ["sysbench", "./make", "/bin/rm"]);
});

Deno.test("mounted: an export is named by NBD's own schemes, as others run programs", () => {
  const command = ["true"];
  for (const uri of ["nbd://host/name", "nbd+unix:///?socket=/tmp/s", "nbds://host", "nbds+unix:///?socket=/tmp/s"]) {
    assert.deepEqual(mistakes({ command, uri }), []);
  }
  for (const uri of ["", "nbd+ssh://host/", "--help", "[", "x nbd://host", "NBD://host"]) {
    assert.deepEqual(mistakes({ command, uri }), ["uri: must begin with nbd:// or nbd+unix://"]);
  }
});

Deno.test("mounted: its repetition may take as long as its programs may, and some more to put everything back", () => {
  const options = plugin.options.parse({ command: ["true"], timeout: "1min", queueDepth: 3, transferSize: "64KiB" });
  const { conductNs, ...queue } = plugin.needs(options);
  assert.ok(conductNs !== undefined && conductNs > 60e9 && conductNs < 120e9);
  assert.deepEqual(queue, { queueDepth: 3, transferBytes: 65536, exceedsRing: true });
  const needs = plugin.permissions?.(options);
  assert.deepEqual(needs?.run, ["unshare"]);
  assert.equal(needs?.scratch, true);
});
