import assert from "node:assert/strict";
import type { WaitOutcome } from "../../core/notification.ts";
import haltPoll from "../../plugins/policies/halt_poll.ts";
import { planOf, policyOf, slept, spun } from "../helpers/scripted_waits.ts";

/** The poll after each of some waits. */
function polls(parameters: unknown, waits: readonly WaitOutcome[]): number[] {
  const policy = policyOf(haltPoll, parameters);
  return waits.map((wait) => {
    policy.waited?.(wait);
    const { spinNs, yieldNs, preSleepNs, armDistance, blockNs } = planOf(policy);
    assert.deepEqual([yieldNs, preSleepNs, armDistance, blockNs], [0, 0, 1, Infinity]);
    return spinNs;
  });
}

const LONG = slept(300_000);
const INVALID = slept(50_000, { found: false });
const times = (count: number, wait: WaitOutcome): WaitOutcome[] => Array(count).fill(wait);

/** What `kvm_vcpu_halt` does (Linux 6.12), followed by hand: parameters, halts, and the poll after each. */
const TRANSITIONS: readonly {
  readonly name: string;
  readonly parameters: Record<string, number>;
  readonly waits: readonly WaitOutcome[];
  readonly polls: readonly number[];
}[] = [
  {
    name: "grows from its start, doubled after each short halt, until it is long enough",
    parameters: {},
    waits: times(6, slept(50_000)),
    polls: [10_000, 20_000, 40_000, 80_000, 80_000, 80_000],
  },
  {
    name: "grows up to its most, and no further",
    parameters: {},
    waits: times(7, slept(199_999)),
    polls: [10_000, 20_000, 40_000, 80_000, 160_000, 200_000, 200_000],
  },
  {
    name: "shrinks by half after each long halt, and is nothing below its start",
    parameters: {},
    waits: [...times(6, slept(199_999)), ...times(6, LONG)],
    polls: [10_000, 20_000, 40_000, 80_000, 160_000, 200_000, 100_000, 50_000, 25_000, 12_500, 0, 0],
  },
  {
    name: "stays after a halt of exactly its most",
    parameters: {},
    waits: [slept(50_000), slept(50_000), slept(200_000)],
    polls: [10_000, 20_000, 20_000],
  },
  {
    name: "takes poll and sleep together, and time that others had the core",
    parameters: {},
    waits: [slept(50_000), slept(50_000), slept(100_000, { spunNs: 90_000 }), LONG, slept(1, { lostNs: 250_000 })],
    polls: [10_000, 20_000, 40_000, 20_000, 10_000],
  },
  {
    name: "stays when the poll found the work",
    parameters: {},
    waits: [slept(50_000), spun(9000), spun(10_200), spun(5000, { lostNs: 300_000 })],
    polls: [10_000, 10_000, 10_000, 10_000],
  },
  {
    name: "shrinks when there was nothing to do",
    parameters: {},
    waits: [...times(3, slept(50_000)), INVALID, INVALID, INVALID],
    polls: [10_000, 20_000, 40_000, 20_000, 10_000, 0],
  },
  {
    name: "is nothing after one long halt, with halt_poll_ns_shrink 0",
    parameters: { halt_poll_ns_shrink: 0 },
    waits: [...times(4, slept(199_999)), LONG],
    polls: [10_000, 20_000, 40_000, 80_000, 0],
  },
  {
    name: "divides as integers are divided",
    parameters: { halt_poll_ns_shrink: 3, halt_poll_ns_grow_start: 20_000 },
    waits: [slept(50_000), slept(50_000), LONG],
    polls: [20_000, 40_000, 0],
  },
  {
    name: "divides as integers are divided, above its start",
    parameters: { halt_poll_ns_shrink: 3, halt_poll_ns_grow_start: 100_000 / 10, halt_poll_ns: 100_000 },
    waits: [...times(5, slept(99_999)), slept(100_001)],
    polls: [10_000, 20_000, 40_000, 80_000, 100_000, 33_333],
  },
  {
    name: "never grows with halt_poll_ns_grow 0, nor from a start of 0",
    parameters: { halt_poll_ns_grow: 0 },
    waits: times(2, slept(50_000)),
    polls: [0, 0],
  },
  {
    name: "never grows from a start of 0",
    parameters: { halt_poll_ns_grow_start: 0 },
    waits: times(2, slept(50_000)),
    polls: [0, 0],
  },
  {
    name: "is nothing with halt_poll_ns 0",
    parameters: { halt_poll_ns: 0 },
    waits: [slept(0), slept(50_000), LONG],
    polls: [0, 0, 0],
  },
  {
    name: "is at most halt_poll_ns, also where that is below its start",
    parameters: { halt_poll_ns: 5000 },
    waits: [slept(4000), slept(4000), slept(6000)],
    polls: [5000, 5000, 0],
  },
  {
    name: "is that of QEMU's IOThreads with their figures",
    parameters: { halt_poll_ns: 32_768, halt_poll_ns_grow_start: 4000, halt_poll_ns_shrink: 0 },
    waits: [...times(5, slept(32_767)), slept(32_769)],
    polls: [4000, 8000, 16_000, 32_000, 32_768, 0],
  },
];

for (const { name, parameters, waits, polls: expected } of TRANSITIONS) {
  Deno.test(`halt-poll's poll ${name}`, () => assert.deepEqual(polls(parameters, waits), expected));
}

Deno.test("halt-poll begins without a poll", () => assert.equal(planOf(policyOf(haltPoll)).spinNs, 0));

Deno.test("halt-poll takes the kernel's parameters: unsigned integers of 32 bits", () => {
  for (const parameter of ["halt_poll_ns", "halt_poll_ns_grow", "halt_poll_ns_grow_start", "halt_poll_ns_shrink"]) {
    for (const value of [-1, 0.5, 2 ** 32, "10us"]) {
      assert.equal(haltPoll.options.safeParse({ [parameter]: value }).success, false, `${parameter}: ${value}`);
    }
    assert.equal(haltPoll.options.safeParse({ [parameter]: 2 ** 32 - 1 }).success, true);
  }
});
