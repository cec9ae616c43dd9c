// A driver domain's loop, with scripted frontends, on this thread.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { type BlockDevice, synchronous } from "../../core/block_device.ts";
import { Command } from "../../core/domain/control.ts";
import { MeasurementWindow } from "../../core/domain/measurement.ts";
import { runDriver } from "../../core/domain/driver.ts";
import { XenbusState } from "../../core/xenbus.ts";
import { threadUsage } from "../../core/measure/thread.ts";
import type { NotificationPolicy } from "../../core/notification.ts";
import { promised } from "../../core/promise_device.ts";
import { giveWay } from "../../core/waiter.ts";
import { deviceInfo, LaterDevice, MemoryDevice } from "../helpers/devices.ts";
import { driverFor, inTurn, leave, stateOf } from "../helpers/driver.ts";
import { BACK_STATE, FRONT_STATE } from "../helpers/link.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

Deno.test("a driver serves its frontend and ends when that leaves", async () => {
  const device = new MemoryDevice();
  const { setup, frontends: [frontend], waiter, reports } = driverFor(synchronous(device));
  inTurn(
    waiter,
    () => frontend.postTransfer(Operation.Read, 9, 0, [frontend.grant(0), 0, 7]),
    () => leave(frontend),
  );
  await runDriver(setup);
  assert.deepEqual(frontend.responses(), [{ id: 9, idHigh: 0, operation: Operation.Read, status: Status.Okay }]);
  assert.equal(stateOf(frontend, BACK_STATE), XenbusState.Closed);
  assert.deepEqual(device.calls, ["read 0 4096", "close"]);
  assert.deepEqual(reports, [{ type: "ready" }]);
});

Deno.test("a driver ends at the command to stop, though its frontend stays", async () => {
  const device = new MemoryDevice();
  const { setup, control, frontends: [frontend], waiter } = driverFor(synchronous(device));
  inTurn(waiter, () => control.send(Command.Stop));
  await runDriver(setup);
  assert.equal(stateOf(frontend, BACK_STATE), XenbusState.Closed);
  assert.deepEqual(device.calls, ["close"]);
});

Deno.test("a driver lets go of a frontend's memory only when its device is done with it", async () => {
  let polls = 0;
  const later = new LaterDevice(new MemoryDevice(), () => ++polls > 20 ? 0 : -1);
  const heldAtClose: number[] = [];
  const device: BlockDevice = {
    info: later.info,
    submit: (request) => later.submit(request),
    poll: () => later.poll(),
    close: () => heldAtClose.push(later.held.length),
  };
  const { setup, frontends: [frontend], waiter } = driverFor(device);
  const stateWhenDone: number[] = [];
  const request = (): void => {
    frontend.postTransfer(Operation.Read, 1, 0, [frontend.grant(0), 0, 7]);
    const { poll } = later;
    later.poll = () => {
      const done = poll.call(later);
      if (done !== null) stateWhenDone.push(stateOf(frontend, BACK_STATE));
      return done;
    };
  };
  inTurn(waiter, request, () => leave(frontend), ...Array(30).fill(() => {}));
  await runDriver(setup);
  assert.deepEqual(heldAtClose, [0], "the device was closed with nothing in flight");
  assert.deepEqual(stateWhenDone, [XenbusState.Connected], "and the link was closed after that");
});

Deno.test("a frontend that leaves does not have to wait for the others to leave too", async () => {
  const { setup, frontends, waiter } = driverFor(synchronous(new MemoryDevice()), 2);
  const [first, second] = frontends;
  const seen: number[] = [];
  inTurn(waiter, () => leave(first), () => {}, () => {
    seen.push(stateOf(first, BACK_STATE), stateOf(second, BACK_STATE));
    leave(second);
  });
  await runDriver(setup);
  assert.deepEqual(seen, [XenbusState.Closed, XenbusState.Connected]);
});

Deno.test("a frontend that leaves is let go of though another has work in every wait", async () => {
  const { setup, frontends, waiter } = driverFor(synchronous(new MemoryDevice()), 2);
  const [first, second] = frontends;
  const reference = second.grant(0);
  const read = (): void => second.postTransfer(Operation.Read, 1, 0, [reference, 0, 7]);
  const seen: number[] = [];
  inTurn(waiter, read, () => (leave(first), read()), () => {
    seen.push(stateOf(first, BACK_STATE), stateOf(second, BACK_STATE));
    leave(second);
  });
  await runDriver(setup);
  assert.deepEqual(seen, [XenbusState.Closed, XenbusState.Connected]);
});

