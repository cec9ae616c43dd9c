import assert from "node:assert/strict";
import type { AttendantJob } from "../../../plugins/workloads/mounted/job.ts";
import type { Attacher } from "../../../plugins/workloads/mounted/attachment.ts";
import { checkRequirements } from "../../../plugins/workloads/mounted/requirements.ts";

const JOB: AttendantJob = {
  ...{
    uri: null,
    attach: null,
    folder: "/run",
    fileSystem: "ext2",
    mkfsOptions: [],
    mountOptions: "",
    connections: null,
  },
  ...{ prepare: [["sysbench", "prepare"]], command: ["sysbench", "run"], cleanup: [["./mine"]], check: true },
};
const PROGRAMS = ["nbd-client", "nbdinfo", "nbdfuse", "umount", "mkfs.ext2", "mount", "sync", "e2fsck", "sysbench"];
const DEVICES = ["/dev/fuse", "/dev/loop-control"];

function check(job: AttendantJob, without: readonly string[] = [], kernel = false): Attacher {
  const there = [...PROGRAMS.map((name) => `/bin/${name}`), ...DEVICES].filter((path) => !without.includes(path));
  const exists = (path: string): boolean => there.includes(path);
  return checkRequirements(job, { exists, programFolders: ["/none", "/bin"], hasKernelClient: () => kernel });
}

Deno.test("with all that it takes there is nothing to say; the kernel's client is taken where there is one", () => {
  assert.equal(check(JOB), "nbdfuse");
  assert.equal(check(JOB, [], true), "nbd-client");
  assert.equal(check(JOB, ["/bin/nbd-client"], true), "nbdfuse");
  assert.equal(check({ ...JOB, attach: "nbdfuse" }, [], true), "nbdfuse");
  assert.equal(check({ ...JOB, attach: "nbd-client" }, ["/bin/nbdfuse", ...DEVICES], true), "nbd-client");
});

Deno.test("a kernel without a client, or a system without its program, is told of where that is asked for", () => {
  const job: AttendantJob = { ...JOB, attach: "nbd-client" };
  assert.throws(() => check(job), {
    message: /there is no \/dev\/nbd0: load the kernel's module nbd, or use attach: nbdfuse$/,
  });
  assert.throws(() => check(job, ["/bin/nbd-client"], true), {
    message: /there is no program nbd-client; on Debian, install nbd-client$/,
  });
});

for (const program of PROGRAMS.filter((program) => program !== "nbd-client")) {
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
