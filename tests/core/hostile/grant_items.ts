/** Items 9 and 10: grants that come and go, and that go while they are used. */

import assert from "node:assert/strict";
import { Operation, Status } from "../../../core/blkif.ts";
import { GrantTable } from "../../../core/grant_table.ts";
import { fillPattern, LaterDevice } from "../../helpers/devices.ts";
import type { HostileItem } from "./list.ts";
import { backendVictim, frontendVictim, stillAsks, stillServes } from "./victims.ts";

const { Read, Indirect } = Operation;
const READING = 8;

/** Churn. */
export const item9: HostileItem = {
  what: "persistent grants that come and go, and are never let go",
  againstBackend: {
    "grants, uses and takes back a frame of segments without end": () => {
      const { peer } = backendVictim();
      const mapped = peer.grants.mapped();
      for (let round = 0; round < 2000; round++) {
        const reference = peer.grant(3, round % 2 === 0);
        peer.postRequest({ operation: Indirect, indirect: [Read, 1, reference] });
        peer.backend.service();
        peer.responses();
        assert(peer.grants.endAccess(reference), `round ${round}`);
      }
      assert.deepEqual(peer.grants.mapped(), mapped);
    },
    "has every reference of the table mapped: the end lets go of all": () => {
      const { peer } = backendVictim();
      for (let left = peer.grants.count - 40; left > 0; left--) {
        const reference = peer.grant(left % 32);
        assert.equal(peer.statusOfRead(0, [reference, 0, 7]), Status.Okay);
      }
      assert(peer.grants.mapped().length > 400);
      peer.backend.close();
      assert.deepEqual(peer.grants.mapped(), []);
    },
    "marks frames as mapped that are not, and unmarks those that are": () => {
      const victim = backendVictim();
      const { peer } = victim;
      for (const [reference, flags] of [[victim.honest, 1], [peer.grant(5), 1 | READING], [peer.grant(6), 0xffff]]) {
        peer.grantWords[reference * 2] = flags | (2 << 16);
      }
      stillServes(victim);
      peer.backend.close();
    },
  },
  againstFrontend: {
    "never lets go: a reference that it has mapped is not handed out again": () => {
      const words = new Int32Array(1024);
      const table = new GrantTable(words);
      const reference = table.grantAccess(2, 5, false);
      words[reference * 2] |= READING;
      for (let i = 0; i < 100; i++) assert.equal(table.endAccess(reference), false);
      for (let i = 0; i < 400; i++) assert.notEqual(table.grantAccess(2, 6, false), reference);
    },
    "changes an entry whenever it is looked at: to take a frame back ends, and fails": () => {
      const words = new Int32Array(1024);
      const table = new GrantTable(words);
      const reference = table.grantAccess(2, 5, false);
      const { compareExchange } = Atomics;
      let tries = 0;
      // As if the peer changed the entry between each look and its exchange.
      Atomics.compareExchange = (() => {
        assert(++tries < 1000);
        return -1;
      }) as unknown as typeof compareExchange;
      try {
        assert.equal(table.endAccess(reference), false);
      } finally {
        Atomics.compareExchange = compareExchange;
      }
      assert.notEqual(table.grantAccess(2, 6, false), reference);
    },
  },
};

/** Revocation in use. */
export const item10: HostileItem = {
  what: "a grant that is revoked, or a frame that is used for something else, while it is mapped",
  againstBackend: {
    "revokes by force what the device is at: the request ends, and so does the connection": () => {
      let ready = false;
      const victim = backendVictim({}, {}, (disk) => new LaterDevice(disk, () => ready ? 0 : -1));
      const { device, peer, honest } = victim;
      fillPattern(device.disk, 4);
      peer.postTransfer(Read, 7, 0, [honest, 0, 7]);
      peer.backend.service();
      peer.grantWords.fill(0);
      ready = true;
      peer.gate.reap();
      assert.deepEqual(peer.responses().map(({ id, status }) => [id, status]), [[7, Status.Okay]]);
      assert.deepEqual(new Uint8Array(peer.frame(0)), device.disk.slice(0, 4096));
      peer.backend.close();
    },
    "changes which frame a mapped reference grants: the one that was mapped stays": () => {
      const { device, peer, honest } = backendVictim();
      fillPattern(device.disk, 6);
      assert.equal(peer.statusOfRead(0, [honest, 0, 7]), Status.Okay);
      for (const frame of [0, peer.layout.ringFrame, peer.layout.frameCount, -1]) {
        peer.grantWords[honest * 2 + 1] = frame;
        peer.frame(0).fill(0);
        assert.equal(peer.statusOfRead(0, [honest, 0, 7]), Status.Okay);
        assert.deepEqual(new Uint8Array(peer.frame(0)), device.disk.slice(0, 4096));
      }
    },
  },
  againstFrontend: {
    "says that it has let go of what it still uses: the frames stay the link's, as nothing is taken back": () => {
      const victim = frontendVictim();
      const { grantFrame, grantFrameCount } = victim.peer.layout;
      const words = victim.peer.ends.memory.frameWords(grantFrame, grantFrameCount);
      const before = words.slice();
      stillAsks(victim);
      assert.deepEqual(words.slice(), before);
    },
  },
};
