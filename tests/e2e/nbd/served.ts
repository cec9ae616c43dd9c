/**
 * Starts `serve` for a test, and the programs that are its clients.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { find } from "../../guest/tool.ts";
import { linesOf } from "../../guest/lines.ts";
import { flags, type Outcome, start, writeScenario } from "../command.ts";

const MIB = 2 ** 20;

/** Every way in which a device is driven. */
export const SETUPS: readonly Readonly<Record<string, unknown>>[] = [
  { placement: "isolated", policy: { use: "interrupt" } },
  { placement: "isolated", policy: { use: "fixed-spin" } },
  { placement: "isolated", policy: { use: "adaptive-spin" } },
  { placement: "monolithic", policy: { use: "interrupt" } },
  {
    ...{ placement: "isolated", policy: { use: "interrupt" } },
    domains: { application: { kind: "process" }, driver: { kind: "process" } },
  },
];

/** A setup in a test's name. */
export function describe(setup: Readonly<Record<string, unknown>>): string {
  const { use } = setup.policy as { use: string };
  if (setup.domains !== undefined) return `in processes, ${use}`;
  return setup.placement === "monolithic" ? "monolithic" : `isolated, ${use}`;
}

/** How an export is started. */
export interface ServeSettings {
  /** Parts of the scenario. */
  readonly parts?: Readonly<Record<string, unknown>>;
  /** The address; a Unix socket in the test's folder when absent. */
  readonly nbd?: string;
  /** More arguments. */
  readonly args?: readonly string[];
  /** Whether the scenario may name devices that misbehave. */
  readonly fixtures?: boolean;
  /** More of Deno's permissions. */
  readonly permissions?: readonly string[];
}

/** An export that listens. It is ended at the test's end if the test has not done so. */
export interface Served extends AsyncDisposable {
  /** What clients call it. */
  readonly uri: string;
  /** The process that was started, whose child drives the device. */
  readonly pid: number;
  /** Sends it a signal. */
  kill(signal: Deno.Signal): void;
  /** What it has said on its standard error until now. */
  stderr(): string;
  /** Its end. */
  readonly ended: Promise<Outcome>;
  /** Ends it by a signal, and waits for that. */
  end(signal?: Deno.Signal): Promise<Outcome>;
}

/** Serves a device: a ramdisk of 4 MiB unless `parts` say otherwise. */
export async function serve(directory: string, settings: ServeSettings = {}): Promise<Served> {
  const served = await tryToServe(directory, settings);
  if ("uri" in served) return served;
  throw new Error(`serve ended with status ${served.code}: ${served.stderr}`);
}

/** Serves a device, or says how `serve` ended without having listened. */
export async function tryToServe(
  directory: string,
  { parts = {}, nbd = `unix:${join(directory, "nbd.sock")}`, args = [], permissions = [], fixtures }: ServeSettings =
    {},
): Promise<Served | Outcome> {
  const ramdisk = { use: "ramdisk", with: { size: `${4 * MIB}B` } };
  const scenario = await writeScenario(directory, {
    ...{ device: ramdisk, placement: "isolated", policy: { use: "adaptive-spin" }, run: {} },
    recovery: { hangTimeout: "20s" },
    ...parts,
  });
  const child = start(
    ["serve", scenario, "--nbd", nbd, ...args],
    [...flags(directory), ...permissions],
    fixtures,
    directory,
  );
  const listening = Promise.withResolvers<string>();
  const said = { stdout: "", stderr: "" };
  const hear = async (name: keyof typeof said): Promise<void> => {
    for await (const line of linesOf(child[name])) {
      said[name] += `${line}\n`;
      const [, uri] = /^listening on (\S+)$/.exec(line) ?? [];
      if (name === "stdout" && uri !== undefined) listening.resolve(uri);
    }
  };
  const ended = Promise.all([child.status, hear("stdout"), hear("stderr")]).then(([{ code }]): Outcome => {
    return { code, ...said };
  });
  let over = false;
  ended.then(() => over = true);
  const kill = (signal: Deno.Signal): void => {
    if (!over) child.kill(signal);
  };
  const end = async (signal: Deno.Signal = "SIGTERM"): Promise<Outcome> => {
    kill(signal);
    return await ended;
  };
  const first = await Promise.race([listening.promise, ended]);
  if (typeof first !== "string") return first;
  const stderr = (): string => said.stderr;
  return {
    uri: first,
    pid: child.pid,
    kill,
    stderr,
    ended,
    end,
    [Symbol.asyncDispose]: async () => void await end("SIGKILL"),
  };
}

/** Why a client is not to be had, or null. */
export function clientRefusal(...names: readonly string[]): string | null {
  const missing = names.filter((name) => find(name) === null);
  return missing.length === 0 ? null : `there is no ${missing.join(", ")} here`;
}

/** Runs a client to its end. */
export async function client(name: string, ...args: readonly string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(name.startsWith("/") ? name : find(name) ?? name, {
    args: [...args],
    env: { LC_ALL: "C" },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Runs a client that must succeed, and returns what it printed. */
export async function succeed(name: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await client(name, ...args);
  assert.equal(code, 0, `${name} ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

/** So many bytes that no two sectors of are alike; the same for the same seed. */
export function noise(byteLength: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(byteLength / 4);
  let state = seed;
  for (let at = 0; at < words.length; at++) {
    // Marsaglia's xorshift32.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return new Uint8Array(words.buffer);
}

/** Compares without printing megabytes. */
export function assertSameBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
  assert.equal(found.length, expected.length, `${what}: length`);
  const at = found.findIndex((byte, index) => byte !== expected[index]);
  assert.equal(at, -1, `${what}: byte ${at} is ${found[at]}, not ${expected[at]}`);
}
