import assert from "node:assert/strict";
import { type Phases, piecesOf, timedWindow, unlessAborted, untilFinished } from "../../core/phases.ts";

/** Phases that log what is asked of them. */
function logged() {
  const log: string[] = [];
  const said = (what: string): Promise<void> => {
    log.push(what);
    return Promise.resolve();
  };
  const ended = new AbortController();
  const finish = Promise.withResolvers<void>();
  const phases: Phases = {
    measure: () => said("measure"),
    finish: () => said("finish"),
    finishRequested: finish.promise,
    signal: ended.signal,
  };
  return { log, ended, requestFinish: finish.resolve, phases };
}

Deno.test("a timed window is measured and finished, in this order", async () => {
  const { log, phases } = logged();
  await timedWindow({ warmupNs: 1e6, durationNs: 1e6 })(phases);
  assert.deepEqual(log, ["measure", "finish"]);
});

Deno.test("a timed window is cut into pieces of at least 10 ms, and each is begun once, in order", async () => {
  const { log, phases } = logged();
  const cut = (windows: number): Promise<void> => {
    return timedWindow({ warmupNs: 0, durationNs: 35e6, windows }, (piece) => log.push(`piece ${piece}`))(phases);
  };
  await cut(20);
  assert.deepEqual(log.splice(0), ["measure", "piece 1", "piece 2", "finish"]);
  await cut(2);
  assert.deepEqual(log.splice(0), ["measure", "piece 1", "finish"]);
  await cut(1);
  assert.deepEqual(log, ["measure", "finish"]);
  assert.equal(piecesOf({ warmupNs: 0, durationNs: 1e6, windows: 20 }), 1);
  assert.equal(piecesOf({ warmupNs: 0, durationNs: 1e9, windows: 20 }), 20);
});

Deno.test("a timed window ends when its machine does, with the reason, and leaves no timer", async () => {
  const { log, ended, phases } = logged();
  const conducted = timedWindow({ warmupNs: 0, durationNs: 1e15 })(phases);
  ended.abort(new Error("the driver died"));
  await assert.rejects(conducted, /the driver died/);
  assert(!log.includes("finish"));
});

Deno.test("a machine that works until it is told to finish goes on until then", async () => {
  const { log, requestFinish, phases } = logged();
  const conducted = untilFinished(phases);
  await Promise.resolve();
  assert.deepEqual(log, ["measure"]);
  requestFinish();
  await conducted;
  assert.deepEqual(log, ["measure", "finish"]);
});

Deno.test("a promise is itself unless the signal is aborted, before or after", async () => {
  const { ended: { signal } } = logged();
  assert.equal(await unlessAborted(Promise.resolve(3), signal), 3);
  await assert.rejects(unlessAborted(Promise.reject(new Error("its own")), signal), /its own/);
  await assert.rejects(unlessAborted(Promise.resolve(3), AbortSignal.abort(new Error("before"))), /before/);
});
