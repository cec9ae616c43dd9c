/** Items 6 and 8: responses, and bytes that nobody meant to show. */

import assert from "node:assert/strict";
import { Operation, Status } from "../../../core/blkif.ts";
import { ConnectionError } from "../../../core/errors.ts";
import { entryAt } from "../../conformance/peer/wire.ts";
import { fillPattern } from "../../helpers/devices.ts";
import type { ScriptedBackend } from "../../helpers/scripted_backend.ts";
import type { Attacks, HostileItem } from "./list.ts";
import { backendVictim, frontendVictim, stillServes } from "./victims.ts";

const { Read, Write, Flush } = Operation;

const LIES: Readonly<Record<string, (peer: ScriptedBackend) => void>> = {
  "answers the first id beyond the ring": (peer) => peer.answer(32, Read, 0),
  "answers an id far beyond the ring": (peer) => peer.answer(0x7fffffff, Read, 0),
  "answers a negative id": (peer) => peer.answer(-1, Read, 0),
  "answers an id of no use yet": (peer) => peer.answer(0, Read, 0, 0),
  "answers an id of its next use": (peer) => peer.answer(0, Read, 0, 2),
  "answers an id that is not in flight": (peer) => peer.answer(2, Read, 0),
  "answers the same id twice": (peer) => {
    for (let i = 0; i < 2; i++) peer.answer(0, Read, 0);
  },
  "answers another operation than was asked for": (peer) => peer.answer(0, Write, 0),
  "answers an operation that does not exist": (peer) => peer.answer(0, 255, 0),
  "answers with a positive status": (peer) => peer.answer(0, Read, 1),
  "answers with a status below those that exist": (peer) => peer.answer(0, Read, -3),
  "answers with the lowest status": (peer) => peer.answer(0, Read, -32768),
  "answers what it was not asked for": (peer) => {
    for (const slot of [0, 1, 2]) peer.answer(slot, Read, 0);
  },
};

function lies(): Attacks {
  return Object.fromEntries(
    Object.entries(LIES).map(([what, lie]) => [what, () => {
      const { peer, frontend } = frontendVictim();
      lie(peer);
      const polls = (): void => {
        for (let i = 0; i < 3; i++) frontend.poll();
      };
      assert.throws(polls, ConnectionError);
      assert.throws(polls, ConnectionError, "and so it stays");
      assert.throws(() => frontend.submit(5, Read, 0, 512), ConnectionError);
    }]),
  );
}

/** Responses. */
export const item6: HostileItem = {
  what: "responses to nothing, twice, late, as something else, or with a status that does not exist",
  againstBackend: {
    "overwrites the answers and how many there are: the next are where they should be": () => {
      const victim = backendVictim();
      const { peer } = victim;
      peer.postRequest({ operation: Flush, id: 1 });
      peer.backend.service();
      peer.responses();
      peer.ring.fill(-1, entryAt(0, 32), entryAt(0, 32) + 4);
      for (const index of [0, 77, -1]) {
        peer.publish(peer.produced);
        Atomics.store(peer.ring, 2, index);
        peer.postRequest({ operation: Flush, id: 2 });
        peer.backend.service();
        assert.equal(Atomics.load(peer.ring, 2), peer.produced);
        assert.equal(peer.responses().at(-1)?.id, 2);
      }
      stillServes(victim);
    },
  },
  againstFrontend: lies(),
};

/** Leaks. */
export const item8: HostileItem = {
  what: "bytes that leak in padding or in the rest of a page",
  againstBackend: {
    "looks for the driver's memory in the padding of an answer": () => {
      const { peer } = backendVictim();
      for (let id = 0; id < 64; id++) {
        peer.post((words, at) => {
          words.fill(-1, at, at + 28);
          words.set([Flush, 0, id, 0], at);
        });
        peer.backend.service();
        const at = entryAt(peer.produced - 1, 32);
        assert.deepEqual([...peer.ring.subarray(at, at + 4)], [id, 0, Flush, 0]);
        assert(peer.ring.subarray(at + 4, at + 28).every((word) => word === -1), "an answer has 16 bytes");
        peer.responses();
      }
    },
    "looks for it in the rest of a page that was read into": () => {
      const { device, peer, honest } = backendVictim();
      fillPattern(device.disk, 3);
      peer.frame(0).fill(0xee);
      peer.postTransfer(Read, 1, 0, [honest, 2, 3]);
      peer.backend.service();
      const found = new Uint8Array(peer.frame(0));
      assert.deepEqual(found.slice(1024, 2048), device.disk.slice(0, 1024));
      for (const rest of [found.slice(0, 1024), found.slice(2048)]) assert(rest.every((byte) => byte === 0xee));
    },
    "looks for it where a read failed": () => {
      const { device, peer, honest } = backendVictim();
      device.read = () => {
        throw new Error("worn out");
      };
      peer.frame(0).fill(0xee);
      assert.equal(peer.statusOfRead(0, [honest, 0, 7]), Status.Error);
      assert(peer.frame(0).every((byte) => byte === 0xee));
    },
  },
  againstFrontend: {
    "looks for the application's memory in the entries of requests": () => {
      const { peer } = frontendVictim();
      for (const { words } of peer.take()) {
        assert.deepEqual([...words.subarray(8)], Array(20).fill(0));
        assert.equal(words[1], 0);
      }
    },
    "looks for it in the rest of the pages of a write that is copied": () => {
      const { peer, frontend } = frontendVictim({ transfer: "copy" });
      frontend.buffer(2).fill(0xaa);
      frontend.submit(2, Write, 0, 512);
      assert.equal(frontend.poll(), -1);
      const start = (peer.layout.dataFrame + 2 * peer.layout.slotFrameCount) * 4096;
      const pages = peer.ends.memory.bytes.subarray(start, start + peer.layout.slotFrameCount * 4096);
      assert(pages.subarray(0, 512).every((byte) => byte === 0xaa));
      assert(pages.subarray(512).every((byte) => byte === 0));
    },
    "looks for it in the pages of a read that is copied": () => {
      const { peer, frontend } = frontendVictim({ transfer: "copy" });
      frontend.buffer(2).fill(0xaa);
      frontend.submit(2, Read, 0, 4096);
      assert.equal(frontend.poll(), -1);
      const data = peer.ends.memory.bytes.subarray(peer.layout.dataFrame * 4096);
      assert(data.every((byte) => byte === 0));
    },
  },
};
