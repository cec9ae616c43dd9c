// A frontend whose drivers die at random, against a model of what must come of it.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import { testWays } from "../helpers/completions.ts";
import { ChangingDriver, LINKS, RESPONSES_PUBLISHED } from "../helpers/changing_driver.ts";
import { LaterDevice, MemoryDevice } from "../helpers/devices.ts";
import { checkQueue, queueCommands } from "../helpers/queue_model.ts";

const SECTORS = 256;
const { Write, Flush } = Operation;

/** Numbers by which a run is drawn. */
const picks = (): fc.Arbitrary<fc.Stream<number>> => fc.infiniteStream(fc.nat(999));

testWays("whatever dies when, every operation is completed once, and the disk is as if nobody had", () => {
  const links = fc.constantFrom(...Object.values(LINKS));
  fc.assert(fc.property(queueCommands(SECTORS, 88), links, picks(), (commands, link, stream) => {
    const device = new MemoryDevice({ sizeBytes: SECTORS * 512 });
    const draw = (limit: number): number => stream.next().value % limit;
    // A device that is done later, in any order: what was done may not have been answered when its driver dies.
    const changing = new ChangingDriver(() => new LaterDevice(device, (count) => draw(count + 1) - 1), { link });
    let deaths = 0;
    const mayDie = (): void => {
      if (changing.revive() || draw(6) > 0) return;
      deaths++;
      if (changing.driver?.connected && draw(3) === 0) Atomics.store(changing.ring, RESPONSES_PUBLISHED, 12345);
      else changing.kill();
    };
    changing.look = () => {
      if (draw(4) === 0) mayDie();
      else changing.revive();
    };
    changing.pump = () => {
      mayDie();
      const { driver } = changing;
      if (driver === null || !driver.connected) return;
      for (let turns = draw(4); turns > 0; turns--) {
        driver.backend.service();
        driver.gate.reap();
      }
    };
    changing.start();
    changing.frontend.connect();
    checkQueue(changing.frontend, device.disk, commands);
    assert(changing.generation <= deaths + 1);
    assert.equal(changing.meter.errors, 0);
  }));
});

testWays(
  "whatever dies when and whatever becomes of requests, each operation is returned once, as done or as failed",
  () => {
    const policies = fc.constantFrom<"requeue" | "fail-io" | "reissue">("requeue", "fail-io", "reissue");
    const links = fc.constantFrom(...Object.values(LINKS));
    fc.assert(fc.property(policies, links, picks(), (requests, link, stream) => {
      const device = new MemoryDevice({ sizeBytes: SECTORS * 512 });
      const draw = (limit: number): number => stream.next().value % limit;
      const changing = new ChangingDriver(() => new LaterDevice(device, (count) => draw(count + 1) - 1), {
        requests,
        link,
      });
      const step = (): void => {
        const { driver } = changing;
        if (driver === null || changing.lost.at(-1)?.generation === changing.generation) {
          if (draw(3) === 0) changing.replace();
          // A broken driver lives on until then.
        } else if (driver.connected && draw(8) === 0) {
          if (draw(2) === 0) changing.kill();
          else Atomics.store(changing.ring, RESPONSES_PUBLISHED, 12345);
        }
        if (changing.driver?.connected !== true) return;
        if (draw(2) === 0) changing.driver.backend.service();
        changing.driver.gate.reap();
      };
      changing.look = step;
      changing.pump = step;
      changing.start();
      const { frontend } = changing;
      frontend.connect();
      // Of each sector: what it may hold. What failed may have been done.
      const blocks = 8;
      const may = Array.from({ length: blocks }, () => [0]);
      const busy = new Map<number, { block: number; value: number } | null>();
      for (let steps = 0; steps < 60 || busy.size > 0; steps++) {
        const slot = draw(Math.min(frontend.depth, 6));
        const block = draw(blocks);
        const taken = [...busy.values()].some((each) => each?.block === block);
        if (steps < 60 && !busy.has(slot)) {
          const value = 1 + draw(250);
          if (draw(4) === 0 || taken) {
            frontend.submit(slot, Flush, 0, 0);
            busy.set(slot, null);
          } else {
            frontend.buffer(slot).fill(value, 0, 512);
            frontend.submit(slot, Write, block * 512, 512);
            busy.set(slot, { block, value });
          }
        }
        assert.equal(frontend.inFlight, busy.size);
        const ended = draw(2) === 0 ? frontend.poll() : frontend.wait();
        if (ended < 0) continue;
        assert(busy.has(ended), `slot ${ended} was in flight`);
        const write = busy.get(ended);
        busy.delete(ended);
        if (requests === "reissue") assert.equal(frontend.status(ended), Status.Okay);
        if (write === null || write === undefined) continue;
        may[write.block] = frontend.status(ended) === Status.Okay ? [write.value] : [...may[write.block], write.value];
      }
      for (const [block, values] of may.entries()) assert(values.includes(device.disk[block * 512]), `block ${block}`);
      assert.equal(frontend.poll(), -1);
    }));
  },
);
