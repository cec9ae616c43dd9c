/** Runs the command line as a person would: as a process, with the README's permissions. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Outcome, PROJECT } from "../helpers/run_deno.ts";

export { type Outcome, PROJECT };

const FIXTURE_CLI = fileURLToPath(new URL("./fixtures/cli.ts", import.meta.url));

/** The README's permissions, with results in one folder. */
export function flags(directory: string): string[] {
  return [
    "--no-prompt",
    "--allow-read",
    "--allow-run",
    "--allow-ffi",
    "--allow-sys",
    "--allow-env=LOG_TOKENS,LOG_STREAM",
    `--allow-write=${directory}`,
  ];
}

/** Marks every process that a test starts, and those that they start. */
const MARK = `IDDR_TEST=${crypto.randomUUID()}`;

/** Starts a command; with `fixtures`, the one that knows the plugins that misbehave. */
export function start(
  args: readonly string[],
  permissions: readonly string[],
  fixtures = false,
  cwd = PROJECT,
): Deno.ChildProcess {
  const [variable, value] = MARK.split("=");
  const entry = fixtures ? FIXTURE_CLI : join(PROJECT, "cli/main.ts");
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", ...permissions, entry, ...args],
    cwd,
    env: { NO_COLOR: "1", [variable]: value },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Waits for a command's end. */
export async function outcome(child: Deno.ChildProcess): Promise<Outcome> {
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Waits for something that will happen, with a limit so that a test never hangs. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let look = 0; look < 1500; look++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`never happened: ${condition}`);
}

/** Runs a test with a folder of its own. */
export async function withDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "iddr-test-" });
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Writes a short scenario, its parts replaced by `parts`, and returns its path. */
export async function writeScenario(directory: string, parts: Record<string, unknown> = {}): Promise<string> {
  const path = join(directory, "scenario.yaml");
  const scenario = {
    apiVersion: "iddr/v1",
    kind: "Scenario",
    name: "test",
    device: { use: "ramdisk", with: { size: "1MiB" } },
    policy: { use: "fixed-spin" },
    workload: { use: "sysbench-fileio", with: { blockSize: "4KiB" } },
    run: { warmup: "20ms", duration: "50ms", repetitions: 2 },
    recovery: { hangTimeout: "1s" },
    ...parts,
  };
  await Deno.writeTextFile(path, JSON.stringify(scenario)); // JSON is YAML.
  return path;
}

/** The one result that was saved in a folder. */
// deno-lint-ignore no-explicit-any
export async function savedResult(directory: string): Promise<any> {
  const files: string[] = [];
  for await (const { name } of Deno.readDir(directory)) if (/^test-.*\.json$/.test(name)) files.push(name);
  if (files.length !== 1) throw new Error(`expected one result, found ${files.join(", ") || "none"}`);
  return JSON.parse(await Deno.readTextFile(join(directory, files[0])));
}

/** Ids of the processes that this file's tests started, or those did, and that are alive. */
export async function processesAlive(): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await Deno.readTextFile(`/proc/${name}/environ`).catch(() => "");
    if (environment.split("\0").includes(MARK)) found.push(Number(name));
  }
  return found;
}
