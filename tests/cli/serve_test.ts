// What `serve` refuses before it serves anything, and what it prints for programs.
import assert from "node:assert/strict";
import { flags, type Outcome, outcome, start, until, withDirectory, writeScenario } from "../e2e/command.ts";

const MATRIX = {
  workload: { use: "verify" },
  expect: ["iops(policy=interrupt) > 0"],
  matrix: {
    policy: [{ use: "interrupt" }, { use: "fixed-spin", with: { spin: "20us" } }],
    "channel.ringOrder": [0, 1],
    "workload.with.queueDepth": [1, 8],
  },
};

async function serve(directory: string, parts: Record<string, unknown>, ...args: string[]): Promise<Outcome> {
  const scenario = await writeScenario(directory, parts);
  return await outcome(start(["serve", scenario, "--nbd", `unix:${directory}/sock`, ...args], flags(directory)));
}

/** Starts `serve`, ends it once `isUp` says that what it has printed is enough, and returns all of it. */
async function serveUntil(args: readonly string[], directory: string, isUp: (printed: string) => boolean) {
  const child = start(["serve", ...args], flags(directory));
  let printed = "";
  const heard = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) printed += text;
  })();
  const complaints = new Response(child.stderr).text();
  const status = child.status;
  await until(() => isUp(printed));
  child.kill("SIGTERM");
  await heard;
  return { printed, complaints: await complaints, code: (await status).code };
}

Deno.test("a scenario of several cells is refused, with what chooses each of those that can be told apart", async () => {
  await withDirectory(async (directory) => {
    const { code, stdout, stderr } = await serve(directory, MATRIX);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    const [head, ...lines] = stderr.trim().split("\n");
    assert.match(
      head,
      /scenario\.yaml:1:\d+: matrix: makes 4 cells; allowed is one here\. Choose it by one of these:$/,
    );
    assert.deepEqual(lines, [
      "  --set 'policy={ use: interrupt }' --set channel.ringOrder=0",
      "  --set 'policy={ use: interrupt }' --set channel.ringOrder=1",
      "  --set 'policy={ use: fixed-spin, with: { spin: 20us } }' --set channel.ringOrder=0",
      "  --set 'policy={ use: fixed-spin, with: { spin: 20us } }' --set channel.ringOrder=1",
      "iddr: 1 mistake; nothing was run",
    ]);
  });
});

Deno.test("what chooses a cell is taken as it was printed, and is served", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, MATRIX);
    const choice = ["--set", "policy={ use: fixed-spin, with: { spin: 20us } }", "--set", "channel.ringOrder=1"];
    const args = [scenario, "--nbd", `unix:${directory}/sock`, ...choice];
    const { code, complaints } = await serveUntil(args, directory, (printed) => printed.includes("\n"));
    assert.equal(code, 0, complaints);
  });
});

Deno.test("of many cells only some are named", async () => {
  await withDirectory(async (directory) => {
    const sizes = Array.from({ length: 15 }, (_, index) => `${index + 1}MiB`);
    const { stderr } = await serve(directory, { matrix: { "device.with.size": sizes } });
    assert.match(stderr, /\n {2}--set device\.with\.size=12MiB\n {2}and 3 more\n/);
  });
});

Deno.test("an address that others reach, or that is none, is refused with what is allowed", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory);
    const cases: readonly (readonly [address: string, message: RegExp])[] = [
      [
        "tcp:0.0.0.0:10809",
        /^iddr: --nbd tcp:0\.0\.0\.0:10809 can be reached from other machines, .*ssh -L or stunnel/,
      ],
      ["tcp:[::]:10809", /can be reached from other machines/],
      ["tcp:192.0.2.1:10809", /can be reached from other machines/],
      ["tcp:example.org:10809", /Cannot read the address "tcp:example\.org:10809": allowed are unix:PATH, /],
      ["tcp:127.0.0.1:65536", /Cannot read the address/],
      ["/run/nbd.sock", /Cannot read the address "\/run\/nbd\.sock"/],
      ["unix:", /Cannot read the address/],
    ];
    for (const [address, message] of cases) {
      const { code, stdout, stderr } = await outcome(start(["serve", scenario, "--nbd", address], flags(directory)));
      assert.deepEqual([code, stdout], [2, ""], address);
      assert.match(stderr, message);
    }
  });
});

