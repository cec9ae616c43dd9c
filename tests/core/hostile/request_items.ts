/** Items 3, 4, 5 and 12: what a request says, and sizes. */

import assert from "node:assert/strict";
import { Operation, Status } from "../../../core/blkif.ts";
import { ConnectionError } from "../../../core/errors.ts";
import type { Wide } from "../../conformance/peer/wire.ts";
import { deviceInfo, fillPattern } from "../../helpers/devices.ts";
import { BACK_DOMAIN } from "../../helpers/link.ts";
import { ScriptedBackend } from "../../helpers/scripted_backend.ts";
import type { HostileItem } from "./list.ts";
import { type BackendVictim, backendVictim, frontendVictim, SECTORS, stillAsks, stillServes } from "./victims.ts";

const { Read, Write, Discard, WriteZeroes, WriteFua, Flush, Indirect } = Operation;

function statusesOf({ peer }: BackendVictim): number[] {
  peer.backend.service();
  return peer.responses().map(({ status }) => status);
}

/** Segment counts. */
export const item3: HostileItem = {
  what: "no segments, too many, or indirect requests within each other",
  againstBackend: {
    "claims 0, 12 or 255 segments": () => {
      const victim = backendVictim();
      for (const operation of [Read, Write, WriteFua]) {
        for (const segmentCount of [0, 12, 255]) victim.peer.postRequest({ operation, segmentCount });
      }
      assert.deepEqual(statusesOf(victim), Array(9).fill(Status.Error));
      assert.deepEqual(victim.device.calls, []);
      stillServes(victim);
    },
    "claims 0, 257, 513 or 65535 indirect segments": () => {
      const victim = backendVictim();
      for (const count of [0, 257, 513, 65_535]) {
        victim.peer.postRequest({ operation: Indirect, indirect: [Read, count, victim.honest] });
      }
      assert.deepEqual(statusesOf(victim), Array(4).fill(Status.Error));
      assert.deepEqual(victim.device.calls, []);
      stillServes(victim);
    },
    "puts an indirect request, or what has no data, into an indirect request": () => {
      const victim = backendVictim();
      for (const operation of [Indirect, Flush, Discard, WriteZeroes, 255]) {
        victim.peer.postRequest({ operation: Indirect, indirect: [operation, 1, victim.honest] });
      }
      assert.deepEqual(statusesOf(victim), Array(5).fill(Status.NotSupported));
      stillServes(victim);
    },
  },
  againstFrontend: "a response has no segments; how many the backend says that it takes is item 12",
};

