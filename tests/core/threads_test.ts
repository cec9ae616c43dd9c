// A frontend and a backend on two threads, or three, that sleep as soon as there is nothing to do: no notification may be lost.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import type { Frontend } from "../../core/frontend.ts";
import { withBackendThread } from "../helpers/backend_thread.ts";
import { deviceInfo } from "../helpers/devices.ts";
import { type LinkChanges, linkOptions } from "../helpers/link.ts";
import { queueCommands, runQueueModel } from "../helpers/queue_model.ts";

const { Read } = Operation;
const SIZE = deviceInfo().sizeBytes;

/** Random work, after which the whole disk is read back. */
function work(frontend: Frontend): void {
  let disk: Uint8Array = new Uint8Array(SIZE);
  for (const commands of fc.sample(queueCommands(SIZE / 512, 88), { numRuns: 5, seed: 7 })) {
    disk = runQueueModel(frontend, disk, commands);
  }
  for (let offset = 0; offset < disk.length; offset += 32768) {
    frontend.submit(0, Read, offset, 32768);
    assert.equal(frontend.wait(), 0);
    assert(Buffer.from(frontend.buffer(0)).subarray(0, 32768).equals(disk.subarray(offset, offset + 32768)));
  }
}

/** Reads with `depth` in flight, so that both sides sleep again and again. */
function pingPong(frontend: Frontend, depth: number, count: number): void {
  let submitted = 0;
  const submit = (slot: number): void => frontend.submit(slot, Read, (submitted++ % 64) * 512, 512);
  for (let slot = 0; slot < depth; slot++) submit(slot);
  for (let slot = frontend.wait(); slot >= 0; slot = frontend.wait()) {
    assert.equal(frontend.status(slot), Status.Okay);
    if (submitted < count) submit(slot);
  }
  assert.equal(submitted, count);
}

const links: Readonly<Record<string, LinkChanges>> = {
  "a small ring": {},
  "a large ring": { ringOrder: 4, slots: { count: 64 } },
  "copies, small batches and merged requests": { transfer: "copy", batch: 3, merge: true },
};
/** Who takes responses off the ring. */
const completions: Readonly<Record<string, LinkChanges>> = {
  "": { completion: "inline" },
  ", by a response thread": { completion: "thread" },
  ", by a response thread and the one that submits": { completion: "thread", submitSpinNs: 5000 },
};

for (const suppression of ["event-index", "sleep-flag"] as const) {
  for (const [who, completion] of Object.entries(completions)) {
    const common = { suppression, ...completion };
    for (const [name, changes] of Object.entries(links)) {
      Deno.test(`threads with ${name} work and part, and lose no notification: ${suppression}${who}`, async () => {
        const { unended } = await withBackendThread(linkOptions({ ...changes, ...common }), 0, (frontend) => {
          assert.deepEqual(frontend.info, { ...deviceInfo(), canWriteZeroes: true, canFua: true });
          work(frontend);
        });
        assert.equal(unended, 0);
      });
    }

    for (const depth of [1, 2, 5]) {
      Deno.test(`threads that sleep at once, with ${depth} in flight, lose no notification: ${suppression}${who}`, async () => {
        const options = linkOptions({ ...common, batch: 2 });
        const { unended, sleeps, responses } = await withBackendThread(options, 0, (frontend) => {
          pingPong(frontend, depth, 3000);
        });
        assert.equal(unended, 0);
        assert(sleeps.front > 0 && sleeps.back > 0, "both have slept");
        if (completion.completion !== "thread") return;
        assert(responses !== null && responses.taken > 0 && responses.wakes > 0, "the response thread has handed over");
        // One that submits, and takes nothing itself, is handed all.
        if (completion.submitSpinNs === undefined) assert.equal(responses.taken, 3000);
        else assert(responses.taken <= 3000);
      });
    }

    Deno.test(`threads that spin before they sleep lose no notification: ${suppression}${who}`, async () => {
      for (const spinNs of [500, 20_000]) {
        const options = linkOptions({ ...common, batch: 2 });
        const { unended } = await withBackendThread(options, spinNs, (frontend) => pingPong(frontend, 3, 3000));
        assert.equal(unended, 0);
      }
    });
  }
}
