/**
 * `fuzz_main.ts [--server=nbdkit] [--seed=N] [--first=N] [--sessions=N]`: plays many sessions of the fuzzer. Ends with
 * 0 if the server has done nothing wrong, with 1 if it has: how to play that session alone is printed; with 130 after Ctrl-C. By default it
 * plays 100 000 sessions of a seed of the day's own, which it prints.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { fuzz } from "./fuzz/fuzz.ts";
import { modelServer } from "./model_server/server.ts";
import type { StartServer } from "./server.ts";
import { ours } from "./ours.ts";
import { nbdkit } from "./stand_ins.ts";

const SESSIONS = 100_000;
const SIZE_BYTES = 1 << 20;
const SERVERS: Readonly<Record<string, StartServer>> = {
  iddr: ours({ sizeBytes: SIZE_BYTES, parts: {} }),
  "iddr-monolithic": ours({ sizeBytes: SIZE_BYTES, parts: { placement: "monolithic" } }),
  nbdkit: nbdkit({ sizeBytes: SIZE_BYTES, sectorSize: 512 }),
  model: modelServer(SIZE_BYTES),
};

/** A whole number that an option gives. */
function whole(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`--${name} must be a whole number: it is ${text}`);
}

/** Plays what the arguments say. */
async function main(args: string[], signal: AbortSignal): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ args, options: { server: text, seed: text, first: text, sessions: text } });
  const { server: name = Object.keys(SERVERS)[0] } = values;
  const start = SERVERS[name];
  if (start === undefined) throw new Error(`--server must be one of ${Object.keys(SERVERS).join(", ")}: it is ${name}`);
  const seed = whole("seed", values.seed, Math.floor(Date.now() / 86_400_000));
  const first = whole("first", values.first, 0);
  const sessions = whole("sessions", values.sessions, SESSIONS);
  const server = await start({ readOnly: false });
  try {
    const [begin, memoryBytes] = [performance.now(), server.memoryBytes?.() ?? null];
    const progress = (count: number): void => console.log(`${count} of ${sessions} sessions`);
    console.log(`${name}, seed ${seed}, sessions ${first} to ${first + sessions - 1}`);
    const report = await fuzz(server, { seed, sessions, first, progress, signal });
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    const grown = memoryBytes === null ? null : (server.memoryBytes?.() ?? 0) - memoryBytes;
    console.log(`nothing wrong in ${seconds} s: ${JSON.stringify({ ...report, grownBytes: grown })}`);
  } finally {
    await server.stop();
  }
}

const interruption = new AbortController();
const interrupt = (): void => interruption.abort(new Error("interrupted"));
for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt);
try {
  await main(Deno.args, interruption.signal);
} catch (thrown) {
  console.error((thrown as Error).message);
  Deno.exitCode = interruption.signal.aborted ? 130 : 1;
} finally {
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, interrupt);
}
