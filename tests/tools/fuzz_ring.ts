/**
 * `fuzz_ring.ts [--seed=N] [--first=N] [--states=N] [--victim=frontend|backend]`: plays many states of the fuzzer of
 * rings. Ends with 0 if both ends did all that they should, with 1 if one did not: how to play that state alone is
 * printed. By default it plays a million states of a seed of the day's own, which it prints.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { fuzzRing } from "../conformance/peer/fuzz/fuzz.ts";

const STATES = 1_000_000;
const VICTIMS = ["frontend", "backend"] as const;

/** A whole number that an option gives. */
function whole(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`--${name} must be a whole number: it is ${text}`);
}

/** Plays what the arguments say. */
function main(args: string[]): void {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ args, options: { seed: text, first: text, states: text, victim: text } });
  const victim = VICTIMS.find((name) => name === values.victim);
  if (values.victim !== undefined && victim === undefined) {
    throw new Error(`--victim must be one of ${VICTIMS.join(", ")}: it is ${values.victim}`);
  }
  const seed = whole("seed", values.seed, Math.floor(Date.now() / 86_400_000));
  const first = whole("first", values.first, 0);
  const states = whole("states", values.states, STATES);
  console.log(`seed ${seed}, states ${first} to ${first + states - 1}, against ${victim ?? "both ends"}`);
  const startedAt = performance.now();
  const rate = (count: number): string => `${Math.round(count / ((performance.now() - startedAt) / 1000))} a second`;
  const progress = (count: number): void => console.log(`${count} of ${states} states, ${rate(count)}`);
  const report = fuzzRing({ seed, first, states, victim, progress });
  console.log(`nothing wrong, ${rate(states)}: ${JSON.stringify(report)}`);
}

try {
  main(Deno.args);
} catch (thrown) {
  const { message, cause } = thrown as Error;
  console.error(message);
  if (cause instanceof Error) console.error(cause.stack);
  Deno.exitCode = 1;
}
