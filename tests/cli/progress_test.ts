import assert from "node:assert/strict";
import { flags, outcome, PROJECT, start, withDirectory, writeScenario } from "../e2e/command.ts";
import { testUnless } from "../helpers/test_unless.ts";

const PARTS = {
  matrix: { placement: ["isolated", "monolithic"], "workload.with.queueDepth": [1, 2] },
  run: { warmup: "20ms", duration: "20ms", repetitions: 2 },
};

Deno.test("in a log, progress is a few plain lines", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, PARTS);
    const { code, stderr } = await outcome(start([scenario, "--out", directory], flags(directory)));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^test \(.*scenario\.yaml\): 4 cells, 2 repetitions each\n {2}2 of 8 done\n {2}4 of 8 done\n/);
    assert.ok(!stderr.includes("\x1b") && !stderr.includes("\r"));
  });
});

Deno.test("--no-progress leaves nothing but where the result is", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory);
    const { stderr } = await outcome(start([scenario, "--out", directory, "--no-progress"], flags(directory)));
    assert.match(stderr, /^saved in .*\.json\nreport in .*\.html\n\n$/);
  });
});

/** Runs a command on a terminal of so many columns; returns what the terminal was sent. */
async function onTerminal(columns: number, command: string): Promise<{ code: number; text: string }> {
  const { code, stdout } = await new Deno.Command("script", {
    args: ["--quiet", "--return", "--command", `stty cols ${columns}; ${command}`, "/dev/null"],
    cwd: PROJECT,
    env: { NO_COLOR: "1", TERM: "xterm" },
    stdin: "null",
  }).output();
  return { code, text: new TextDecoder().decode(stdout) };
}

/** Why there is no terminal to be had, or null. */
async function whyNoTerminal(): Promise<string | null> {
  try {
    await new Deno.Command("script", { args: ["--version"] }).output();
    return null;
  } catch (thrown) {
    return `script (bsdutils) cannot be run: ${(thrown as Error).message}`;
  }
}

const noTerminal = await whyNoTerminal();

for (const columns of [60, 0]) {
  testUnless(
    noTerminal,
    `on a terminal of ${columns} columns one line is rewritten, with the cell and the time left, and then cleared`,
    async () => {
      await withDirectory(async (directory) => {
        const scenario = await writeScenario(directory, PARTS);
        const { code, text } = await onTerminal(
          columns,
          `${Deno.execPath()} run --quiet ${flags(directory).join(" ")} cli/main.ts ${scenario} --out ${directory}`,
        );
        assert.equal(code, 0, text);
        const [before, ...lines] = text.split("\r\x1b[2K");
        assert.equal(before, "");
        const end = lines.pop() ?? "";
        assert.ok(end.startsWith("test\r\n"), "the table begins on a clear line");
        assert.equal(lines.length, 8);
        assert.equal(lines[0], "test  1/8  placement=isolated, queueDepth=1");
        for (const line of lines.slice(1)) {
          assert.match(line, /^test {2}\d\/8, \d+ s left {2}placement=\w+, queue/);
          assert.ok(line.length < (columns || 80), line);
        }
      });
    },
  );
}

testUnless(noTerminal, "advise rewrites one line on a terminal, with the time left, and clears it", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, PARTS);
    const only = "--time 4s --set run.warmup=20ms --set placement=isolated --policy interrupt --policy fixed-spin";
    const command = `${Deno.execPath()} run --quiet ${flags(directory).join(" ")} cli/main.ts advise ${scenario}`;
    const { code, text } = await onTerminal(60, `${command} --out ${directory} ${only}`);
    assert.equal(code, 0, text);
    const [before, ...lines] = text.split("\r\x1b[2K");
    assert.equal(before, "");
    assert.ok((lines.pop() ?? "").startsWith("test: which policy?\r\n"), "the answer begins on a clear line");
    assert.ok(lines.length > 0);
    for (const line of lines) {
      assert.match(line, /^test {2}\d+ repetitions?, \d+ s left at most {2}policy=/);
      assert.ok(line.length < 60, line);
    }
  });
});
