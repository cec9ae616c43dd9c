/**
 * A program that tries everything of `attempts.ts` from every thread that it can reach, and prints for each whether it was
 * done: as JSON, way and attempt to `done` or why not.
 *
 * @module
 */

import { messageOf } from "../../../core/errors.ts";
import { DENO_ATTEMPTS, ROOT_ATTEMPTS, SYSTEM_ATTEMPTS, systemOf, type Targets } from "./attempts.ts";

/** What was tried, and what came of it. */
export type Findings = Record<string, string>;

/** What came of an attempt that was not prevented. */
export const DONE = "done";

/** Threads that call: Deno's main thread, one of its pool, a worker. */
const WAYS = ["main", "pool", "worker"] as const;

/** Tries everything by the calling thread's system calls, or by another's. */
export async function probeSystem(way: typeof WAYS[number], targets: Targets): Promise<Findings> {
  const system = systemOf(way === "pool" ? "pool" : "own");
  const all = {
    ...SYSTEM_ATTEMPTS,
    ...(targets.root ? ROOT_ATTEMPTS : {}),
  };
  const findings: Findings = {};
  for (const [name, attempt] of Object.entries(all)) {
    findings[`${way}: ${name}`] = await attempt(system, { ...targets, pid: targets.pids[WAYS.indexOf(way)] }) === -1
      ? "-1"
      : DONE;
  }
  return findings;
}

/** Tries everything by Deno's functions. */
export async function probeDeno(targets: Targets): Promise<Findings> {
  const findings: Findings = {};
  for (const [name, attempt] of Object.entries(DENO_ATTEMPTS)) {
    try {
      await attempt(targets);
      findings[`Deno: ${name}`] = DONE;
    } catch (thrown) {
      findings[`Deno: ${name}`] = messageOf(thrown);
    }
  }
  return findings;
}

if (import.meta.main) {
  const targets: Targets = JSON.parse(Deno.args[0]);
  const worker = new Worker(import.meta.resolve("./prober_worker.ts"), { type: "module" });
  const inWorker = await new Promise<Findings>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(targets);
  });
  worker.terminate();
  const findings = [await probeDeno(targets), inWorker];
  for (const way of ["pool", "main"] as const) findings.push(await probeSystem(way, targets));
  console.log(JSON.stringify(Object.assign({}, ...findings)));
}
