import assert from "node:assert/strict";
import { AttendantProcess } from "../../../plugins/workloads/mounted/attendant_process.ts";
import type { AttendantJob } from "../../../plugins/workloads/mounted/job.ts";
import { attachRefusal, exists, leftIn, MARK, startNbdkit, waitFor } from "../../helpers/mounted.ts";
import { testUnless } from "../../helpers/test_unless.ts";

const NEVER = new AbortController().signal;

/** A command of the shell. */
function sh(script: string): string[] {
  return ["sh", "-c", script];
}

/** Attaches nbdkit's disk for a test, and makes sure that nothing is left of it. */
function testAttached(
  name: string,
  body: (world: {
    readonly folder: string;
    readonly server: { readonly uri: string; readonly pid: number };
    start(job: Partial<AttendantJob>): AttendantProcess;
  }) => Promise<void>,
  ...nbdkit: string[]
): void {
  testUnless(attachRefusal, name, async () => {
    const folder = Deno.makeTempDirSync({ prefix: "iddr-mounted-" });
    Deno.env.set(MARK, folder);
    const started: AttendantProcess[] = [];
    try {
      await using server = await startNbdkit(folder, ...nbdkit);
      Deno.mkdirSync(`${folder}/run`);
      const start = (job: Partial<AttendantJob>): AttendantProcess => {
        const attendant = new AttendantProcess({
          ...{
            uri: server.uri,
            attach: "nbdfuse",
            folder: `${folder}/run`,
            fileSystem: "ext2",
            mkfsOptions: [],
            mountOptions: "",
          },
          ...{ connections: null, prepare: [], command: ["true"], cleanup: [], check: true },
          ...job,
        });
        started.push(attendant);
        return attendant;
      };
      try {
        await body({ folder, server, start });
      } finally {
        for (const attendant of started) await attendant.close();
      }
      await waitFor(() => leftIn(folder).every((line) => line.includes(`process ${server.pid}:`)));
    } finally {
      Deno.env.delete(MARK);
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

/** The job from its start to its end. */
async function runToEnd(attendant: AttendantProcess): Promise<{ stdout: string; stderr: string }> {
  await attendant.next("prepared", NEVER);
  attendant.order("run");
  const { output } = await attendant.next("ran", NEVER);
  attendant.order("end");
  await attendant.next("ended", NEVER);
  return output;
}

/** Waits for a file of the command's, which it makes in the run's folder. */
async function waitForFile(path: string): Promise<void> {
  await waitFor(() => exists(path));
}

for (const fileSystem of ["ext2", "ext4"] as const) {
  testAttached(
    `${fileSystem} is made and mounted, programs run on it in order, and it is clean`,
    async ({ start, folder }) => {
      const output = await runToEnd(start({
        fileSystem,
        mountOptions: "noatime",
        prepare: [sh("echo one > file"), sh("echo two >> file")],
        command: sh("cat file; pwd; cat /proc/mounts >&2; echo {uri} {device} {socket}"),
        cleanup: [["rm", "file"]],
      }));
      const [one, two, directory, places] = output.stdout.trim().split("\n");
      assert.deepEqual([one, two, directory], ["one", "two", `${folder}/run/mount`]);
      const socket = `${folder}/nbdkit.sock`;
      assert.match(places, /^nbd\+unix:\S+ \/dev\/loop\d+ /);
      assert.equal(places.split(" ").at(-1), socket);
      assert.match(output.stderr, new RegExp(`^/dev/loop\\d+ ${folder}/run/mount ${fileSystem} rw,noatime`, "m"));
    },
  );
}

testAttached("what the command wrote is on the disk of the server afterwards", async ({ start, folder, server }) => {
  await runToEnd(start({ command: sh("echo a line that is looked for later > file") }));
  const copy = `${folder}/copy.img`;
  const { success } = await new Deno.Command("nbdcopy", { args: [server.uri, copy] }).output();
  assert.ok(success);
  assert.ok(Deno.readTextFileSync(copy).includes("a line that is looked for later"));
});

testAttached("with fileSystem none the command has the block device", async ({ start }) => {
  const { stdout } = await runToEnd(start({
    fileSystem: null,
    command: sh(
      "blockdev --getsize64 {device}; blockdev --getss {device}; echo written > {device}; head -c 7 {device}",
    ),
  }));
  assert.deepEqual(stdout.split("\n"), [String(64 << 20), "512", "written"]);
});

testAttached("a file system of one's own options: 1 KiB blocks", async ({ start }) => {
  const { stdout } = await runToEnd(start({ mkfsOptions: ["-b", "1024"], command: ["stat", "-f", "-c", "%S", "."] }));
  assert.equal(stdout.trim(), "1024");
});

testAttached("a command that fails is told of with its last words", async ({ start }) => {
  const attendant = start({ command: sh("echo some words; echo the reason >&2; exit 7") });
  await assert.rejects(runToEnd(attendant), /^WorkloadError: sh -c .* failed with status 7: some words\nthe reason$/);
});

testAttached("a command that is killed is told of", async ({ start }) => {
  await assert.rejects(runToEnd(start({ command: sh("kill -9 $$") })), /was killed by SIGKILL, and said nothing/);
});

testAttached("a command that fails while it is prepared ends it", async ({ start }) => {
  await assert.rejects(runToEnd(start({ prepare: [sh("exit 3")] })), /sh -c exit 3 failed with status 3/);
});

testAttached(
  "what a command leaves running is ended, though it uses the mount and ignores requests",
  async ({ start }) => {
    await runToEnd(start({
      prepare: [sh("(trap '' TERM; exec setsid sleep 1000) > held 2>&1 &")],
      command: sh("(exec sleep 1000) & echo done"),
    }));
  },
);

testAttached("a file system that is damaged is not clean", async ({ start }) => {
  const damage = "dd if=/dev/urandom of={device} bs=1024 seek=100 count=900 conv=notrunc oflag=direct";
  const attendant = start({ cleanup: [sh(`sync; ${damage}`)] });
  await assert.rejects(runToEnd(attendant), /e2fsck -fn \/dev\/loop\d+ failed with status/);
});

testAttached("given up in mid-run, the command ends with all that it started", async ({ start, folder }) => {
  const marker = `${folder}/run/begun`;
  const attendant = start({ command: sh(`trap '' TERM; sleep 1000 & touch ${marker}; while :; do sleep 1; done`) });
  await attendant.next("prepared", NEVER);
  attendant.order("run");
  await waitForFile(marker);
  const abort = new AbortController();
  const ran = attendant.next("ran", abort.signal);
  abort.abort(new Error("enough"));
  await assert.rejects(ran, /enough/);
});

testAttached(
  "a server that dies in mid-run is an error for the command, and nothing hangs",
  async ({ start, folder, server }) => {
    const marker = `${folder}/run/begun`;
    const write = "dd if=/dev/zero of=file bs=64k count=16 conv=notrunc oflag=direct";
    const attendant = start({ command: sh(`while ${write}; do touch ${marker}; done; exit 9`) });
    await attendant.next("prepared", NEVER);
    attendant.order("run");
    await waitForFile(marker);
    Deno.kill(server.pid, "SIGKILL");
    await assert.rejects(attendant.next("ran", NEVER), /failed with status 9: [\s\S]*dd: .*rror/);
  },
);

for (const which of ["unshare", "the attendant itself", "nbdfuse"] as const) {
  testAttached(`${which} is killed in mid-run`, async ({ start, folder }) => {
    const marker = `${folder}/run/begun`;
    const write = "dd if=/dev/zero of=file bs=64k count=16 conv=notrunc oflag=direct";
    const attendant = start({ command: sh(`while ${write}; do touch ${marker}; done; exit 9`) });
    await attendant.next("prepared", NEVER);
    attendant.order("run");
    await waitForFile(marker);
    const own = which === "unshare"
      ? attendant.pid
      : processOf(folder, which === "nbdfuse" ? "nbdfuse" : "attendant.ts");
    Deno.kill(own, "SIGKILL");
    const expected = which === "nbdfuse"
      ? /failed with status 9: [\s\S]*dd: .*rror/
      : /^WorkloadError: The attendant, which mounts the device, (was killed|ended)/;
    await assert.rejects(attendant.next("ran", NEVER), expected);
  });
}

/** The process, of those that a test has started, that has a word in its command line and not `unshare`. */
function processOf(folder: string, word: string): number {
  const found = leftIn(folder).filter((line) => line.includes(word) && !line.includes("unshare"));
  assert.equal(found.length, 1, found.join("\n"));
  return Number(/^process (\d+)/.exec(found[0])?.[1]);
}

testAttached("no file system can be made on what is read-only; without one it can be read", async ({ start }) => {
  await assert.rejects(
    runToEnd(start({})),
    /The device is read-only: ext2 cannot be made on it; allowed is fileSystem none/,
  );
}, "--readonly");

testAttached("a read-only device is read-only for the command", async ({ start }) => {
  const { stdout } = await runToEnd(start({
    fileSystem: null,
    command: sh("head -c 16 {device} | wc -c; blockdev --getro {device}"),
  }));
  assert.deepEqual(stdout.trim().split("\n"), ["16", "1"]);
}, "--readonly");

testAttached("a program that is not there is named before anything is attached", async ({ start }) => {
  const attendant = start({ command: ["no-such-program", "run"], prepare: [["/no/such/file"]] });
  await assert.rejects(runToEnd(attendant), /there is no program \/no\/such\/file, no-such-program/);
});

for (
  const [what, script, expected] of [
    [
      "not root",
      "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1",
      /it takes root to mount and to attach/,
    ],
    [
      "stopped by something else",
      "echo 'out of order' >&2; exit 4",
      /which mounts the device, ended with status 4: out of order$/,
    ],
    ["without unshare", null, /there is no program unshare; on Debian, install util-linux$/],
  ] as const
) {
  Deno.test(`an attendant that cannot begin says why: ${what}`, async () => {
    const folder = Deno.makeTempDirSync();
    if (script !== null) Deno.writeTextFileSync(`${folder}/unshare`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const path = Deno.env.get("PATH") ?? "";
    Deno.env.set("PATH", folder);
    try {
      await assert.rejects(async () => {
        const attendant = new AttendantProcess({
          ...{ uri: null, attach: null, folder, fileSystem: null, mkfsOptions: [], mountOptions: "", check: false },
          ...{ connections: null, prepare: [], command: ["true"], cleanup: [] },
        });
        try {
          await attendant.next("prepared", NEVER);
        } finally {
          await attendant.close();
        }
      }, expected);
    } finally {
      Deno.env.set("PATH", path);
      Deno.removeSync(folder, { recursive: true });
    }
  });
}
