// The campaign of faults that CI runs, from the command line.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { FaultReport } from "../../core/runner/fault_report.ts";
import { mayCallLibc } from "../../core/libc.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { flags, outcome, processesAlive, PROJECT, start, withDirectory } from "./command.ts";

const FAULTS = 200;
const SCENARIO = join(PROJECT, "scenarios/faults/ramdisk.yaml");
/** Long, as the machine may be busy: who is taken for dead without need is replaced, which is another fault. */
const PATIENT = ["--set", "recovery.hangTimeout=3s"];

const withoutLibc = mayCallLibc() ? null : "libc may not be called";

testUnless(
  withoutLibc,
  `of ${FAULTS} faults all are detected, and nothing is lost, corrupted or left behind`,
  () =>
    withDirectory(async (directory) => {
      const file = join(directory, "made/for it/faults.json");
      const args = ["faults", SCENARIO, "--faults", String(FAULTS), "--seed", "20", "--json", file, ...PATIENT];
      const { code, stdout, stderr } = await outcome(start(args, flags(directory)));
      const report: FaultReport = JSON.parse(await Deno.readTextFile(file));
      assert.deepEqual(report.complaints, [], stderr);
      assert.equal(code, 0, stdout);
      const { total, kinds, operations, restarts } = report;
      assert.deepEqual([total.injected, total.detected, total.lost], [FAULTS, FAULTS, 0]);
      assert.equal(total.recovered + total.failed + total.absorbed, FAULTS);
      assert(Object.keys(kinds).length > 20, "most kinds are among them");
      assert(restarts >= total.recovered);
      assert(operations.submitted > 1000);
      assert.equal(operations.completed, operations.submitted);
      assert.match(stdout, /everything was detected, and nothing was lost or corrupted/);
      assert.deepEqual(await processesAlive(), []);
    }),
);

testUnless(
  withoutLibc,
  "behind filters that hold requests back, all faults are detected and nothing is lost, too",
  () =>
    withDirectory(async (directory) => {
      const filters = "[{ use: rate, with: { iops: 50000 } }, { use: delay, with: { time: 20us, parallel: 4 } }]";
      const args = [
        "faults",
        SCENARIO,
        "--faults",
        "30",
        "--seed",
        "8",
        ...PATIENT,
        "--set",
        `device.filters=${filters}`,
      ];
      const { code, stdout, stderr } = await outcome(start(args, flags(directory)));
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /30 faults from seed 8.*\n/);
      assert.match(stdout, /everything was detected, and nothing was lost or corrupted/);
      assert.deepEqual(await processesAlive(), []);
    }),
);

testUnless(
  withoutLibc,
  "a scenario on which no faults can be tried is refused, with what it lacks",
  () =>
    withDirectory(async (directory) => {
      const set = ["--set", "domains.driver.kind=worker"];
      const { code, stderr } = await outcome(start(["faults", SCENARIO, ...set], flags(directory)));
      assert.equal(code, 2);
      assert.match(stderr, /cannot try faults on .*ramdisk\.yaml: domains\.driver\.kind must be process/);
    }),
);

testUnless(
  withoutLibc,
  "a report that could not be saved is found out before anything is tried",
  () =>
    withDirectory(async (directory) => {
      await Deno.writeTextFile(join(directory, "file"), "kept");
      for (const path of [directory, join(directory, "file/report.json")]) {
        const { code, stderr } = await outcome(start(["faults", SCENARIO, "--json", path], flags(directory)));
        assert.equal(code, 2);
        assert.match(stderr, /the report cannot be saved in .*: (Is a directory|Not a directory)/);
      }
      assert.equal(await Deno.readTextFile(join(directory, "file")), "kept");
    }),
);
