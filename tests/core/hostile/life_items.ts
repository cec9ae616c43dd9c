/** Items 11 and 14: the handshake, and death. */

import assert from "node:assert/strict";
import { synchronous } from "../../../core/block_device.ts";
import { Operation, Status } from "../../../core/blkif.ts";
import { ConnectionError } from "../../../core/errors.ts";
import { ALLOWED_TRANSITIONS, canReach, XenbusState } from "../../../core/xenbus.ts";
import { LaterDevice, MemoryDevice } from "../../helpers/devices.ts";
import { ScriptedBackend } from "../../helpers/scripted_backend.ts";
import { ScriptedFrontend } from "../../helpers/scripted_frontend.ts";
import type { HostileItem } from "./list.ts";
import { backendVictim, frontendVictim, stillServes } from "./victims.ts";

const { Connected, Closing, Closed, Initialising, InitWait, Initialised } = XenbusState;
const { Read } = Operation;
/** All states, and some that do not exist. */
const STATES = [...Object.values(XenbusState), 9, 255, -1, 0x7fffffff, -0x80000000];
const MOST_LOOKS = 50;

/** Plays a backend's handshake with a frontend whose states are these; told to stop after them. */
function shakesHandsAsBackend(states: readonly number[]): unknown {
  const peer = new ScriptedFrontend(synchronous(new MemoryDevice()));
  const keys = peer.offer();
  peer.backend.offer();
  let looks = 0;
  try {
    peer.backend.connect(() => {
      if (looks < states.length) keys.write("state", states[looks]);
      peer.ends.back.events.wake();
      return ++looks > states.length + 2;
    });
    return null;
  } catch (thrown) {
    return thrown;
  } finally {
    assert(looks < MOST_LOOKS);
    peer.backend.close();
    assert.deepEqual(peer.grants.mapped(), []);
  }
}

/** Plays a frontend's handshake with a backend whose states are these; told to stop after them. */
function shakesHandsAsFrontend(states: readonly number[]): unknown {
  const peer = new ScriptedBackend();
  let looks = 0;
  peer.test.stop = () => {
    if (looks < states.length) peer.store.write("state", states[looks]);
    peer.ends.front.events.wake();
    return ++looks > states.length + 2;
  };
  try {
    peer.test.frontend.connect();
    return null;
  } catch (thrown) {
    return thrown;
  } finally {
    assert(looks < MOST_LOOKS);
  }
}

/** Every pair and some triples of states lead to a connection, or to a connection error. */
function anyStates(play: (states: readonly number[]) => unknown): void {
  for (const first of STATES) {
    for (const second of STATES) {
      for (const third of [InitWait, Initialised, Connected, 9]) {
        const outcome = play([first, second, third, Connected]);
        assert(outcome === null || outcome instanceof ConnectionError, `${[first, second, third]}: ${outcome}`);
      }
    }
  }
}

/** States from Connected that are believed. */
const believed = STATES.filter((state) => state === Connected || canReach(Connected, state));

/** The handshake. */
export const item11: HostileItem = {
  what: "states that are skipped, reversed or looped; keys that are odd or huge",
  againstBackend: {
    "goes through any states at all": () => anyStates(shakesHandsAsBackend),
    "is in any state at all once it is connected": () => {
      for (const state of STATES) {
        const { peer } = backendVictim();
        peer.keys.write("state", state);
        if (believed.includes(state as XenbusState)) assert.equal(peer.backend.connected, state === Connected);
        else assert.throws(() => peer.backend.connected, ConnectionError, `state ${state}`);
      }
    },
    "writes over the backend's own state": () => {
      for (const state of STATES) {
        const victim = backendVictim();
        const { peer } = victim;
        peer.keys.words[256] = state;
        stillServes(victim);
        peer.backend.close();
        assert.deepEqual([peer.keys.read("state"), peer.grants.mapped()], [Closed, []]);
      }
    },
    "offers a ring by odd and huge keys": () => {
      for (
        const [key, value] of [["ring-page-order", 5], ["ring-page-order", -1], ["ring-ref0", 0], ["ring-ref0", -1]]
      ) {
        const peer = new ScriptedFrontend(synchronous(new MemoryDevice()));
        const connect = (): unknown => peer.connect((keys) => keys.write(key as "ring-ref0", value as number));
        assert.throws(connect, ConnectionError, `${key} ${value}`);
      }
    },
  },
  againstFrontend: {
    "goes through any states at all": () => anyStates(shakesHandsAsFrontend),
    "is in any state at all once it is connected": () => {
      for (const state of STATES) {
        const { peer, frontend } = frontendVictim();
        peer.test.waiter.pump = () => peer.store.write("state", state);
        if (state === Connected) frontend.idle();
        else assert.throws(() => frontend.idle(), ConnectionError, `state ${state}`);
      }
    },
    "writes over the frontend's own state": () => {
      for (const state of STATES) {
        const { peer, frontend } = frontendVictim();
        peer.answer(0, Read, Status.Okay);
        peer.answer(1, Read, Status.Okay);
        assert.deepEqual([frontend.poll(), frontend.poll()], [0, 1]);
        peer.store.words[0] = state;
        peer.test.stop = () => {
          peer.store.write("state", Closed);
          peer.ends.front.events.wake();
          return false;
        };
        frontend.close();
        assert.equal(peer.store.read("state"), Closed);
      }
    },
    "changes the table of transitions' path by a loop": () => {
      for (const [from, others] of Object.entries(ALLOWED_TRANSITIONS)) {
        assert(!others.includes(Number(from) as XenbusState));
      }
      const outcome = shakesHandsAsFrontend([Initialising, InitWait, Initialising, InitWait]);
      assert(outcome instanceof ConnectionError);
    },
  },
};

