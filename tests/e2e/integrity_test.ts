import assert from "node:assert/strict";
import { join } from "node:path";
import { checkFromOutside } from "../helpers/check_from_outside.ts";
import { flags, outcome, savedResult, start, withDirectory, writeScenario } from "./command.ts";

const SIZE = 2 ** 20;

interface Combination {
  readonly policy: string;
  readonly channel: Record<string, unknown>;
  readonly workload: Record<string, unknown>;
}

/** Chosen so that every pair of policy, transfer, suppression and number of threads is met by one of them or nearly. */
const COMBINATIONS: readonly Combination[] = [
  {
    policy: "interrupt",
    channel: { transfer: "copy", suppression: "event-index", batch: 1 },
    workload: { threads: 1 },
  },
  {
    policy: "interrupt",
    channel: { transfer: "zero-copy", suppression: "sleep-flag", merge: true },
    workload: { threads: 4 },
  },
  {
    policy: "fixed-spin",
    channel: { transfer: "copy", suppression: "sleep-flag", merge: true, indirectSegments: 0 },
    workload: { threads: 2, blockSize: "64KiB", queueDepth: 2 },
  },
  {
    policy: "fixed-spin",
    channel: { transfer: "zero-copy", suppression: "event-index", submitSpin: "5us", batch: 2 },
    workload: { threads: 3, discardShare: 0.1 },
  },
  {
    policy: "adaptive-spin",
    channel: { transfer: "zero-copy", suppression: "sleep-flag", indirectSegments: 256 },
    workload: { threads: 1, blockSize: "128KiB", queueDepth: 4 },
  },
  {
    policy: "adaptive-spin",
    channel: { transfer: "copy", suppression: "event-index", ringOrder: 1, batch: 8 },
    workload: { threads: 4, blockSize: "512B", queueDepth: 8 },
  },
];

/** Every combination in threads, and in processes: both ends, or the driver alone. */
const KINDS = ["worker", "process"] as const;

for (
  const [index, { policy, channel, workload }, kind] of COMBINATIONS.flatMap((each, index) => {
    return KINDS.map((kind) => [index, each, kind] as const);
  })
) {
  const application = index % 3 === 0 ? "worker" : kind;
  const kinds = kind === "worker" ? "in workers" : `a process for a ${application}`;
  const name = [policy, channel.transfer, channel.suppression, `${workload.threads} threads`, kinds].join(", ");
  Deno.test(`a file holds what verify wrote, seen from outside: ${name}`, async () => {
    await withDirectory(async (directory) => {
      const disk = join(directory, "disk.img");
      await Deno.writeFile(disk, new Uint8Array(SIZE));
      const scenario = await writeScenario(directory, {
        device: { use: "loop-file", with: { path: disk } },
        domains: { application: { kind: application }, driver: { kind } },
        policy: { use: policy },
        channel,
        workload: { use: "verify", with: { ...workload, size: "1MiB" } },
        run: { warmup: "10ms", duration: "50ms", repetitions: 1, seed: index + 1 },
        recovery: { hangTimeout: "10s" },
        expect: ["errors == 0", "sectorsVerified >= 2048"],
      });
      const results = join(directory, "results");
      const ran = await outcome(start([scenario, "--out", results, "--no-progress"], flags(directory)));
      assert.equal(ran.code, 0, ran.stderr + ran.stdout);
      const { counters } = (await savedResult(results)).cells[0].samples[0];
      const blockBytes = { "64KiB": 65536, "128KiB": 131072, "512B": 512 }[String(workload.blockSize)] ?? 4096;
      const found = await checkFromOutside(disk, SIZE, blockBytes);
      assert.deepEqual([found.bad, found.sectors], [0, SIZE / 512]);
      assert.equal(found.generationSum, counters.generationSum);
      assert(found.stamped > SIZE / 1024, `only ${found.stamped} sectors have a stamp`);
    });
  });
}
