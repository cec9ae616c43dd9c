import assert from "node:assert/strict";
import type { AttendantJob } from "../../../plugins/workloads/mounted/job.ts";
import { checkRequirements } from "../../../plugins/workloads/mounted/requirements.ts";

const JOB: AttendantJob = {
  ...{ uri: null, folder: "/run", fileSystem: "ext2", mkfsOptions: [], mountOptions: "", connections: null },
  ...{ prepare: [["sysbench", "prepare"]], command: ["sysbench", "run"], cleanup: [["./mine"]], check: true },
};
const PROGRAMS = ["nbdinfo", "nbdfuse", "umount", "mkfs.ext2", "mount", "sync", "e2fsck", "sysbench"];
const DEVICES = ["/dev/fuse", "/dev/loop-control"];

function check(job: AttendantJob, without: readonly string[]): void {
  const there = [...PROGRAMS.map((name) => `/bin/${name}`), ...DEVICES].filter((path) => !without.includes(path));
  checkRequirements(job, { exists: (path) => there.includes(path), programFolders: ["/none", "/bin"] });
}

Deno.test("with all that it takes there is nothing to say", () => check(JOB, []));

for (const program of PROGRAMS) {
  Deno.test(`${program} is missed, and the package that has it is named`, () => {
    assert.throws(() => check(JOB, [`/bin/${program}`]), {
      name: "WorkloadError",
      message: new RegExp(
        `^The device cannot be attached: there is no program ${program}; on Debian, install [a-z0-9-]+$`,
      ),
    });
  });
}

Deno.test("all that is missing is named at once, each package once", () => {
  assert.throws(() => check(JOB, ["/bin/nbdfuse", "/bin/nbdinfo", ...DEVICES]), {
    message: "The device cannot be attached: there is no program nbdinfo, nbdfuse; on Debian, install libnbd-bin; " +
      "there is no /dev/fuse: load the kernel's module fuse; there is no /dev/loop-control: load the kernel's module loop",
  });
});

Deno.test("what is not used is not missed", () => {
  check({ ...JOB, check: false }, ["/bin/e2fsck"]);
  check({ ...JOB, fileSystem: null }, ["/bin/e2fsck", "/bin/mkfs.ext2", "/bin/mount", "/bin/sync"]);
});

Deno.test("somebody's own program is missed without a package", () => {
  assert.throws(() => check({ ...JOB, command: ["my-bench"] }, []), { message: /there is no program my-bench$/ });
  assert.throws(() => check({ ...JOB, command: ["/opt/bench"] }, []), { message: /there is no program \/opt\/bench$/ });
});
