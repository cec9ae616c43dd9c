// A thread that has something to do at a certain time waits no longer than until then, on either kind of queue.
import assert from "node:assert/strict";
import { Operation } from "../../core/blkif.ts";
import type { BlockQueue } from "../../core/block_queue.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import { MonolithicQueue } from "../../core/monolithic_queue.ts";
import { type NotificationPolicy, resetPlan, type WaitPlan } from "../../core/notification.ts";
import { LaterDevice, MemoryDevice } from "../helpers/devices.ts";
import { connectEnds, interrupt, linkEnds, linkOptions, PumpWaiter } from "../helpers/link.ts";

/** Notes how long each wait may sleep. */
class PlanningWaiter extends PumpWaiter {
  readonly sleeps: number[] = [];

  constructor() {
    super();
    this.pump = () => {};
  }

  override wait(policy?: NotificationPolicy): void {
    const plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
    resetPlan(plan);
    policy?.plan(plan);
    this.sleeps.push(plan.blockNs);
    super.wait();
  }
}

const device = () => new LaterDevice(new MemoryDevice({ sizeBytes: 64 * 512 }), () => 0);

const queues: Readonly<Record<string, () => { queue: BlockQueue; waiter: PlanningWaiter }>> = {
  "a monolithic queue": () => {
    const waiter = new PlanningWaiter();
    const queue = new MonolithicQueue({
      ...{ gate: new DeviceGate(device(), () => {}), slots: { count: 4, bytes: 4096 }, waiter, policy: interrupt },
      ...{ meter: new OperationMeter(4), stopRequested: () => false },
    });
    return { queue, waiter };
  },
  "a frontend": () => {
    const waiter = new PlanningWaiter();
    const pair = connectEnds(linkEnds(linkOptions()), device(), waiter);
    waiter.pump = () => void pair.serve();
    waiter.sleeps.length = 0; // Those of the handshake.
    return { queue: pair.frontend, waiter };
  },
};

for (const [name, make] of Object.entries(queues)) {
  Deno.test(`${name} idles no longer than it may, and as its policy says when nobody says how long`, () => {
    const { queue, waiter } = make();
    queue.idle(1000);
    queue.idle();
    queue.idle(5e6);
    assert.deepEqual(waiter.sleeps, [1000, Infinity, 5e6]);
  });

  Deno.test(`${name} waits for an operation without a bound after it has idled with one`, () => {
    const { queue, waiter } = make();
    queue.idle(1000);
    queue.submit(2, Operation.Read, 0, 512);
    assert.equal(queue.wait(), 2);
    assert(waiter.sleeps.slice(1).every((blockNs) => blockNs === Infinity), `${waiter.sleeps}`);
  });
}
