import assert from "node:assert/strict";
import { attachRefusal, leftIn, MARK, programRefusal, startNbdkit, waitFor } from "../helpers/mounted.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { flags, outcome, processesAlive, savedResult, start, until, withDirectory, writeScenario } from "./command.ts";

const SMALL = ["--file-total-size=8M", "--file-num=4"];

/** A command that keeps the device busy, and does not end by itself. */
const WRITE_FOR_EVER = ["sh", "-c", "while :; do dd if=/dev/zero of=x bs=64k count=64 oflag=direct; done"];

/** A scenario with a mounted device. */
function mounted(options: Record<string, unknown>, parts: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    device: { use: "ramdisk", with: { size: "64MiB" } },
    workload: { use: "mounted", with: { attach: "nbdfuse", ...options } },
    run: { repetitions: 1 },
    ...parts,
  };
}

/** Agrees to the programs of a scenario and of its matrix. */
function consentTo({ workload, matrix = {} }: Record<string, unknown>): string[] {
  const { prepare = [], command, cleanup = [] } = (workload as { with: Record<string, string[][] | undefined> }).with;
  const others = (matrix as Record<string, string[][] | undefined>)["workload.with.command"] ?? [];
  return [...prepare, command, ...cleanup, ...others].map((argv) => `--allow-command=${argv?.[0]}`);
}

/** Writes a scenario and starts it. */
async function launch(
  directory: string,
  parts: Record<string, unknown>,
  ...args: string[]
): Promise<Deno.ChildProcess> {
  const scenario = await writeScenario(directory, parts);
  Deno.env.set(MARK, directory);
  try {
    return start([scenario, "--out", directory, ...consentTo(parts), ...args], flags(directory));
  } finally {
    Deno.env.delete(MARK);
  }
}

/** Nothing of a run is left: processes, loop devices, mounts, folders. */
async function assertNothingLeft(directory: string): Promise<void> {
  await until(async () => (await processesAlive()).length === 0);
  await waitFor(() => leftIn(directory).length === 0);
  await waitFor(() => [...Deno.readDirSync(directory)].every(({ name }) => !name.startsWith(".iddr-")));
}

for (const use of ["interrupt", "fixed-spin", "adaptive-spin"]) {
  for (const [fileSystem, placement] of [["ext2", "isolated"], ["ext4", "isolated"], ["ext2", "monolithic"]]) {
    testUnless(attachRefusal, `${fileSystem} under ${use}, ${placement}: made, filled, read back, clean`, async () => {
      await withDirectory(async (directory) => {
        const fill = "dd if=/dev/urandom of=one bs=1M count=16 conv=fsync && cp one two && sync -f . && " +
          "dd if=two bs=1M iflag=direct | cmp one";
        const { code, stderr } = await outcome(
          await launch(directory, mounted({ fileSystem, command: ["sh", "-c", fill] }, { policy: { use }, placement })),
        );
        assert.equal(code, 0, stderr);
        const [{ status, samples, notes }] = (await savedResult(directory)).cells;
        assert.equal(status, "ok");
        assert.deepEqual(notes, []);
        const [sample] = samples;
        assert.equal(sample.errors, 0);
        assert.ok(sample.bytes >= 3 * 16 * 2 ** 20, `${sample.bytes} bytes went over the device`);
        assert.ok(sample.flushes > 0, "the device was flushed");
        assert.equal(sample.counters.nbdErrors, 0);
        await assertNothingLeft(directory);
      });
    });
  }
}

for (const sandbox of ["permissions", "strict"]) {
  testUnless(
    attachRefusal,
    `ext2 in processes whose sandbox is ${sandbox}: made, filled, read back, clean`,
    async () => {
      await withDirectory(async (directory) => {
        const fill = "dd if=/dev/urandom of=one bs=1M count=16 conv=fsync && cp one two && cmp one two";
        const domains = { application: { kind: "process", sandbox }, driver: { kind: "process", sandbox } };
        const { code, stderr, stdout } = await outcome(
          await launch(directory, mounted({ command: ["sh", "-c", fill] }, { policy: { use: "interrupt" }, domains })),
        );
        assert.equal(code, 0, stderr + stdout);
        const [{ samples: [sample] }] = (await savedResult(directory)).cells;
        assert.equal(sample.errors, 0);
        assert.ok(sample.flushes > 0, "the device was flushed");
        await assertNothingLeft(directory);
      });
    },
  );
}

testUnless(
  attachRefusal ?? programRefusal("sysbench"),
  "sysbench's figures are counters, which can be expected",
  async () => {
    await withDirectory(async (directory) => {
      const { code, stdout, stderr } = await outcome(
        await launch(
          directory,
          mounted({
            prepare: [["sysbench", "fileio", ...SMALL, "prepare"]],
            command: [
              ...["sysbench", "fileio", ...SMALL, "--file-test-mode=rndrw", "--file-extra-flags=direct"],
              ...["--time=0", "--events=200", "run"],
            ],
          }, { expect: ["errors == 0", "readsPerSecond > 0", "writesPerSecond > 0", "events >= 200"] }),
        ),
      );
      assert.equal(code, 0, stdout + stderr);
      const [{ summary, samples }] = (await savedResult(directory)).cells;
      assert.ok(summary.counters.latencyMeanNs.median > 0);
      assert.ok(
        samples[0].operations >= 200,
        "each event is an operation of the device, as they pass the page cache by",
      );
      await assertNothingLeft(directory);
    });
  },
);

