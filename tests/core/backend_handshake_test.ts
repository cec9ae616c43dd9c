// The backend's handshake, with a frontend that offers a ring which cannot be used, and the end of a connection.
import assert from "node:assert/strict";
import { Backend } from "../../core/backend.ts";
import { Operation } from "../../core/blkif.ts";
import { synchronous } from "../../core/block_device.ts";
import { ConnectionError } from "../../core/errors.ts";
import { XenbusState, XenbusStore } from "../../core/xenbus.ts";
import { MemoryDevice } from "../helpers/devices.ts";
import { BACK_DOMAIN, BACK_STATE, FRONT_STATE, linkOptions } from "../helpers/link.ts";
import { ScriptedFrontend } from "../helpers/scripted_frontend.ts";

type Spoil = (peer: ScriptedFrontend, store: ScriptedFrontend["keys"]) => void;

function offer(spoil: Spoil, ringOrder = 1): void {
  const peer = new ScriptedFrontend(synchronous(new MemoryDevice()), { ringOrder });
  peer.connect((store) => spoil(peer, store));
}

const spoilt: Readonly<Record<string, Spoil>> = {
  "of another order": (_, store) => store.write("ring-page-order", 2),
  "of an absurd order": (_, store) => store.write("ring-page-order", 0xffffffff),
  "without references": (_, store) => [0, 1].forEach((i) => store.write("ring-ref0", 0, i)),
  "whose second reference is missing": (_, store) => store.write("ring-ref0", 0, 1),
  "with a reference beyond the table": (_, store) => store.write("ring-ref0", 0xffffffff, 0),
  "whose frames are reversed": ({ layout, grants }, store) => {
    store.write("ring-ref0", grants.grantAccess(BACK_DOMAIN, layout.ringFrame + 1, false), 0);
    store.write("ring-ref0", grants.grantAccess(BACK_DOMAIN, layout.ringFrame, false), 1);
  },
  "that is not where the ring is": ({ grants }, store) => {
    store.write("ring-ref0", grants.grantAccess(BACK_DOMAIN, 0, false), 0);
  },
  "that is granted to another domain": ({ layout, grants }, store) => {
    store.write("ring-ref0", grants.grantAccess(BACK_DOMAIN + 1, layout.ringFrame, false), 0);
  },
  "that is granted for reading only": ({ layout, grants }, store) => {
    store.write("ring-ref0", grants.grantAccess(BACK_DOMAIN, layout.ringFrame, true), 0);
  },
};
for (const [what, spoil] of Object.entries(spoilt)) {
  Deno.test(`a backend refuses a ring ${what}`, () => {
    assert.throws(() => offer(spoil), ConnectionError);
  });
}

Deno.test("a backend accepts an honest ring of every order", () => {
  for (const ringOrder of [0, 1, 2, 3, 4]) offer(() => {}, ringOrder);
});

Deno.test("a backend says what its device is and can do", () => {
  const sizeBytes = 3 * 2 ** 32 * 512 + 4096;
  const device = {
    info: { ...new MemoryDevice().info, sizeBytes, sectorSize: 4096, readOnly: true },
    submit: () => true,
  };
  const peer = new ScriptedFrontend(device).connect();
  const store = XenbusStore.frontend(peer.ends.memory.frameWords(0, 1));
  assert.deepEqual([store.read("sectors"), store.read("sectors-high")], [8, 3]);
  assert.deepEqual([store.read("sector-size"), store.read("info")], [4096, 4]);
  assert.deepEqual([store.read("feature-flush-cache"), store.read("feature-discard")], [1, 1]);
  assert.deepEqual([store.read("max-ring-page-order"), store.read("event-channel")], [4, peer.ends.back.port]);
});

Deno.test("a handshake ends when the domain is told to stop", () => {
  const peer = new ScriptedFrontend(synchronous(new MemoryDevice()));
  peer.backend.offer();
  assert.throws(() => peer.backend.connect(() => true), ConnectionError);
});

Deno.test("a handshake ends when the frontend closes, or breaks the table of states", () => {
  for (const state of [XenbusState.Closing, XenbusState.Closed, 9]) {
    const peer = new ScriptedFrontend(synchronous(new MemoryDevice()));
    const words = peer.ends.memory.words;
    peer.backend.offer();
    assert.throws(
      () => {
        peer.backend.connect(() => {
          words[FRONT_STATE] = state;
          peer.ends.back.events.wake();
          return false;
        });
      },
      ConnectionError,
      `state ${state}`,
    );
  }
});

Deno.test("a driver that comes after its frontend has left does nothing of what that had asked", () => {
  const device = new MemoryDevice();
  const peer = new ScriptedFrontend(synchronous(device));
  const { back, memory } = peer.ends;
  peer.offer();
  peer.postTransfer(Operation.Write, 1, 0, [peer.grant(0), 0, 7]);
  memory.words[FRONT_STATE] = XenbusState.Closed;
  const backend = new Backend({ ...back, generation: () => 1 }, linkOptions(), peer.gate);
  backend.offer();
  backend.connect(() => false);
  assert.equal(backend.connected, false);
  assert.deepEqual([backend.peek(), backend.ready(), backend.service()], [false, false, false]);
  backend.close();
  assert.equal(memory.words[BACK_STATE], XenbusState.Closed);
  assert.deepEqual(device.calls, []);
});

Deno.test("a backend that closes lets go of every grant, and can be closed again", () => {
  const peer = new ScriptedFrontend(synchronous(new MemoryDevice())).connect();
  const reference = peer.grant(0);
  peer.statusOfRead(0, [reference, 0, 7]);
  assert.equal(peer.grants.endAccess(reference), false, "the backend has it mapped");
  peer.backend.close();
  peer.backend.close();
  assert.equal(peer.ends.memory.words[BACK_STATE], XenbusState.Closed);
  assert.equal(peer.grants.endAccess(reference), true);
});

Deno.test("a backend notices that its frontend closes", () => {
  const peer = new ScriptedFrontend(synchronous(new MemoryDevice())).connect();
  assert.equal(peer.backend.connected, true);
  peer.ends.memory.words[FRONT_STATE] = XenbusState.Closing;
  assert.equal(peer.backend.connected, false);
});

Deno.test("a handshake ends when the frontend takes longer than it may", () => {
  const { now } = performance;
  const peer = new ScriptedFrontend(synchronous(new MemoryDevice()));
  peer.backend.offer();
  let hours = 0;
  performance.now = () => now.call(performance) + hours * 3_600_000;
  try {
    assert.throws(
      () => {
        peer.backend.connect(() => {
          hours++;
          peer.ends.back.events.wake();
          return false;
        });
      },
      { name: "ConnectionError", message: "The peer did not reach Initialised within 30 s: it is Unknown" },
    );
  } finally {
    performance.now = now;
  }
});
