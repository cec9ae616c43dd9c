import assert from "node:assert/strict";
import { threadCpuClock } from "../../core/measure/thread.ts";
import { Neighbours } from "../../core/neighbours.ts";
import { startNeighbours } from "../../core/runner/neighbourhood.ts";

/** Whether what they use can be known. It opens the C library for good, before a sanitizer counts what a test opens. */
const known = threadCpuClock() !== null;
const anywhere = { cpus: [], duty: 1 };

function fail(reason: Error): never {
  throw reason;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until it holds, whatever else the machine has to do. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(5);
}

Deno.test("neighbours compute from when they are told to until they are stopped", async () => {
  const neighbours = await Neighbours.start([anywhere, anywhere], fail);
  try {
    await pause(20);
    assert.equal(neighbours.cpuNs(), 0);
    neighbours.compute();
    if (known) await until(() => neighbours.cpuNs() > 20e6);
    else await until(() => Number.isNaN(neighbours.cpuNs()));
  } finally {
    neighbours.stop();
  }
});

Deno.test("where one neighbour cannot be started, none is left", async () => {
  const told: string[] = [];
  const broken = { cpus: null as never, duty: 1 };
  await assert.rejects(
    Neighbours.start([anywhere, broken], ({ message }) => void told.push(message)),
    /^DomainError: The neighbour 1 failed: .*TypeError/,
  );
  assert.equal(told.length, 1);
});

Deno.test("neighbours that are stopped before they have begun end", async () => {
  const neighbours = await Neighbours.start([anywhere], fail);
  neighbours.stop();
  assert.equal(neighbours.cpuNs(), 0);
});

Deno.test("neighbours begin with their machine and end with it, also where it fails, and say that they are nowhere in particular", async () => {
  const notes: string[] = [];
  const around = await startNeighbours([anywhere], fail, (text) => void notes.push(text));
  assert.match(notes.join(), /^the neighbours run wherever the kernel puts them/);
  const phases: string[] = [];
  const phase = (name: string) => () => Promise.resolve(void phases.push(name));
  const leading = around.around(async ({ measure, finish }) => {
    await measure();
    await pause(30);
    await finish();
    throw new Error("the machine failed");
  });
  await assert.rejects(
    leading({
      ...{ measure: phase("measure"), finish: phase("finish") },
      ...{ finishRequested: Promise.resolve(), signal: new AbortController().signal },
    }),
    /the machine failed/,
  );
  assert.deepEqual(phases, ["measure", "finish"]);
  assert.equal(around.usage()?.confinedTo, null);
});

Deno.test("without neighbours nothing is around a machine", async () => {
  const around = await startNeighbours([], fail, fail as never);
  const conduct = () => Promise.resolve();
  assert.equal(around.around(conduct), conduct);
  around.begin();
  assert.equal(around.usage(), null);
});
