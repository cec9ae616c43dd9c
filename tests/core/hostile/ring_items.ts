/** Items 1, 7 and 13: indices, events, and peers that do not do their part. */

import assert from "node:assert/strict";
import { Operation, Status } from "../../../core/blkif.ts";
import { synchronous } from "../../../core/block_device.ts";
import { ConnectionError } from "../../../core/errors.ts";
import { allocateEventPage, EventPage } from "../../../core/event_channel.ts";
import { AtomicsWaiter, MAX_SLEEP_MS } from "../../../core/waiter.ts";
import { deviceInfo, LaterDevice, MemoryDevice } from "../../helpers/devices.ts";
import { connectFrontend, connectPair, linkEnds, linkOptions, makeFrontend } from "../../helpers/link.ts";
import { HostileBackend } from "../../conformance/peer/hostile_backend.ts";
import { ScriptedFrontend } from "../../helpers/scripted_frontend.ts";
import { policy } from "../../helpers/waiting.ts";
import type { HostileItem } from "./list.ts";
import { backendVictim, frontendVictim, stillAsks, stillServes } from "./victims.ts";

const { Read } = Operation;

/** An honest pair whose indices begin shortly before a number, and pass it. */
function passes(startIndex: number): void {
  const { frontend } = connectPair(synchronous(new MemoryDevice()), {}, startIndex);
  for (let i = 0; i < 100; i++) {
    frontend.submit(i % 32, Read, 0, 512);
    assert.equal(frontend.wait(), i % 32);
  }
}

/** A page of which a sleep does something instead, and notes how long it was to be. */
class ActingEventPage extends EventPage {
  readonly timeouts: number[] = [];
  act: () => void = () => {};

  constructor() {
    super(allocateEventPage());
  }

  override sleep(_seen: number, timeoutMs: number): void {
    this.timeouts.push(timeoutMs);
    this.act();
  }
}

/** Index beyond the ring. */
export const item1: HostileItem = {
  what: "an index that is beyond the ring, goes backwards or wraps",
  againstBackend: {
    "claims more requests than the ring holds, goes back or jumps far": () => {
      for (const index of [33, 34, -1, -32, 2 ** 31, 2 ** 31 - 1]) {
        const { device, peer } = backendVictim();
        peer.publish(index);
        assert.throws(() => peer.backend.service(), ConnectionError, `index ${index}`);
        assert.deepEqual(device.calls, []);
      }
    },
    "claims more requests than a slow device leaves room for": () => {
      const { peer, honest } = backendVictim({}, {}, (disk) => new LaterDevice(disk, () => -1));
      for (let i = 0; i < 20; i++) peer.postTransfer(Read, i, 0, [honest, 0, 7]);
      // A few at a time, so that the device is asked for completions in between.
      for (const inFlight of [8, 16, 20]) {
        assert(peer.backend.service());
        assert.equal(peer.gate.inFlight, inFlight);
      }
      assert(!peer.backend.service());
      peer.publish(20 + 13);
      assert.throws(() => peer.backend.service(), ConnectionError);
    },
    "is honest, and its index wraps": () => passes(-5),
  },
  againstFrontend: {
    "claims more responses than were asked for, goes back or jumps far": () => {
      for (const index of [3, 33, -1, -32, 2 ** 31, 2 ** 31 - 1]) {
        const { peer, frontend } = frontendVictim();
        peer.publish(index);
        assert.throws(() => frontend.poll(), ConnectionError, `index ${index}`);
      }
    },
    "is honest, and its index wraps": () => passes(0x7fffffff - 3),
  },
};

