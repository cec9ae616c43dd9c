import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionError } from "../../core/errors.ts";
import {
  ALLOWED_TRANSITIONS,
  type BackendKey,
  type FrontendKey,
  isAllowedTransition,
  stateName,
  XenbusState,
  XenbusStore,
} from "../../core/xenbus.ts";

const STATES = Object.values(XenbusState);
const { Unknown, Initialising, InitWait, Initialised, Connected, Closing, Closed, Reconfiguring, Reconfigured } =
  XenbusState;
const FRONT_STATE = 0;

const FRONTEND_KEYS: readonly FrontendKey[] = [
  "state",
  "ring-page-order",
  "event-channel",
  "feature-persistent",
  "ring-ref0",
];
const BACKEND_KEYS: readonly BackendKey[] = [
  "state",
  "max-ring-page-order",
  "event-channel",
  "feature-persistent",
  "feature-flush-cache",
  "feature-discard",
  "sectors",
  "sectors-high",
  "sector-size",
  "info",
];

function stores() {
  const words = new Int32Array(1024);
  return { words, front: XenbusStore.frontend(words), back: XenbusStore.backend(words) };
}

Deno.test("the states have Xen's numbers", () => {
  assert.deepEqual(STATES, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(STATES.map(stateName).slice(0, 5), [
    "Unknown",
    "Initialising",
    "InitWait",
    "Initialised",
    "Connected",
  ]);
  assert.equal(stateName(9), "state 9");
});

/** A way to each state from the first. */
const WAYS: Readonly<Record<XenbusState, readonly XenbusState[]>> = {
  [Unknown]: [],
  [Initialising]: [Initialising],
  [InitWait]: [Initialising, InitWait],
  [Initialised]: [Initialising, Initialised],
  [Connected]: [Initialising, Connected],
  [Closing]: [Initialising, Closing],
  [Closed]: [Closed],
  [Reconfiguring]: [Initialising, Connected, Reconfiguring],
  [Reconfigured]: [Initialising, Connected, Reconfiguring, Reconfigured],
};

Deno.test("a side may make exactly the changes in the table", () => {
  for (const from of STATES) {
    for (const to of STATES) {
      const { front } = stores();
      for (const state of WAYS[from]) front.switchTo(state);
      if (ALLOWED_TRANSITIONS[from].includes(to)) {
        front.switchTo(to);
        assert.equal(front.state, to);
      } else {
        assert.throws(() => front.switchTo(to), ConnectionError, `${from} to ${to}`);
        assert.equal(front.state, from);
      }
    }
  }
});

Deno.test("what the peer writes over a side's state does not change what that side does next", () => {
  for (const scribbled of [Closed, Connected, 9, -1]) {
    const { words, front } = stores();
    front.switchTo(Initialising);
    words[FRONT_STATE] = scribbled;
    assert.equal(front.state, Initialising);
    front.switchTo(Initialised);
    assert.equal(words[FRONT_STATE], Initialised);
  }
});

Deno.test("the changes that Xen's drivers make are allowed, and reversals are not", () => {
  for (
    const path of [
      [Unknown, Initialising, Initialised, Connected, Closing, Closed, Initialising],
      [Unknown, Initialising, InitWait, Connected, Closed],
      [Connected, Reconfiguring, Reconfigured, Connected],
    ]
  ) {
    for (let i = 1; i < path.length; i++) {
      assert(isAllowedTransition(path[i - 1], path[i]), `${path[i - 1]} ${path[i]}`);
    }
  }
  for (
    const [from, to] of [[Connected, InitWait], [Initialised, InitWait], [Closing, Connected], [Closed, Connected]]
  ) {
    assert.equal(isAllowedTransition(from, to), false, `${from} to ${to}`);
  }
});

Deno.test("numbers that are no states are never allowed", () => {
  for (const bad of [-1, 9, 255, 1.5, NaN]) {
    for (const state of STATES) {
      assert.equal(isAllowedTransition(state, bad), false);
      assert.equal(isAllowedTransition(bad, state), false);
    }
  }
});

/** Every state that a peer may be seen in after `from`: by allowed steps, none of which goes on from Closed. */
function reachable(from: XenbusState): Set<XenbusState> {
  const found = new Set<XenbusState>();
  const next: XenbusState[] = [...ALLOWED_TRANSITIONS[from]];
  for (let state = next.pop(); state !== undefined; state = next.pop()) {
    if (found.has(state)) continue;
    found.add(state);
    if (state !== Closed) next.push(...ALLOWED_TRANSITIONS[state]);
  }
  return found;
}

Deno.test("a peer's state is accepted exactly if allowed changes lead to it", () => {
  for (const from of STATES) {
    for (const to of STATES) {
      if (from !== Unknown && !reachable(Unknown).has(from)) continue;
      const { words, back } = stores();
      words[FRONT_STATE] = from;
      assert.equal(back.peerState(), from);
      words[FRONT_STATE] = to;
      if (to === from || reachable(from).has(to)) assert.equal(back.peerState(), to);
      else assert.throws(() => back.peerState(), ConnectionError, `${from} to ${to}`);
    }
  }
});

Deno.test("a peer may not go back from Connected without having been seen closed", () => {
  for (const state of [Initialising, InitWait, Initialised]) {
    const { words, back } = stores();
    words[FRONT_STATE] = Connected;
    back.peerState();
    words[FRONT_STATE] = state;
    assert.throws(() => back.peerState(), ConnectionError);
  }
});

Deno.test("a peer in a state that does not exist is refused, every time", () => {
  for (const state of [9, -1, 2 ** 31 - 1]) {
    const { words, back } = stores();
    words[FRONT_STATE] = state;
    assert.throws(() => back.peerState(), ConnectionError);
    assert.throws(() => back.peerState(), ConnectionError);
  }
});

Deno.test("a closed peer may start again", () => {
  const { words, back } = stores();
  for (const state of [Connected, Closed, Initialising, Connected]) {
    words[FRONT_STATE] = state;
    assert.equal(back.peerState(), state);
  }
});

Deno.test("every key has words of its own, and the peer reads what was written", () => {
  const { front, back } = stores();
  const value = (index: number): number => 1000 + index;
  FRONTEND_KEYS.forEach((key, i) => front.write(key, value(i)));
  BACKEND_KEYS.forEach((key, i) => back.write(key, value(100 + i)));
  FRONTEND_KEYS.forEach((key, i) => assert.equal(back.read(key), value(i), key));
  BACKEND_KEYS.forEach((key, i) => assert.equal(front.read(key), value(100 + i), key));
});

Deno.test("the references of the largest ring fit beside all other keys", () => {
  const { front, back } = stores();
  FRONTEND_KEYS.forEach((key) => front.write(key, 7));
  BACKEND_KEYS.forEach((key) => back.write(key, 8));
  for (let i = 0; i < 16; i++) front.write("ring-ref0", 100 + i, i);
  for (let i = 0; i < 16; i++) assert.equal(back.read("ring-ref0", i), 100 + i);
  FRONTEND_KEYS.slice(0, -1).forEach((key) => assert.equal(back.read(key), 7, key));
  BACKEND_KEYS.forEach((key) => assert.equal(front.read(key), 8, key));
});

Deno.test("a key is an unsigned number of 32 bits, 0 until it is written", () => {
  const { front, back } = stores();
  assert.equal(front.read("sectors"), 0);
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (value) => {
    back.write("sectors", value);
    assert.equal(front.read("sectors"), value);
  }));
});
