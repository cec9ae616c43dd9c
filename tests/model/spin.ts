/**
 * Runs Spin on a model: makes its verifier, compiles that, and lets it search all states.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** What is searched for: what must never be, or what must come at last. */
export type Property = "safety" | "liveness";

/** A model with its variants chosen. */
export interface Configuration {
  /** What is modelled, in words. */
  readonly name: string;
  /** File beside this one. */
  readonly file: string;
  /** Names that are defined, with `=value` where they have one. */
  readonly defines: readonly string[];
  /** What is searched for. */
  readonly property: Property;
  /** How many states there are at most: some hundred thousand, some ten million (default), or more. */
  readonly size?: "small" | "usual" | "large";
  /** Statements that this variant has and cannot reach, as Spin prints them; all others must be reached. */
  readonly unreached?: readonly RegExp[];
}

/** A change of the model that must make it fail, and how. */
export interface Mutant extends Configuration {
  /** What Spin must say of it. */
  readonly error: RegExp;
}

/** What a search came to. */
export interface Outcome {
  /** What was found first; null: nothing is wrong. */
  readonly error: string | null;
  /** Whether all states were searched, each compared as a whole. */
  readonly exhaustive: boolean;
  /** Different states. */
  readonly states: number;
  /** Statements that no run reaches. */
  readonly unreached: readonly string[];
  /** All that the verifier printed. */
  readonly output: string;
}

/** What the compiler and the verifier are told of each size. A run of more steps than `-m` makes the search incomplete. */
const SIZES = {
  small: { compile: ["-O1"], search: ["-m500000", "-w20"] },
  usual: { compile: ["-O2"], search: ["-m3000000"] },
  /** States are kept compressed, which takes longer. */
  large: { compile: ["-O2", "-DCOLLAPSE"], search: ["-m20000000"] },
} as const;
/** Most memory of a search in MB. */
const MEMORY_MB = 16_000;
/** Longest search: far more than the largest takes. */
const TIMEOUT_MS = 5 * 3_600_000;

/** Why nothing can be checked here, or null. */
export function refusal(): string | null {
  for (const [program, argument] of [["spin", "-V"], ["cc", "--version"]]) {
    try {
      if (!new Deno.Command(program, { args: [argument], stdout: "null", stderr: "null" }).outputSync().success) {
        return `${program} does not run`;
      }
    } catch (thrown) {
      if (thrown instanceof Deno.errors.NotFound) return `${program} is not installed`;
      throw thrown;
    }
  }
  return null;
}

/**
 * Searches all states of a model, or those until the first error.
 *
 * @throws {Error} when a tool fails, with what it printed
 */
export async function search(configuration: Configuration): Promise<Outcome> {
  const { defines, file, property, size = "usual" } = configuration;
  const { compile, search } = SIZES[size];
  const [checks, options] = property === "safety" ? [["-DSAFETY", "-DNOCLAIM"], []] : [["-DNFAIR=4"], ["-a", "-f"]];
  const folder = await Deno.makeTempDir({ prefix: "iddr-model-" });
  try {
    const model = fileURLToPath(new URL(file, import.meta.url));
    await run(folder, "spin", ["-a", ...defines.map((define) => `-D${define}`), model]);
    await run(folder, "cc", [...compile, "-w", `-DMEMLIM=${MEMORY_MB}`, ...checks, "-o", "pan", "pan.c"]);
    return outcomeOf(await run(folder, "./pan", [...search, ...options]));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function run(folder: string, program: string, args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd: folder,
    env: { LC_ALL: "C" },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (!success) throw new Error(`${program} ${args.join(" ")} failed:\n${output}`);
  return output;
}

function outcomeOf(output: string): Outcome {
  const errors = Number(/errors: (\d+)/.exec(output)?.[1] ?? NaN);
  const states = Number(/^\s*([\d.e+]+) states, stored/m.exec(output)?.[1] ?? NaN);
  if (Number.isNaN(errors) || Number.isNaN(states)) {
    throw new Error(`The verifier says neither errors nor states:\n${output}`);
  }
  return {
    error: errors === 0 ? null : /^pan:\d+: (.*) \(at depth/m.exec(output)?.[1] ?? output,
    exhaustive: output.includes("Full statespace search") &&
      !/too small|not completed|reached -DMEMLIM|out of memory/.test(output),
    states,
    unreached: unreachedIn(output),
    output,
  };
}

/** Statements that are listed as unreached, but for ends of processes that have none, and Spin's own. */
function unreachedIn(output: string): string[] {
  return [...output.matchAll(/^\t(\S+):(\d+), state \d+, "(.*)"$/gm)]
    .filter(([, file, , statement]) => !file.startsWith("_spin") && statement !== "-end-")
    .map(([, file, line, statement]) => `${file.replace(/.*\//, "")}:${line}: ${statement}`);
}
