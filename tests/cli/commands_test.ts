import assert from "node:assert/strict";
import { join } from "node:path";
import { describePlugins } from "../../core/runner/describe.ts";
import { builtins } from "../../plugins/mod.ts";
import { flags, type Outcome, outcome, PROJECT, start, withDirectory, writeScenario } from "../e2e/command.ts";

/** Runs a command that saves nothing. */
async function iddr(...args: string[]): Promise<Outcome> {
  return await outcome(start(args, flags("results")));
}

Deno.test("list names every built-in plugin with its options, what they may be and what they are without being given", async () => {
  const { code, stdout } = await iddr("list");
  assert.equal(code, 0);
  for (const { name, options } of await describePlugins(builtins)) {
    assert.match(stdout, new RegExp(`^  ${name} `, "m"));
    for (const option of options) {
      assert.match(stdout, new RegExp(`^    ${option.name} .*\\(${option.type.split(" ")[0]}`, "m"));
    }
  }
  assert.match(stdout, /^ {4}spin +How long to spin before sleeping\. \(time, default 50us\)$/m);
});

Deno.test("list can be about one kind or one plugin, as JSON too", async () => {
  const policies = await iddr("list", "policy");
  assert.ok(policies.stdout.includes("fixed-spin") && !policies.stdout.includes("ramdisk"));
  const one = await iddr("list", "device", "ramdisk");
  assert.ok(one.stdout.includes("ramdisk") && !one.stdout.includes("loop-file"));
  const { code, stdout } = await iddr("list", "--json");
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(await describePlugins(builtins))));
});

Deno.test("list offers the nearest name for one that does not exist", async () => {
  const { code, stderr } = await iddr("list", "device", "ramdsk");
  assert.equal(code, 2);
  assert.match(stderr, /^iddr: ramdsk is not a known device; did you mean ramdisk\?/);
  assert.equal((await iddr("list", "devices")).code, 2);
});

Deno.test("schema prints the JSON Schema that is shipped", async () => {
  const { code, stdout } = await iddr("schema");
  assert.equal(code, 0);
  const shipped = await Deno.readTextFile(join(PROJECT, "scenarios/scenario.schema.json"));
  assert.deepEqual(JSON.parse(stdout), JSON.parse(shipped));
});

for (const shell of ["bash", "zsh", "fish"]) {
  Deno.test(`completion prints a script for ${shell}`, async () => {
    const { code, stdout } = await iddr("completion", shell);
    assert.equal(code, 0);
    assert.match(stdout, /completion/);
    assert.match(stdout, /iddr/);
  });
}

Deno.test("bash completes commands, kinds of plugins and options with the script", async () => {
  const words = async (line: string): Promise<string[]> => {
    const script = `
      iddr() { "$DENO" run --quiet ${flags("results").join(" ")} "$ENTRY" "$@"; }
      eval "$(iddr completion bash)"
      COMP_LINE=${JSON.stringify(line)}; COMP_POINT=\${#COMP_LINE}; COMP_WORDS=(\${COMP_LINE})
      [[ "$COMP_LINE" == *" " ]] && COMP_WORDS+=("")
      COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
      _iddr
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { success, stdout, stderr } = await new Deno.Command("bash", {
      args: ["-c", script],
      cwd: PROJECT,
      env: { DENO: Deno.execPath(), ENTRY: join(PROJECT, "cli/main.ts") },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim().split("\n").map((each) => each.trim());
  };
  assert.deepEqual(await words("iddr ch"), ["check"]);
  assert.ok((await words("iddr list ")).includes("workload"));
  assert.ok((await words("iddr run --q")).includes("--quick"));
  assert.ok((await words("iddr run scenarios/ramdisk")).some((each) => each.includes("ramdisk-rndrw.yaml")));
});

Deno.test("help says what each command is for, and what --quick does", async () => {
  const all = await iddr("--help");
  assert.equal(all.code, 0);
  for (const command of ["run", "report", "serve", "check", "list", "schema", "sata", "completion"]) {
    assert.match(all.stdout, new RegExp(`^  ${command} {2,}[A-Z].*\\.$`, "m"));
    const one = await iddr(command, "--help");
    assert.equal(one.code, 0, command);
    assert.match(one.stdout, new RegExp(`Usage: iddr ${command}`));
  }
  const { stdout } = await iddr("run", "--help");
  assert.match(stdout.replaceAll(/\s+/g, " "), /1 repetition of each cell, 100ms of warm-up, 200ms of measurement/);
  for (const line of stdout.split("\n")) assert.ok(line.length <= 120, line);
});

Deno.test("check says how long a scenario takes, and at most how long where programs decide that", async () => {
  await withDirectory(async (directory) => {
    const timed = await writeScenario(directory, { run: { warmup: "500ms", duration: "1s", repetitions: 4 } });
    assert.match((await iddr("check", timed)).stdout, /: valid, 1 cell, 4 repetitions, about 6 s\n/);
    const workload = { use: "mounted", with: { command: ["dd", "of=x"], timeout: "1min" } };
    const conducted = await writeScenario(directory, { workload, run: { repetitions: 2 } });
    assert.match((await iddr("check", conducted)).stdout, /: valid, 1 cell, 2 repetitions, 180 s at most\n/);
  });
});
