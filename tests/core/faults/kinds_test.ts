// The faults of a campaign: which there are, and how they follow from a seed.
import assert from "node:assert/strict";
import {
  Deed,
  type Fault,
  FAULT_KINDS,
  FaultSource,
  isClosing,
  isHandshake,
  Step,
} from "../../../core/faults/kinds.ts";
import { mulberry32 } from "../../../core/mulberry32.ts";

const ALL = { standby: true };

function draw(seed: number, count: number, machine = ALL): Fault[] {
  const source = new FaultSource(mulberry32(seed), machine);
  return Array.from({ length: count }, () => source.next());
}

Deno.test("the same seed gives the same faults, and another seed others", () => {
  assert.deepEqual(draw(7, 200), draw(7, 200));
  assert.notDeepEqual(draw(7, 200), draw(8, 200));
});

Deno.test("in a long campaign every kind is drawn, at each of its steps", () => {
  const drawn = new Set(draw(1, 20_000).map(({ kind, step }) => `${kind.name} ${step}`));
  const source = new FaultSource(mulberry32(1), ALL);
  for (let i = 0; i < 5000; i++) {
    const { kind, step } = source.nextAtEnd();
    assert(isClosing(step));
    drawn.add(`${kind.name} ${step}`);
  }
  const all = FAULT_KINDS.flatMap(({ name, steps }) => steps.map((step) => `${name} ${step}`));
  assert.deepEqual([...drawn].sort(), all.sort());
});

Deno.test("before the end no fault waits for it, and what the machine lacks is not drawn", () => {
  for (const { step, kind } of draw(3, 5000, { standby: false })) {
    assert(!isClosing(step));
    assert.notEqual(kind.needs, "standby");
  }
});

Deno.test("kinds have names and deeds of their own, and each does something", () => {
  const names = FAULT_KINDS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, deed, outside, steps } of FAULT_KINDS) {
    assert(deed !== null || outside !== null, name);
    assert.equal(deed === null, steps.length === 1 && steps[0] === Step.Any, `${name} waits for a step or does not`);
  }
  const done = new Set(FAULT_KINDS.map(({ deed }) => deed));
  for (const [name, deed] of Object.entries(Deed)) assert(done.has(deed), `no kind does ${name}`);
});

Deno.test("only what ends or breaks a driver is done in its handshake, besides delays", () => {
  for (const { name, steps, outcome } of FAULT_KINDS) {
    if (steps.some(isHandshake)) assert(outcome === "recovered" || name === "delay", name);
  }
});