testUnless(attachRefusal ?? programRefusal("fio"), "fio's figures are counters, on the bare device too", async () => {
  await withDirectory(async (directory) => {
    const fio = ["fio", "--name=job", "--filename={device}", "--rw=randrw", "--bs=4k", "--size=4M", "--direct=1"];
    const { code, stderr } = await outcome(
      await launch(
        directory,
        mounted({ fileSystem: "none", command: [...fio, "--ioengine=libaio", "--iodepth=16"] }),
      ),
    );
    assert.equal(code, 0, stderr);
    const [{ samples: [{ counters, operations }] }] = (await savedResult(directory)).cells;
    assert.equal(counters.events, 1024);
    assert.ok(counters.readLatencyP99Ns > 0 && counters.writeLatencyP99Ns > 0);
    assert.equal(operations, 1024);
    await assertNothingLeft(directory);
  });
});

testUnless(attachRefusal, "a disk with sectors of 4 KiB is one when it is mounted", async () => {
  await withDirectory(async (directory) => {
    const { code, stderr } = await outcome(
      await launch(directory, {
        ...mounted({ fileSystem: "ext4", command: ["sh", "-c", "test $(blockdev --getss {device}) = 4096"] }),
        device: { use: "loop-file", with: { size: "64MiB", sectorSize: "4KiB" } },
      }),
    );
    assert.equal(code, 0, stderr);
    await assertNothingLeft(directory);
  });
});

testUnless(
  attachRefusal,
  "another server's export is attached in place of the device, by who agrees to lose it",
  async () => {
    await withDirectory(async (directory) => {
      await using server = await startNbdkit(directory);
      const command = ["dd", "if=/dev/zero", "of=file", "bs=1M", "count=8", "oflag=direct"];
      const parts = { ...mounted({ uri: server.uri, command }), device: { use: "null" } };
      const refused = await outcome(await launch(directory, parts));
      assert.equal(refused.code, 2);
      assert.match(
        refused.stderr,
        /workload\.with\.uri: writes to nbd\+unix:.*If that is meant, add --allow-destructive='nbd/,
      );
      const { code, stderr } = await outcome(await launch(directory, parts, `--allow-destructive=${server.uri}`));
      assert.equal(code, 0, stderr);
      const [{ samples: [{ counters, operations }] }] = (await savedResult(directory)).cells;
      assert.ok(counters.copiedBytesPerSecond > 0);
      assert.equal(operations, 0, "the device of the scenario has nothing to do");
    });
  },
);

testUnless(attachRefusal, "a command that fails fails the cell with its words; the other cells run", async () => {
  await withDirectory(async (directory) => {
    const { code, stdout } = await outcome(
      await launch(
        directory,
        mounted({ command: ["true"] }, {
          matrix: { "workload.with.command": [["sh", "-c", "echo no luck >&2; exit 3"], ["true"]] },
        }),
      ),
    );
    assert.equal(code, 1);
    assert.match(stdout, /failed: .*failed with status 3: no luck/);
    const { cells } = await savedResult(directory);
    assert.deepEqual(cells.map(({ status }: { status: string }) => status), ["failed", "ok"]);
    await assertNothingLeft(directory);
  });
});

testUnless(attachRefusal, "a command that takes longer than its timeout is ended", async () => {
  await withDirectory(async (directory) => {
    const { code, stdout } = await outcome(
      await launch(directory, mounted({ command: ["sleep", "1000"], timeout: "2s" })),
    );
    assert.equal(code, 1);
    assert.match(stdout, /The programs did not end within 2s/);
    await assertNothingLeft(directory);
  });
});

testUnless(attachRefusal, "when the machine process is killed, the cell fails and everything is put back", async () => {
  await withDirectory(async (directory) => {
    const child = await launch(directory, mounted({ command: WRITE_FOR_EVER }));
    await waitFor(() => running(directory, "dd if=/dev/zero"));
    const machine = leftIn(directory).find((line) => line.includes("core/runner/machine.ts"));
    Deno.kill(Number(/^process (\d+)/.exec(machine ?? "")?.[1]), "SIGKILL");
    const { code, stdout } = await outcome(child);
    assert.equal(code, 1);
    assert.match(stdout, /The machine process was killed by SIGKILL/);
    await assertNothingLeft(directory);
  });
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  testUnless(attachRefusal, `interrupted by ${signal} in mid-run, everything is put back`, async () => {
    await withDirectory(async (directory) => {
      const child = await launch(directory, mounted({ command: WRITE_FOR_EVER }));
      await waitFor(() => running(directory, "dd if=/dev/zero"));
      child.kill(signal);
      const { code } = await outcome(child);
      assert.equal(code, 130);
      await assertNothingLeft(directory);
    });
  });
}

testUnless(attachRefusal, "when the runner is killed, everything is put back", async () => {
  await withDirectory(async (directory) => {
    const child = await launch(directory, mounted({ command: WRITE_FOR_EVER }));
    await waitFor(() => running(directory, "dd if=/dev/zero"));
    child.kill("SIGKILL");
    await outcome(child);
    await assertNothingLeft(directory);
  });
});

/** Whether a command is running that a run has started. */
function running(directory: string, words: string): boolean {
  return leftIn(directory).some((line) => line.includes(`: ${words}`));
}