Deno.test("serve says what it needs: an address, one scenario, permissions, consent", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory);
    const without = await outcome(start(["serve", scenario], flags(directory)));
    assert.equal(without.code, 2);
    assert.match(without.stderr, /--nbd/);
    const two = await serve(directory, {}, scenario);
    assert.equal(two.code, 2);

    const nothing = await outcome(start(["serve", scenario, "--nbd", "tcp:127.0.0.1:0"], ["--no-prompt"]));
    assert.equal(nothing.code, 2);
    for (const flag of ["--allow-read", "--allow-env=LOG_TOKENS,LOG_STREAM", "--allow-run", "--allow-ffi="]) {
      assert.ok(nothing.stderr.includes(flag), `${flag} is missing in ${nothing.stderr}`);
    }
    assert.ok(!nothing.stderr.includes("--allow-write"), "nothing is saved");
    const unwritable = flags(directory).filter((flag) => !flag.startsWith("--allow-write"));
    const path = `${directory}/sock`;
    const noWrite = await outcome(start(["serve", scenario, "--nbd", `unix:${path}`], unwritable));
    assert.equal(noWrite.code, 2);
    assert.match(noWrite.stderr, new RegExp(`Add: --allow-write=${path} `));

    const forced = await serve(directory, {}, "--force");
    assert.equal(forced.code, 2);
    assert.match(forced.stderr, /--force goes with --allow-destructive=PATH/);
    const disk = await serve(directory, { device: { use: "sata", with: { path: "/dev/nosuch", destructive: true } } });
    assert.equal(disk.code, 2);
    assert.match(disk.stderr, /device\.with\.path: writes to \/dev\/nosuch, .* add --allow-destructive=\/dev\/nosuch/);
  });
});

Deno.test("a mistake in what serve itself puts into the scenario says where it comes from", async () => {
  await withDirectory(async (directory) => {
    const { code, stderr } = await serve(directory, {}, "--name", "n".repeat(5000));
    assert.equal(code, 2);
    assert.match(stderr, /workload\.with\.name \(from serve\): /);
    const set = await serve(directory, {}, "--set", "workload.with.queueDepth=0");
    assert.match(set.stderr, /workload\.with\.queueDepth \(from --set\): /);
  });
});

Deno.test("a scenario without a workload is served", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, { workload: undefined });
    const args = [scenario, "--nbd", "tcp:127.0.0.1:0"];
    const { code, complaints } = await serveUntil(args, directory, (printed) => printed.includes("\n"));
    assert.equal(code, 0, complaints);
  });
});

Deno.test("--json prints where it listens and what it measured, one document a line", async () => {
  await withDirectory(async (directory) => {
    const args = [await writeScenario(directory), "--nbd", "tcp:127.0.0.1:0", "--name", "a b", "--json"];
    const { printed, code } = await serveUntil(args, directory, (printed) => printed.includes("\n"));
    assert.equal(code, 0);
    const [first, second, ...rest] = printed.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(rest, []);
    assert.match(first.listening, /^nbd:\/\/127\.0\.0\.1:\d+\/a%20b$/);
    assert.deepEqual([second.operations, second.counters.nbdConnections], [0, 0]);
    assert.ok(second.durationNs > 0);
  });
});

Deno.test("a device that cannot be opened ends serve with its reason and status 1", async () => {
  await withDirectory(async (directory) => {
    const device = { use: "loop-file", with: { path: `${directory}/none` } };
    const { code, stdout, stderr } = await serve(directory, { device });
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^iddr: The medium of loop-file cannot be opened: .*none/m);
  });
});