Deno.test("a frontend that breaks the protocol does not take the others with it", async () => {
  const { setup, frontends, waiter, reports } = driverFor(synchronous(new MemoryDevice()), 2);
  const [bad, good] = frontends;
  inTurn(
    waiter,
    () => bad.publish(99),
    () => good.postTransfer(Operation.Read, 1, 0, [good.grant(0), 0, 7]),
    () => leave(good),
  );
  await runDriver(setup);
  assert.deepEqual(reports.map(({ type }) => type), ["ready", "disconnected"]);
  assert.equal(stateOf(bad, BACK_STATE), XenbusState.Closed);
  assert.deepEqual(good.responses().map(({ status }) => status), [Status.Okay]);
});

/** A device of promises that are kept after so many turns of the event loop. */
function promiseDevice(turns: number) {
  const log: string[] = [];
  const device = promised({
    info: deviceInfo(),
    async read(offsetBytes, into) {
      for (let turn = 0; turn < turns; turn++) await giveWay();
      log.push(`read ${offsetBytes} ${into.length}`);
    },
    write: () => Promise.reject(new Error("worn out")),
    close: () => void log.push("close"),
  });
  return { device, log };
}

Deno.test("a driver serves a device of promises, and events between its looks", async () => {
  const { device, log } = promiseDevice(3);
  const { setup, frontends: [frontend], waiter, reports } = driverFor(device);
  const reference = frontend.grant(0);
  let waits = 0;
  waiter.waitServingEvents = async () => {
    if (++waits === 1) frontend.postTransfer(Operation.Read, 9, 0, [reference, 0, 7]);
    else if (waits === 2) frontend.postTransfer(Operation.Write, 8, 0, [reference, 0, 7]);
    else await giveWay();
    if (waits === 50) leave(frontend);
    assert(waits < 100, "the driver ends");
  };
  await runDriver(setup);
  const answers = frontend.responses().map(({ id, status }) => [id, status]);
  assert.deepEqual(answers.toSorted(), [[8, Status.Error], [9, Status.Okay]]);
  assert.deepEqual(log, ["read 0 4096", "close"]);
  assert.deepEqual(reports, [{ type: "ready" }]);
});

Deno.test("a driver that is told to stop lets a device of promises finish what it has", async () => {
  const { device, log } = promiseDevice(20);
  const { setup, control, frontends: [frontend], waiter } = driverFor(device);
  let waits = 0;
  waiter.waitServingEvents = () => {
    if (++waits === 1) frontend.postTransfer(Operation.Read, 9, 0, [frontend.grant(0), 0, 7]);
    else control.send(Command.Stop);
    return Promise.resolve();
  };
  await runDriver(setup);
  assert.deepEqual(log, ["read 0 4096", "close"]);
  assert.equal(stateOf(frontend, BACK_STATE), XenbusState.Closed);
});

Deno.test("a driver whose frontend offers a ring that cannot be used fails", async () => {
  const { setup, frontends: [frontend] } = driverFor(synchronous(new MemoryDevice()));
  frontend.ends.memory.words[1] = 3; // The key ring-page-order.
  await assert.rejects(runDriver(setup), /a ring of order 3/);
});

Deno.test("a frontend whose ring cannot be used keeps no other from being served", async () => {
  const { setup, frontends: [unusable, other], waiter, reports } = driverFor(synchronous(new MemoryDevice()), 2);
  unusable.ends.memory.words[1] = 3; // The key ring-page-order.
  inTurn(
    waiter,
    () => {},
    () => other.postTransfer(Operation.Read, 9, 0, [other.grant(0), 0, 7]),
    () => leave(other),
  );
  await runDriver(setup);
  assert.equal(other.responses().length, 1);
  assert.equal(stateOf(unusable, BACK_STATE), XenbusState.Closed);
  const [{ type, ...report }] = reports;
  assert.equal(type, "disconnected");
  assert.match(JSON.stringify(report), /a ring of order 3/);
});