/** Sectors. */
export const item4: HostileItem = {
  what:
    "sectors that are reversed, outside of their frame, past the device's end, or to be written where nothing may be",
  againstBackend: {
    "reverses the sectors of a segment, or leaves its frame": () => {
      const { refused, honest } = backendVictim();
      for (const [first, last] of [[1, 0], [7, 6], [0, 8], [8, 8], [0, 255], [255, 255], [255, 0]]) {
        assert.equal(refused(0, [honest, first, last]), Status.Error, `${first} to ${last}`);
        assert.equal(refused(0, [honest, 0, 7], [honest, first, last]), Status.Error, `second: ${first} to ${last}`);
      }
    },
    "reads past the end of the device": () => {
      const { refused, honest } = backendVictim();
      for (const sector of [SECTORS, SECTORS - 7, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
        assert.equal(refused(sector, [honest, 0, 7]), Status.Error, `sector ${sector}`);
      }
      assert.equal(refused(SECTORS - 8, [honest, 0, 7]), Status.Okay);
    },
    "names a sector that overflows 64 bits when it is multiplied or added to": () => {
      const victim = backendVictim();
      const sectors: Wide[] = [[-1, -1], [-8, -1], [0, 1 << 23], [0, 1 << 31], [0, 0x00800000]];
      for (const sector of sectors) {
        victim.peer.postRequest({ operation: Read, sector, segments: [[victim.honest, 0, 7]] });
      }
      assert.deepEqual(statusesOf(victim), sectors.map(() => Status.Error));
      stillServes(victim);
    },
    "discards or makes zero past the end, nothing, 2⁵³ or 2⁶⁴ sectors": () => {
      for (const operation of [Discard, WriteZeroes]) {
        const victim = backendVictim();
        const ranges: [Wide, Wide][] = [
          [SECTORS, 1],
          [0, SECTORS + 1],
          [0, 0],
          [1, 2 ** 53 - 1],
          [2 ** 53 - 1, 2],
          [0, 2 ** 53],
          [1, [-1, -1]],
        ];
        for (const [sector, sectorCount] of ranges) victim.peer.postRequest({ operation, sector, sectorCount });
        assert.deepEqual(statusesOf(victim), ranges.map(() => Status.Error));
        assert.deepEqual(victim.device.calls, []);
      }
    },
    "writes to a read-only device": () => {
      const victim = backendVictim({ readOnly: true });
      const { device, peer, honest } = victim;
      fillPattern(device.disk, 1);
      const before = device.disk.slice();
      for (const operation of [Write, WriteFua]) peer.postTransfer(operation, 1, 0, [honest, 0, 7]);
      for (const operation of [Discard, WriteZeroes]) peer.postRequest({ operation, sectorCount: 8 });
      assert.deepEqual(statusesOf(victim), Array(4).fill(Status.Error));
      assert.deepEqual(device.disk, before);
    },
    "names sectors that are none of the device's own, which are larger": () => {
      const { refused, honest } = backendVictim({ sectorSize: 4096 });
      for (const sector of [1, 7, 9]) assert.equal(refused(sector, [honest, 0, 7]), Status.Error);
      assert.equal(refused(8, [honest, 0, 3]), Status.Error);
    },
  },
  againstFrontend: "a response names no sectors",
};

/** Grant references. */
export const item5: HostileItem = {
  what: "grant references that are bad, foreign, revoked, used twice or for reading only, alone and among good ones",
  againstBackend: {
    "names what was not granted, or not to this domain": () => {
      const { peer, refused, honest } = backendVictim();
      const { grants, layout } = peer;
      const revoked = peer.grant(1);
      grants.endAccess(revoked);
      const bad: Record<string, number> = {
        "the reserved 0": 0,
        "never granted": revoked + 1,
        "beyond the table": grants.count,
        "2³² − 1": -1,
        "another domain's": grants.grantAccess(BACK_DOMAIN + 1, layout.dataFrame, false),
        "a frame outside the region": grants.grantAccess(BACK_DOMAIN, layout.frameCount, false),
        "a frame far outside": grants.grantAccess(BACK_DOMAIN, -1, false),
      };
      bad["revoked"] = peer.grant(2);
      grants.endAccess(bad["revoked"]);
      for (const [what, reference] of Object.entries(bad)) {
        assert.equal(refused(0, [reference, 0, 7]), Status.Error, what);
        assert.equal(refused(0, [honest, 0, 7], [reference, 0, 7], [honest, 0, 7]), Status.Error, `mixed: ${what}`);
      }
    },
    "has a grant for reading written to, before it was mapped and after": () => {
      const { device, peer, refused } = backendVictim();
      const reference = peer.grant(1, true);
      fillPattern(peer.frame(1), 9);
      assert.equal(refused(0, [reference, 0, 7]), Status.Error);
      peer.postTransfer(Write, 1, 0, [reference, 0, 7]);
      peer.backend.service();
      assert.equal(peer.responses()[0].status, Status.Okay);
      assert.deepEqual(device.disk.slice(0, 4096), new Uint8Array(peer.frame(1)));
      assert.equal(refused(0, [reference, 0, 7]), Status.Error);
    },
    "mixes good and bad requests in one push: the good ones are done": () => {
      const victim = backendVictim();
      const { device, peer, honest } = victim;
      for (const reference of [honest, 0, honest, 511, honest]) peer.postTransfer(Read, 1, 0, [reference, 0, 7]);
      const { Okay, Error } = Status;
      assert.deepEqual(statusesOf(victim), [Okay, Error, Okay, Error, Okay]);
      assert.equal(device.calls.length, 3);
    },
    "names one frame twice in one request": () => {
      const victim = backendVictim();
      victim.peer.postTransfer(Read, 1, 0, [victim.honest, 0, 7], [victim.honest, 0, 7]);
      assert.deepEqual(statusesOf(victim), [Status.Okay]);
      stillServes(victim);
    },
  },
  againstFrontend: {
    "overwrites the grant table: its own references no longer work, the frontend's requests are as before": () => {
      const victim = frontendVictim();
      const { peer, frontend } = victim;
      const before = peer.take().map(({ segments }) => segments);
      stillAsks(victim);
      const { grantFrame, grantFrameCount } = peer.layout;
      peer.ends.memory.frameWords(grantFrame, grantFrameCount).fill(-1);
      for (const slot of [0, 1]) frontend.submit(slot, Read, 512 * slot, 512);
      assert.equal(frontend.poll(), -1);
      const after = peer.take();
      assert.deepEqual(after.map(({ segments }) => segments), before);
      for (const { idLow } of after) peer.answer(idLow, Read, Status.Okay);
      assert.deepEqual([frontend.poll(), frontend.poll()], [0, 1]);
    },
  },
};

/** Sizes that the peer can write. */
export const item12: HostileItem = {
  what: "sizes that the peer can write",
  againstBackend: {
    "changes its keys once the ring is mapped: nothing follows from it": () => {
      const victim = backendVictim({}, { ringOrder: 1 });
      const { keys } = victim.peer;
      for (const word of [1, 2, 3, 4, 16, 17, 18, 31]) {
        for (const value of [0, 4, -1]) {
          keys.words[word] = value;
          stillServes(victim);
        }
      }
    },
    "changes what the backend has said of itself and of its device: nothing follows from it": () => {
      const victim = backendVictim();
      victim.peer.keys.words.fill(-1, 257, 270);
      stillServes(victim);
      assert.equal(victim.refused(SECTORS, [victim.honest, 0, 7]), Status.Error);
    },
  },
  againstFrontend: {
    "offers a device that cannot be": () => {
      const nonsense = [
        { sizeBytes: 0 },
        { sizeBytes: 2 ** 62 },
        { sectorSize: 0 },
        { sectorSize: 513 },
        { sectorSize: 256 },
        { sizeBytes: 512, sectorSize: 4096 },
        { sizeBytes: 512, sectorSize: 2 ** 31 },
      ];
      for (const each of nonsense) {
        const peer = new ScriptedBackend(deviceInfo(each));
        assert.throws(() => peer.connect(), ConnectionError, JSON.stringify(each));
      }
    },
    "offers longer indirect requests than there is memory for": () => {
      for (const offered of [512, 65_536, -1]) {
        const peer = new ScriptedBackend(undefined, { slots: { count: 2, bytes: 2 << 20 }, indirectSegments: 100_000 });
        peer.store.write("feature-max-indirect-segments", offered);
        const { frontend } = peer.connect().test;
        frontend.submit(0, Read, 0, 1 << 20);
        assert.equal(frontend.poll(), -1);
        for (const { indirectSegmentCount } of peer.take()) assert(indirectSegmentCount <= 256);
      }
    },
    "changes what it has offered: what was read once counts": () => {
      const victim = frontendVictim();
      const before = { ...victim.frontend.info };
      victim.peer.store.words.fill(-1, 257, 270);
      assert.deepEqual({ ...victim.frontend.info }, before);
      stillAsks(victim);
    },
  },
};
