import assert from "node:assert/strict";
import { join } from "node:path";
import { ResultFile } from "../../cli/result_file.ts";
import type { Result } from "../../core/runner/result.ts";
import { removeScratchDirectories, withScratchDirectory } from "../../core/runner/scratch.ts";
import { flags, outcome, processesAlive, PROJECT, start, until, withDirectory, writeScenario } from "../e2e/command.ts";
import { testUnless } from "../helpers/test_unless.ts";

/** Runs a script in name spaces of its own, in which it may mount: nothing of that is left after it. */
function isolated(script: string, variables: Record<string, string> = {}): Promise<Deno.CommandOutput> {
  const args = ["--map-root-user", "--mount", "sh", "-c", script];
  return new Deno.Command("unshare", { args, cwd: PROJECT, env: { NO_COLOR: "1", ...variables } }).output();
}

/** Why nothing can be mounted in them, or null. */
async function whyNoMount(): Promise<string | null> {
  try {
    const { success, stderr } = await isolated("mount -t tmpfs -o size=16k tmpfs /mnt");
    return success ? null : new TextDecoder().decode(stderr).trim();
  } catch (thrown) {
    return String(thrown);
  }
}

const noMount = await whyNoMount();

testUnless(
  noMount,
  "a disk that becomes full is named; the table is printed, the status is 1, and what was saved before stays whole",
  async () => {
    await withDirectory(async (directory) => {
      const scenario = await writeScenario(directory, { run: { warmup: "20ms", duration: "20ms", repetitions: 20 } });
      const out = join(directory, "small");
      await Deno.mkdir(out);
      const { code, stdout, stderr } = await isolated(
        `mount -t tmpfs -o size=24k tmpfs "$OUT" || exit 99
      "$DENO" run --quiet ${flags(out).join(" ")} cli/main.ts "$SCENARIO" --out "$OUT"
      code=$?
      echo "FILES"
      ls -A "$OUT"
      cat "$OUT"/*.json
      exit $code`,
        { OUT: out, SCENARIO: scenario, DENO: Deno.execPath() },
      );
      const [table, files] = new TextDecoder().decode(stdout).split("FILES\n");
      const said = new TextDecoder().decode(stderr);
      assert.equal(code, 1, said);
      assert.match(table, /│ fixed-spin/);
      assert.match(said, /^iddr: cannot save in .*\.json now: No space left on device.*The run goes on$/m);
      assert.match(said, /^iddr: the result could not be saved in .*\.json: No space left on device/m);
      assert.doesNotMatch(said, /^saved/m);
      const [name, ...json] = files.split("\n");
      assert.match(name, /^test-.*\.json$/, "there is one file");
      const { cells } = JSON.parse(json.join("\n"));
      assert.ok(cells[0].samples.length >= 1 && cells[0].samples.length < 20);
    });
  },
);

Deno.test("a folder in which nothing can be saved is named before anything runs", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory);
    const file = join(directory, "file");
    await Deno.writeTextFile(file, "");
    // Nobody, not even root, can make files in /sys.
    for (const out of ["/sys", file, join(file, "mine.json")]) {
      const { code, stdout, stderr } = await outcome(start([scenario, "--out", out], ["--no-prompt", "--allow-all"]));
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.match(stderr, new RegExp(`^iddr: results cannot be saved in ${out}: .*\\(os error \\d+\\)`));
    }
  });
});

Deno.test("a result whose name belongs to a folder, or is empty, is refused before anything runs", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory);
    const out = join(directory, "mine.json");
    await Deno.mkdir(out);
    for (
      const [given, said] of [[out, /cannot be saved in .*mine\.json: .*is a folder/], ["", /--out is empty; name a/]]
    ) {
      const { code, stdout, stderr } = await outcome(start([scenario, `--out=${given}`], flags(directory)));
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.match(stderr, said as RegExp);
    }
    const left = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    assert.deepEqual(left, ["mine.json", "scenario.yaml"]);
  });
});

Deno.test("a save that fails says why and leaves no half file", async () => {
  await withDirectory(async (directory) => {
    const out = join(directory, "mine.json");
    await Deno.mkdir(out);
    const file = new ResultFile(out, "test");
    file.save({} as Result);
    assert.match(file.error ?? "", /os error/);
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["mine.json"]);
  });
});

Deno.test("output that nobody can take ends the run in one line; what was measured is saved, no folder is left", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, { device: { use: "loop-file", with: { size: "1MiB" } } });
    const command = [Deno.execPath(), "run", "--quiet", ...flags(directory), join(PROJECT, "cli/main.ts"), scenario];
    const { code, stderr } = await new Deno.Command("sh", {
      args: ["-c", '"$@" >/dev/full', "sh", ...command, "--out", directory, "--no-progress"],
    }).output();
    assert.equal(code, 1);
    const said = new TextDecoder().decode(stderr).trim();
    assert.match(said, /^iddr: ended by an error that nothing caught: No space left on device[^\n]*$/);
    const left = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    assert.deepEqual(left.map((name) => name.replace(/-.*/, "")), ["scenario.yaml", "test"]);
  });
});

Deno.test("a scratch folder is there while something runs, and is removed after it, also after a failure", async () => {
  await withDirectory(async (directory) => {
    const left = (): string[] => [...Deno.readDirSync(directory)].map(({ name }) => name);
    assert.equal(await withScratchDirectory(directory, () => Promise.resolve(left().length)), 1);
    await assert.rejects(withScratchDirectory(directory, () => Promise.reject(new Error("why"))), /why/);
    assert.deepEqual(left(), []);
  });
});

Deno.test("scratch folders of what still runs can be removed at once, with all that is in them", async () => {
  await withDirectory(async (directory) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const running = withScratchDirectory(directory, async (scratch) => {
      Deno.writeTextFileSync(join(scratch, "disk.img"), "data");
      return await promise;
    });
    assert.equal([...Deno.readDirSync(directory)].length, 1);
    removeScratchDirectories();
    assert.deepEqual([...Deno.readDirSync(directory)], []);
    resolve("what it did");
    assert.equal(await running, "what it did");
  });
});

Deno.test("a second Ctrl-C ends the run at once, and leaves no folder and no process", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, {
      device: { use: "loop-file", with: { size: "1MiB" } },
      run: { warmup: "10ms", duration: "300ms", repetitions: 50 },
    });
    const child = start([scenario, "--out", directory], flags(directory));
    await until(() => [...Deno.readDirSync(directory)].some(({ name }) => /^test-.*\.json$/.test(name)));
    await until(() => [...Deno.readDirSync(directory)].some(({ name }) => name.startsWith(".iddr-")));
    child.kill("SIGINT");
    child.kill("SIGTERM"); // Another signal: two of the same that are not yet delivered are one.
    const { code } = await outcome(child);
    assert.equal(code, 130);
    await until(async () => (await processesAlive()).length === 0);
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    assert.deepEqual(names.filter((name) => name.startsWith(".iddr-") || name.endsWith(".partial")), []);
  });
});
