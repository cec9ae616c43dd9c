import assert from "node:assert/strict";
import { loadPlugin } from "../../../core/plugin.ts";
import { builtins } from "../../../plugins/mod.ts";
import { mkfsMistake, mountMistake } from "../../../plugins/workloads/mounted/tool_options.ts";

Deno.test("mkfs: options that say how the file system is are taken, with their values", () => {
  const right = [
    ...[[], ["-b", "1024"], ["-b1024", "-m0"], ["-L", "-c"], ["-vj", "-D"], ["-E", "offset=0", "-O", "^has_journal"]],
    ...[["-J", "size=4"], ["-Jsize=4"], ["-L", ""]],
  ];
  for (const argv of right) assert.equal(mkfsMistake(argv), undefined, argv.join(" "));
});

Deno.test("mkfs: what writes elsewhere or runs a program is refused, wherever it stands", () => {
  const wrong: readonly (readonly [argv: readonly string[], index: number, said: RegExp])[] = [
    [["-c"], 0, /^is "-c"; allowed are the options -b .* -v of mke2fs, with their values$/],
    [["-vc"], 0, /allowed/],
    [["-b", "1024", "-cv"], 2, /allowed/],
    [["-z", "/etc/undo"], 0, /allowed/],
    [["/dev/sda"], 0, /allowed/],
    [["-b", "1024", "/dev/sda", "-L"], 2, /allowed/],
    [["--", "/dev/sda"], 0, /allowed/],
    [["-"], 0, /allowed/],
    [[""], 0, /allowed/],
    [["-\n"], 0, /allowed/],
    [["-jL", "x"], 0, /allowed/],
    [["-v", "-L"], 1, /^must be followed by -L's value$/],
    [["-J", "size=4,device=/dev/sda"], 1, /^is "size=4,device=\/dev\/sda"; a journal on another device/],
    [["-Jdevice=/dev/sda"], 0, /journal/],
  ];
  for (const [argv, index, said] of wrong) {
    const mistake = mkfsMistake(argv);
    assert.equal(mistake?.index, index, argv.join(" "));
    assert.match(mistake.message, said);
  }
});

Deno.test("mount: what names a program or another device is refused, however it is written", () => {
  for (const right of ["", "noatime", "noatime,data=ordered", "sync,commit=5", "x=helper", "nohelper"]) {
    assert.equal(mountMistake(right), undefined, right);
  }
  const wrong = ["helper=x", "noatime,uhelper=x", ",,uhelper", 'context="a,uhelper=x"', "journal_path=/dev/sda"];
  for (const options of wrong) assert.match(mountMistake(options) ?? "", /^must not have \w+, which/, options);
});

Deno.test("mounted: a mistake in these options is named at its place", async () => {
  const { options } = await loadPlugin("workload", builtins.workload.mounted);
  const given = { command: ["true"], mkfsOptions: ["-b", "1024", "/dev/sda", "-L"], mountOptions: "uhelper=x" };
  const issues = options.safeParse(given).error?.issues ?? [];
  assert.deepEqual(issues.map(({ path }) => path.join(".")), ["mkfsOptions.2", "mountOptions"]);
});
