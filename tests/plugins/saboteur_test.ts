// The device by which tests make drivers fail: each fault is what it says, when it says, and as often.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { handingOn } from "../../core/descriptor.ts";
import { MemoryFile } from "../../core/memory_file.ts";
import { testDevice } from "../conformance/device.ts";
import { OpenedDevice } from "../helpers/opened_device.ts";
import plugin from "../helpers/plugins/saboteur.ts";
import { DEEDS, type Deeds } from "../helpers/plugins/saboteur/deeds.ts";
import { FIRED, HEAD_BYTES, saboteur } from "../helpers/plugins/saboteur/device.ts";
import type { SaboteurJob } from "../helpers/saboteur_process.ts";

const { Read, Write, Flush, Discard, WriteZeroes } = Operation;
const { Okay, Error: Failed } = Status;
const SIZE = 64 * 1024;
const URL_OF_PLUGIN = new URL("../helpers/plugins/saboteur.ts", import.meta.url).href;

testDevice("saboteur", URL_OF_PLUGIN, { options: { fault: "throw", times: 0, size: "128KiB" } });

function memoryOf(sizeBytes = SIZE): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_BYTES + sizeBytes);
}

/** A driver on some memory. */
function driver(memory: SharedArrayBuffer, given: Record<string, unknown>, deeds: Deeds = DEEDS): OpenedDevice {
  const options = plugin.options.parse({ size: SIZE / 1024 + "KiB", ...given });
  return new OpenedDevice(saboteur(memory, options.size, options, deeds));
}

/** The statuses of 4 KiB operations at the disk's beginning, in order. */
function statuses(device: OpenedDevice, ...operations: Operation[]): number[] {
  return operations.map((operation) => {
    const dataless = operation === Flush || operation === Discard || operation === WriteZeroes;
    return dataless
      ? device.runDataless(operation, 0, operation === Flush ? 0 : 4096)
      : device.run(operation, 0, [0, 4096]);
  });
}

Deno.test("a fault comes at every so-manieth request of its kind, as often as was said, and others are honest", () => {
  const memory = memoryOf();
  using device = driver(memory, { fault: "eio", of: "write", at: 3, times: 2 });
  const rest = [Read, Flush, Discard, WriteZeroes];
  const found = Array.from({ length: 10 }, () => statuses(device, Write, ...rest));
  assert.deepEqual(found.map(([write]) => write), [Okay, Okay, Failed, Okay, Okay, Failed, Okay, Okay, Okay, Okay]);
  for (const [, ...others] of found) assert.deepEqual(others, [Okay, Okay, Okay, Okay]);
  assert.deepEqual([...new Int32Array(memory, 0, 2)], [10, 2]);
  assert.deepEqual(device.reports, []);
});

Deno.test("any request counts where that is said", () => {
  using device = driver(memoryOf(), { fault: "throw", at: 4 });
  assert.deepEqual(statuses(device, Read, Write, WriteZeroes, Discard, Flush), [Okay, Okay, Okay, Failed, Okay]);
  assert.deepEqual(device.reports, ["it was told to throw"]);
});

Deno.test("the count goes on with the next driver, and the fault does not come again", () => {
  const memory = memoryOf();
  const given = { fault: "eio", of: "read", at: 2 };
  {
    using device = driver(memory, given);
    assert.deepEqual(statuses(device, Read), [Okay]);
  }
  using device = driver(memory, given);
  assert.deepEqual(statuses(device, Read, Read, Read), [Failed, Okay, Okay]);
  using twice = driver(memory, { ...given, times: 2 });
  assert.deepEqual(statuses(twice, Read, Read), [Okay, Failed]);
});

Deno.test("a short read fills half of the memory, and fails", () => {
  const memory = memoryOf();
  new Uint8Array(memory, HEAD_BYTES).fill(7);
  using device = driver(memory, { fault: "short", of: "read" });
  assert.equal(device.run(Read, 0, [0, 1024], [8192, 8192 + 3072]), Failed);
  assert.deepEqual(device.memory.bytes.slice(0, 1024), new Uint8Array(1024).fill(7));
  assert.deepEqual(device.memory.bytes.slice(8192, 8192 + 3072), new Uint8Array(3072).fill(7, 0, 1024));
});

Deno.test("a slow request is done, and the device says that it may take so long", () => {
  using slow = driver(memoryOf(), { fault: "slow", slowFor: "1ms" });
  assert.deepEqual(statuses(slow, Write, Read), [Okay, Okay]);
  const { size, ...given } = plugin.options.parse({ fault: "slow", slowFor: "1s" });
  assert((saboteur(memoryOf(size), size, given, DEEDS).operationTimeoutNs ?? 0) > 1e9);
  assert.equal(saboteur(memoryOf(size), size, { ...given, fault: "kill" }, DEEDS).operationTimeoutNs, undefined);
});