/** Events. */
export const item7: HostileItem = {
  what: "floods of events, events without work, work without events",
  againstBackend: {
    "rings without work, which changes nothing": () => {
      const victim = backendVictim();
      for (let i = 0; i < 100; i++) {
        victim.peer.notify();
        assert.equal(victim.peer.backend.service(), false);
      }
      stillServes(victim);
    },
    "brings work without a ring, which is found after a sleep that is bounded": () => {
      const events = new ActingEventPage();
      const peer = new ScriptedFrontend(synchronous(new MemoryDevice()), {}, events).connect();
      const waiter = new AtomicsWaiter(events, () => {});
      waiter.add(peer.backend);
      events.timeouts.length = 0;
      events.act = () => peer.postTransfer(Read, 1, 0, [peer.grant(0), 0, 7]);
      waiter.wait(policy());
      assert(peer.backend.service());
      assert(events.timeouts.length === 1 && events.timeouts[0] <= MAX_SLEEP_MS);
    },
    "asks for a notification at an index that never comes, or at each": () => {
      const victim = backendVictim();
      for (const event of [-1, 0x7fffffff, 1 << 31, 0]) {
        victim.peer.ring[3] = event;
        stillServes(victim);
      }
    },
  },
  againstFrontend: {
    "rings without work, which changes nothing": () => {
      const victim = frontendVictim();
      for (let i = 0; i < 100; i++) {
        victim.peer.notify();
        assert.equal(victim.frontend.poll(), -1);
      }
      stillAsks(victim);
    },
    "answers without a ring, which is found after a sleep that is bounded": () => {
      const events = new ActingEventPage();
      const ends = linkEnds(linkOptions(), events);
      const test = makeFrontend(ends, new AtomicsWaiter(events, () => {}));
      const peer = new HostileBackend(ends.back, ends.options);
      peer.describe(deviceInfo());
      connectFrontend(test, ends);
      events.timeouts.length = 0;
      events.act = () => {
        for (const { idLow, operation } of peer.take()) peer.answer(idLow, operation, Status.Okay);
      };
      for (let i = 0; i < 10; i++) {
        test.frontend.submit(0, Read, 0, 512);
        assert.equal(test.frontend.wait(), 0);
      }
      assert(events.timeouts.length >= 10 && events.timeouts.every((timeout) => timeout <= MAX_SLEEP_MS));
    },
    "asks for a notification at an index that never comes, or at each": () => {
      const victim = frontendVictim();
      const { peer, frontend } = victim;
      stillAsks(victim);
      for (const event of [-1, 0x7fffffff, 1 << 31, 0]) {
        peer.ring[1] = event;
        frontend.submit(0, Read, 0, 512);
        assert.equal(frontend.poll(), -1);
        peer.answer(peer.take().at(-1)?.idLow ?? -1, Read, Status.Okay);
        assert.equal(frontend.poll(), 0);
      }
    },
  },
};

/** Peers that stop, or do not. */
export const item13: HostileItem = {
  what: "a peer that stops consuming, or never stops",
  againstBackend: {
    "takes no answer, and overwrites its own": () => {
      const victim = backendVictim();
      const { peer, honest } = victim;
      for (let round = 0; round < 5; round++) {
        for (let id = 0; id < 32; id++) peer.postTransfer(Read, id, 0, [honest, 0, 7]);
        assert(peer.backend.service());
        assert(!peer.backend.busy);
      }
      peer.consumed = peer.produced;
      stillServes(victim);
    },
    "posts a request for each that is taken: a turn ends all the same": () => {
      const { device, peer, honest } = backendVictim();
      const { read } = device;
      let reads = 0;
      device.read = (offset, into) => {
        reads++;
        peer.postTransfer(Read, 1, 0, [honest, 0, 7]);
        read.call(device, offset, into);
      };
      peer.postTransfer(Read, 1, 0, [honest, 0, 7]);
      for (let turn = 1; turn <= 100; turn++) {
        assert(peer.backend.service());
        assert.equal(reads, turn, "what came meanwhile has the next turn");
      }
    },
  },
  againstFrontend: {
    "never answers: who waits is let go at the command to stop": () => {
      const { peer, frontend } = frontendVictim();
      let waits = 0;
      peer.test.waiter.pump = () => void waits++;
      peer.test.stop = () => waits === 1000;
      assert.equal(frontend.wait(), -1);
      assert.deepEqual([waits, frontend.inFlight], [1000, 2]);
    },
    "takes no request: the slots are used up, and nothing is overwritten": () => {
      const { peer, frontend } = frontendVictim();
      for (let slot = 2; slot < 32; slot++) frontend.submit(slot, Read, slot * 512, 512);
      assert.equal(frontend.poll(), -1);
      assert.throws(() => frontend.submit(0, Read, 0, 512), RangeError);
      assert.deepEqual(peer.take().map(({ sector }) => sector), Array.from({ length: 32 }, (_, slot) => slot));
    },
  },
};