/** Deaths. */
export const item14: HostileItem = {
  what: "death at every step, and restarts that race",
  againstBackend: {
    "dies in the handshake, at each of its steps": () => {
      for (let steps = 0; steps < 3; steps++) {
        const states = [Initialising, Initialised, Connected].slice(0, steps);
        assert(shakesHandsAsBackend(states) instanceof ConnectionError, `after ${steps} steps`);
      }
    },
    "dies between a request's words and its index, or the other way round": () => {
      const victim = backendVictim();
      const { peer, honest } = victim;
      peer.ring.set([Read | (1 << 8), 0, 5, 0, 0, 0, honest, 7 << 8], 16 + 28 * peer.produced);
      assert.equal(peer.backend.service(), false, "what was not published is not there");
      peer.publish(peer.produced + 3);
      assert(peer.backend.service());
      assert.equal(peer.responses().length, 3, "what was published is answered, whatever it is");
      peer.produced += 3;
      stillServes(victim);
    },
    "dies with requests at the device: they end, and so does the connection": () => {
      let ready = false;
      const victim = backendVictim({}, {}, (disk) => new LaterDevice(disk, () => ready ? 0 : -1));
      const { peer, honest } = victim;
      for (let id = 0; id < 5; id++) peer.postTransfer(Read, id, 0, [honest, 0, 7]);
      assert(peer.backend.service());
      peer.keys.write("state", Closed);
      assert.equal(peer.backend.connected, false);
      peer.backend.abandon();
      ready = true;
      peer.gate.reap();
      assert.equal(peer.backend.busy, false);
      peer.backend.close();
      assert.deepEqual(peer.grants.mapped(), []);
    },
    "dies and begins anew before anybody looked": () => {
      for (const state of [Initialising, Initialised]) {
        const { peer } = backendVictim();
        peer.keys.write("state", Closed);
        peer.keys.write("state", state);
        assert.throws(() => peer.backend.connected, ConnectionError);
      }
    },
  },
  againstFrontend: {
    "dies in the handshake, at each of its steps": () => {
      for (let steps = 0; steps < 3; steps++) {
        const states = [Initialising, InitWait].slice(0, steps);
        assert(shakesHandsAsFrontend(states) instanceof ConnectionError, `after ${steps} steps`);
      }
    },
    "dies between an answer's words and its index, or the other way round": () => {
      const { peer, frontend } = frontendVictim();
      peer.ring.set([0, 1, Read, 0], 16);
      assert.equal(frontend.poll(), -1, "what was not published is not there");
      const other = frontendVictim();
      other.peer.publish(1);
      assert.throws(() => other.frontend.poll(), ConnectionError, "the request itself is no answer");
    },
    "dies with requests in flight, in any way": () => {
      for (const state of [Closing, Closed, XenbusState.Unknown, Initialising]) {
        const { peer, frontend } = frontendVictim();
        peer.test.waiter.pump = () => peer.store.write("state", state);
        assert.throws(() => frontend.wait(), ConnectionError, `state ${state}`);
        assert.equal(frontend.inFlight, 2);
      }
    },
    "dies and begins anew before anybody looked": () => {
      const { peer, frontend } = frontendVictim();
      peer.test.waiter.pump = () => {
        peer.store.write("state", Closed);
        peer.store.write("state", InitWait);
      };
      assert.throws(() => frontend.wait(), ConnectionError);
    },
  },
};