Deno.test("a wait of a driver ends when a client may go on that has used up its limits", async () => {
  const { setup, frontends: [frontend], waiter } = driverFor(synchronous(new MemoryDevice()));
  const limits = { iops: 100, bytesPerSecond: null, burstNs: 10e6 };
  const links = setup.links.map(({ boot, end }) => ({ boot: { ...boot, client: { index: 0, limits } }, end }));
  const endless: NotificationPolicy = { plan: (plan) => void (plan.spinNs = Infinity) };
  const waits: number[] = [];
  let answered = 0;
  waiter.wait = (policy?: NotificationPolicy) => {
    answered += frontend.responses().length;
    const plan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity };
    policy?.plan(plan);
    waits.push(plan.spinNs);
    if (waits.length === 1) {
      const reference = frontend.grant(0);
      for (let id = 0; id < 3; id++) frontend.postTransfer(Operation.Read, id, 0, [reference, 0, 7]);
    }
    // Nothing wakes it but the time.
    if (answered === 3) leave(frontend);
  };
  await runDriver({ ...setup, links, policy: endless });
  assert.equal(answered, 3);
  assert.equal(waits[0], Infinity, "nothing was asked for yet");
  const bounded = waits.filter((each) => each < Infinity);
  assert(bounded.length > 0 && bounded.every((each) => each <= 10.1e6), "an operation comes in every 10 ms");
});

Deno.test("a driver that is told to stop finishes what its device still has", async () => {
  let looks = 0;
  const disk = new MemoryDevice();
  const device = new LaterDevice(disk, () => ++looks > 10 ? 0 : -1);
  const { setup, control, frontends: [frontend], waiter } = driverFor(device);
  inTurn(
    waiter,
    () => frontend.postTransfer(Operation.Write, 1, 0, [frontend.grant(0), 0, 7]),
    () => control.send(Command.Stop),
  );
  await runDriver(setup);
  assert.deepEqual([disk.calls, device.held.length], [["write 0 4096"], 0]);
});

Deno.test("a driver whose frontend is in a state that does not exist lets go of it, and reports it", async () => {
  const { setup, frontends: [frontend], waiter, reports } = driverFor(synchronous(new MemoryDevice()));
  inTurn(waiter, () => frontend.ends.memory.words[FRONT_STATE] = 99);
  await runDriver(setup);
  assert.match(JSON.stringify(reports), /The peer went from Connected to state 99/);
  assert.equal(stateOf(frontend, BACK_STATE), XenbusState.Closed);
});

Deno.test("a driver whose frontends have left waits for the end of its measured window", async () => {
  const { setup, control, frontends: [frontend], waiter, reports } = driverFor(
    synchronous(new MemoryDevice()),
    1,
    false,
  );
  control.send(Command.Measure);
  inTurn(waiter, () => leave(frontend));
  const { sleep } = setup.events;
  let sleeps = 0;
  setup.events.sleep = function (seen, timeoutMs) {
    if (this.bell === seen && ++sleeps === 3) control.send(Command.Finish);
    else if (this.bell !== seen) sleep.call(this, seen, timeoutMs);
  };
  await runDriver(setup);
  assert.deepEqual([sleeps, reports.map(({ type }) => type)], [3, ["ready", "measuring", "sample"]]);
});

Deno.test("a frontend that leaves is let go of though there is no turn without work", async () => {
  const { setup, frontends: [busy, leaving] } = driverFor(synchronous(new MemoryDevice()), 2);
  const reference = busy.grant(0);
  const { observe } = MeasurementWindow.prototype;
  let turns = 0;
  MeasurementWindow.prototype.observe = function () {
    if (++turns === 3) leave(leaving);
    if (stateOf(leaving, BACK_STATE) === XenbusState.Closed) leave(busy);
    else if (turns < 1000) {
      busy.responses();
      busy.postTransfer(Operation.Read, 1, 0, [reference, 0, 7]);
    }
    return observe.call(this);
  };
  try {
    setup.waiter.wait = () => assert(turns > 3 && turns < 1000, "it waits only when the busy one has left, too");
    await runDriver(setup);
  } finally {
    MeasurementWindow.prototype.observe = observe;
  }
  assert(turns < 1000);
});

Deno.test("a driver that is told to stop leaves a device and its frames alone that does not finish in time", async () => {
  const calls: string[] = [];
  const device: BlockDevice = {
    info: deviceInfo(),
    submit: () => false,
    poll: () => null,
    close: () => void calls.push("close"),
  };
  const { setup, control, frontends: [frontend], waiter } = driverFor(device);
  const reference = frontend.grant(0);
  inTurn(
    waiter,
    () => frontend.postTransfer(Operation.Read, 1, 0, [reference, 0, 7]),
    () => control.send(Command.Stop),
  );
  await runDriver(setup);
  assert.deepEqual(calls, []);
  assert.equal(frontend.grants.endAccess(reference), false, "the device may still write there");
});
