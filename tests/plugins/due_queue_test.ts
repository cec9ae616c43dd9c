import assert from "node:assert/strict";
import { BlockRequest } from "../../core/block_device.ts";
import { SharedMemory } from "../../core/memory.ts";
import { DueQueue } from "../../plugins/filters/timed/due_queue.ts";
import { fc } from "../conformance/properties.ts";

const memory = SharedMemory.allocate(1);
const request = (slot: number): BlockRequest => new BlockRequest({ completed() {} }, slot, memory, 1);

Deno.test("requests come out by their times, and of the same time in the order in which they went in", () => {
  const action = fc.oneof({ weight: 3, arbitrary: fc.nat(8) }, { weight: 2, arbitrary: fc.constant("pop" as const) });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 400, size: "max" }), (actions) => {
      const queue = new DueQueue();
      const model: { dueMs: number; slot: number }[] = [];
      const pop = (): void => {
        model.sort((a, b) => a.dueMs - b.dueMs || a.slot - b.slot);
        assert.equal(queue.dueMs, model[0]?.dueMs ?? Infinity);
        assert.equal(queue.pop()?.slot, model.shift()?.slot);
      };
      for (const [slot, each] of actions.entries()) {
        if (each === "pop") {
          pop();
        } else {
          queue.push(request(slot), each);
          model.push({ dueMs: each, slot });
        }
        assert.equal(queue.size, model.length);
      }
      while (model.length > 0) pop();
      assert.equal(queue.pop(), null);
    }),
  );
});

Deno.test("a request that was taken out is not kept", () => {
  const queue = new DueQueue();
  for (let slot = 0; slot < 200; slot++) queue.push(request(slot), 200 - slot);
  for (let slot = 199; slot >= 0; slot--) assert.equal(queue.pop()?.slot, slot);
  assert.equal(queue.size, 0);
  assert.equal(queue.dueMs, Infinity);
});
