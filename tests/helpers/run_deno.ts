/**
 * Runs Deno as a person would who has nothing to do with this repository: in a folder and an environment of their own.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** The project's folder. */
export const PROJECT: string = fileURLToPath(new URL("../../", import.meta.url));
/** The command line. */
export const CLI = `${PROJECT}cli/main.ts`;

/** What a command did. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs Deno to its end. */
export async function runDeno(
  args: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: Readonly<Record<string, string>> },
): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Runs `deno run cli/main.ts` with the permissions of the README, results in `results` below `cwd`, and `extra` flags. */
export function runCli(args: readonly string[], cwd: string, extra: readonly string[] = []): Promise<Outcome> {
  const allow = ["--allow-read", "--allow-run", "--allow-ffi", "--allow-sys", "--allow-env=LOG_TOKENS,LOG_STREAM"];
  return runDeno(["run", "--quiet", "--no-prompt", ...allow, "--allow-write=results", ...extra, CLI, ...args], { cwd });
}

/** Writes files into a new folder, and removes it after `body`. */
export async function withFiles(
  files: Readonly<Record<string, string>>,
  body: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "iddr-files-" }));
  try {
    for (const [name, text] of Object.entries(files)) {
      const path = `${folder}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, text);
    }
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