Deno.test("a torn write writes some sectors and never all of them, as its seed has it, and then kills its driver", () => {
  class Killed extends Error {}
  const deeds = {
    ...DEEDS,
    kill(): never {
      throw new Killed();
    },
  };
  const written = (seed: number): string => {
    const memory = memoryOf();
    using device = driver(memory, { fault: "torn", of: "write", seed }, deeds);
    device.memory.bytes.fill(7);
    assert.equal(device.run(Write, 4096, [0, 512], [4096, 4096 + 15 * 512]), Failed);
    const disk = new Uint8Array(memory, HEAD_BYTES);
    const sectors = Array.from({ length: SIZE / 512 }, (_, i) => disk.subarray(i * 512, (i + 1) * 512));
    for (const sector of sectors) assert(sector.every((byte) => byte === sector[0]), "a sector is not torn itself");
    assert(sectors.every((sector, i) => sector[0] === 0 || (i >= 8 && i < 24)), "nothing is written elsewhere");
    return sectors.slice(8, 24).map((sector) => sector[0] === 7 ? "x" : "-").join("");
  };
  const outcomes = Array.from({ length: 64 }, (_, seed) => written(seed));
  assert.deepEqual(outcomes, Array.from({ length: 64 }, (_, seed) => written(seed)));
  assert(new Set(outcomes).size > 32, "seeds differ");
  for (const outcome of outcomes) assert.match(outcome, /-/);
  assert(outcomes.some((outcome) => outcome.includes("x")));
});

Deno.test("a fault of one kind of request takes no other", () => {
  for (const [fault, of] of [["torn", "read"], ["torn", "any"], ["short", "write"]]) {
    assert.match(
      plugin.options.safeParse({ fault, of }).error?.message ?? "accepted",
      /write for torn, and read for short/,
    );
  }
});

/** A driver in a process, on memory that outlives it. */
class DriverProcess implements AsyncDisposable {
  readonly memory: MemoryFile;
  readonly child: Deno.ChildProcess;
  readonly #output: Promise<Deno.CommandOutput>;

  constructor(given: Record<string, unknown>, requests: SaboteurJob["requests"], ...more: readonly string[]) {
    const byteLength = HEAD_BYTES + SIZE;
    this.memory = MemoryFile.create(byteLength);
    const { descriptor } = this.memory;
    const job: SaboteurJob = { given: { size: `${SIZE / 1024}KiB`, ...given }, descriptor, byteLength, requests };
    const program = new URL("../helpers/saboteur_process.ts", import.meta.url).pathname;
    const flags = ["--quiet", "--no-prompt", "--allow-ffi", ...more];
    const args = ["run", ...flags, program, JSON.stringify(job)];
    const command = new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped", stderr: "piped" });
    this.child = handingOn([descriptor], () => command.spawn());
    this.#output = this.child.output();
  }

  /** How it ended, and what it said of its requests. */
  async end(): Promise<{ code: number; signal: Deno.Signal | null; said: string[] }> {
    const { code, signal, stdout } = await this.#output;
    return { code, signal, said: new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "") };
  }

  get fired(): number {
    return Atomics.load(new Int32Array(this.memory.buffer, 0, 2), FIRED);
  }

  /** Field `index` of what the kernel says of the process, counted from 0 behind its name (proc(5)). */
  stat(index: number): string {
    return Deno.readTextFileSync(`/proc/${this.child.pid}/stat`).split(") ")[1].split(" ")[index];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#output;
    this.memory.close();
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let look = 0; look < 3000; look++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`never happened: ${what}`);
}

for (
  const [fault, code, signal] of [
    ["exit", 3, null],
    ["crash", 139, "SIGSEGV"],
    ["kill", 137, "SIGKILL"],
    ["torn", 137, "SIGKILL"],
  ] as const
) {
  Deno.test(`${fault} ends the driver's process at the request, and what it wrote before is in the medium`, async () => {
    await using process = new DriverProcess({ fault, of: "write", at: 2 }, ["Write", "Flush", "Write", "Flush"]);
    assert.deepEqual(await process.end(), { code, signal, said: [`Write ${Okay}`, `Flush ${Okay}`] });
    const [seen, fired] = new Int32Array(process.memory.buffer, 0, 2);
    assert.deepEqual([seen, fired], [2, 1]);
    assert(new Uint8Array(process.memory.buffer, HEAD_BYTES, 4096).every((byte) => byte === 7));
  });
}

Deno.test("grow takes memory until the process is aborted", async () => {
  await using process = new DriverProcess(
    { fault: "grow", at: 2 },
    ["Write", "Write"],
    "--v8-flags=--max-old-space-size=64",
  );
  const { code, said } = await process.end();
  assert.notEqual(code, 0);
  assert.deepEqual(said, [`Write ${Okay}`]);
});

Deno.test("stop stops the process, which goes on where it was when it is let", async () => {
  await using process = new DriverProcess({ fault: "stop", at: 2 }, ["Write", "Read", "Read"]);
  await until(() => process.stat(0) === "T", "it is stopped");
  assert.equal(process.fired, 1);
  process.child.kill("SIGCONT");
  assert.deepEqual(await process.end(), {
    code: 0,
    signal: null,
    said: [`Write ${Okay}`, `Read ${Okay}`, `Read ${Okay}`],
  });
});

Deno.test("loop works for ever on the request, and answers no other", async () => {
  await using process = new DriverProcess({ fault: "loop", at: 2 }, ["Write", "Read", "Read"]);
  await until(() => process.fired === 1, "it has come to the request");
  const ticks = (): number => Number(process.stat(11));
  const before = ticks();
  await until(() => ticks() > before + 20, "it takes processor time");
  process.child.kill("SIGKILL");
  assert.deepEqual((await process.end()).said, [`Write ${Okay}`]);
});
