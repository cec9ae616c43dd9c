/** Item 2: words that change between their check and their use. */

import assert from "node:assert/strict";
import { Operation, RequestCopy, Status } from "../../../core/blkif.ts";
import { Ring } from "../../../core/ring.ts";
import { entryAt } from "../../conformance/peer/wire.ts";
import { fillPattern } from "../../helpers/devices.ts";
import { whileFlipping } from "../../helpers/flipper.ts";
import type { HostileItem } from "./list.ts";
import { backendVictim, frontendVictim, stillAsks, stillServes } from "./victims.ts";

const { Read } = Operation;
const ROUNDS = 20_000;
/** As a response's third word: a write, with a status that does not exist. */
const NONSENSE = 0x01010101;

/** Runs `body` while whatever consumes an entry has it overwritten at that moment. */
function overwritingConsumed(ring: Int32Array, body: () => void): void {
  const { consume } = Ring.prototype;
  Ring.prototype.consume = function () {
    const at = entryAt(this.consumed, this.entryCount);
    ring.fill(NONSENSE, at, at + 28);
    consume.call(this);
  };
  try {
    body();
  } finally {
    Ring.prototype.consume = consume;
  }
}

/** Runs `body` while whoever asks a copied request for its operation or its count has the first word changed. */
function changingHeader(ring: Int32Array, at: number, body: () => void): void {
  const names = ["operation", "segmentCount"] as const;
  const getters = names.map((name) =>
    Object.getOwnPropertyDescriptor(RequestCopy.prototype, name) as PropertyDescriptor
  );
  names.forEach((name, i) => {
    Object.defineProperty(RequestCopy.prototype, name, {
      configurable: true,
      get(this: RequestCopy) {
        ring[at] = Read | (255 << 8);
        return getters[i].get?.call(this);
      },
    });
  });
  try {
    body();
  } finally {
    names.forEach((name, i) => Object.defineProperty(RequestCopy.prototype, name, getters[i]));
  }
}

/** Double fetches. */
export const item2: HostileItem = {
  what: "bytes that change between check and use",
  againstBackend: {
    "changes a request as soon as it was taken": () => {
      const victim = backendVictim();
      const { device, peer, honest } = victim;
      overwritingConsumed(peer.ring, () => {
        peer.postTransfer(Read, 9, 2, [honest, 1, 4]);
        peer.backend.service();
      });
      assert.deepEqual(peer.responses(), [{ id: 9, idHigh: 0, operation: Read, status: Status.Okay }]);
      assert.deepEqual(device.calls, ["read 1024 2048"]);
      stillServes(victim);
    },
    "changes the count of segments while they are fetched": () => {
      const victim = backendVictim();
      const { device, peer, honest } = victim;
      changingHeader(peer.ring, entryAt(peer.produced, 32), () => {
        peer.postTransfer(Read, 9, 2, [honest, 1, 4]);
        peer.backend.service();
      });
      assert.equal(peer.responses()[0].status, Status.Okay);
      assert.deepEqual(device.calls, ["read 1024 2048"]);
    },
    "changes a count and a segment all the time, from another thread": async () => {
      const { device, peer, honest } = backendVictim();
      const at = entryAt(0, 32);
      const word = (peer.layout.ringFrame * 1024) + at;
      const flips = [
        [word, Read | (1 << 8), Read | (255 << 8)],
        [word + 7, 7 << 8, 5 | (200 << 8)],
      ] as const;
      let [done, refused] = [0, 0];
      await whileFlipping(peer.ends.memory.buffer, flips, () => {
        for (let round = 0; round < ROUNDS; round++) {
          device.calls.length = 0;
          // Always entry 0, which the other thread changes: the others are passed over by flushes.
          const inEntry0 = peer.produced % 32 === 0;
          if (inEntry0) {
            peer.ring.set([Read, 0, 1, 0, 0, 0, honest], at);
            peer.publish(++peer.produced);
          } else peer.postRequest({ operation: Operation.Flush, id: 2 });
          peer.backend.service();
          const [{ status }] = peer.responses();
          if (!inEntry0) continue;
          if (status === Status.Okay) done++;
          else refused++;
          assert.deepEqual(device.calls, status === Status.Okay ? ["read 0 4096"] : []);
        }
      });
      assert.equal(done + refused, ROUNDS / 32);
    },
  },
  againstFrontend: {
    "changes a response as soon as it was taken": () => {
      const { peer, frontend } = frontendVictim();
      for (const slot of [1, 0]) peer.answer(slot, Read, Status.Error);
      overwritingConsumed(peer.ring, () => {
        for (const slot of [1, 0]) {
          assert.equal(frontend.poll(), slot);
          assert.equal(frontend.status(slot), Status.Error);
        }
      });
    },
    "changes a status all the time, from another thread: what was read is handed over if it was read": async () => {
      const { peer, frontend } = frontendVictim({ transfer: "copy" });
      stillAsks({ peer, frontend });
      const granted = peer.ends.memory.bytes.subarray(peer.layout.dataFrame * 4096).subarray(0, 512);
      fillPattern(granted, 5);
      const data = granted.slice();
      const words = Array.from({ length: 32 }, (_, entry) => peer.layout.ringFrame * 1024 + entryAt(entry, 32) + 2);
      const flips = words.map((word) => [word, Read, Read | (Status.Error << 16)] as const);
      await whileFlipping(peer.ends.memory.buffer, flips, () => {
        for (let round = 0; round < ROUNDS; round++) {
          frontend.buffer(0).fill(0);
          frontend.submit(0, Read, 0, 512);
          assert.equal(frontend.poll(), -1);
          // The low word of the id lies where the other thread writes: with one request in flight it is always the same.
          const at = entryAt(peer.answered, 32);
          peer.ring.set([1, peer.ring[at + 3], Read], at);
          peer.publish(++peer.answered);
          assert.equal(frontend.poll(), 0);
          const found = frontend.buffer(0).subarray(0, 512);
          if (frontend.status(0) === Status.Okay) assert.deepEqual(new Uint8Array(found), new Uint8Array(data));
          else assert(found.every((byte) => byte === 0));
        }
      });
    },
  },
};
