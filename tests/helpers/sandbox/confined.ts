/**
 * Runs programs of the tests confined, and the same unconfined.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { type Confinement, confinementOf } from "../../../core/sandbox/confinement.ts";
import { confinedCommand, type Launch } from "../../../core/sandbox/launch.ts";
import type { PermissionNeeds } from "../../../core/permission_needs.ts";
import { PROJECT } from "../run_deno.ts";

/** The modules of the project, which the programs import. */
export const MODULES = [`${PROJECT}core`, `${PROJECT}plugins`, `${PROJECT}tests`, `${PROJECT}deno.json`];

/** What a program printed, and how it ended. */
export interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a program of the tests is run. */
export interface Options extends Partial<Pick<Launch, "keepEnv" | "descriptors">> {
  /** What differs from the least. */
  readonly confinement?: Partial<Confinement>;
  /** What it declares. */
  readonly needs?: PermissionNeeds;
  /** Variables of the launcher's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Arguments with which Deno runs one of these programs, with every permission that it knows of if no others are named. */
export function programArguments(
  module: string,
  args: readonly string[],
  permissions: readonly string[] = ["--allow-all"],
): string[] {
  const flags = ["--quiet", "--no-prompt", "--no-lock", "--cached-only", `--config=${PROJECT}deno.json`];
  return ["run", ...flags, ...permissions, fileURLToPath(new URL(module, import.meta.url)), ...args];
}

/** How to start a program of this folder confined. */
export function confined(module: string, args: readonly string[], options: Options = {}): Launch {
  const { needs = {}, keepEnv = [], descriptors = [] } = options;
  return {
    ...{ program: Deno.execPath(), args: programArguments(module, args), keepEnv, descriptors },
    confinement: { ...confinementOf(needs, MODULES, null), ...options.confinement },
  };
}

/** Runs a program of this folder confined, to its end. */
export async function runConfined(module: string, args: readonly string[] = [], options: Options = {}): Promise<Ended> {
  const { program, args: given } = confinedCommand(confined(module, args, options));
  return await ended(program, given, options.env);
}

/** Runs it unconfined but for Deno's permissions. */
export async function runFree(
  module: string,
  args: readonly string[] = [],
  permissions?: readonly string[],
): Promise<Ended> {
  return await ended(Deno.execPath(), programArguments(module, args, permissions));
}

async function ended(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const { code, signal, stdout, stderr } = await new Deno.Command(program, {
    ...{ args: [...args], stdin: "null", env: { NO_COLOR: "1", ...env } },
  }).output();
  const text = new TextDecoder();
  return { code, signal, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}
