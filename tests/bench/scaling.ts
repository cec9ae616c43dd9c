/**
 * What must not grow: the cost of an operation with the size of the device, with the number of operations and with the
 * number of threads; the cost of being idle; and memory. Run it with `deno task bench:scaling [rounds]`.
 *
 * @module
 */

import { benchCell, type Measurement, over, rounds, roundsAsked, show } from "./harness.ts";

const ROUNDS = roundsAsked(5);
const MIB = 2 ** 20;

const SEQUENTIAL = { "workload.with.mode": "seqrd", "workload.with.queueDepth": "8", "run.duration": "1s" };
const THREADS = { "workload.with.queueDepth": "4", "run.duration": "1s" };
const NULL_512 = {
  "device": "{ use: 'null' }",
  "workload.with.blockSize": "512B",
  "workload.with.queueDepth": "8",
  "run.warmup": "1s",
};
const cells = {
  small: await benchCell({ ...SEQUENTIAL, "device.with.size": "64MiB" }),
  large: await benchCell({ ...SEQUENTIAL, "device.with.size": "4GiB", "workload.with.totalSize": "4GiB" }),
  short: await benchCell({ ...NULL_512, "run.duration": "250ms" }),
  long: await benchCell({ ...NULL_512, "run.duration": "2500ms" }),
  oneThread: await benchCell({ ...THREADS, "workload.with.threads": "1" }),
  fourThreads: await benchCell({ ...THREADS, "workload.with.threads": "4" }),
  idle: await benchCell({
    "policy": "{ use: adaptive-spin }",
    "workload": "{ use: idle }",
    "run.duration": "5s",
  }),
};

const all = await rounds(ROUNDS, cells, () => Promise.resolve({}));
type Round = typeof all[number];
const figure = (value: (round: Round) => number): string => show(over(all, value));
const nsAnOperation = ({ iops }: Measurement): number => 1e9 / iops;
/** What the driver's thread spent on an operation: its CPU time without what it spent looking for work. */
const driverNs = ({ cpuCores, durationNs, operations, waits }: Measurement): number => {
  return ((cpuCores.driver ?? NaN) * durationNs - (waits.backend?.spunNs ?? NaN)) / operations;
};
const cores = ({ cpuCores }: Measurement): number => (cpuCores.application ?? NaN) + (cpuCores.driver ?? NaN);
const beyondDevice = ({ peakMemoryBytes }: Measurement, deviceMiB: number): number => {
  return (peakMemoryBytes ?? NaN) / MIB - deviceMiB;
};

console.log(`medians of ${ROUNDS} rounds; ${navigator.hardwareConcurrency} cores; fixed-spin spins 200us`);
console.log(
  `1. ramdisk, sequential reads of 16 KiB, QD 8: ${figure(({ small }) => nsAnOperation(small))} ns an operation on ` +
    `64 MiB, ${figure(({ large }) => nsAnOperation(large))} ns on 4 GiB: ` +
    `${figure(({ small, large }) => nsAnOperation(large) / nsAnOperation(small))}× (at most 1.1)`,
);
console.log(
  `2. null device, 512 B, QD 8: ${figure(({ short }) => nsAnOperation(short))} ns an operation over ` +
    `${figure(({ short }) => short.operations)}, ${figure(({ long }) => nsAnOperation(long))} ns over ` +
    `${figure(({ long }) => long.operations)}: ` +
    `${figure(({ short, long }) => nsAnOperation(long) / nsAnOperation(short))}× (at most 1.1)`,
);
console.log(
  `3. ramdisk, 16 KiB rndrw, QD 4 a thread: the driver spends ${
    figure(({ oneThread }) => driverNs(oneThread))
  } ns an ` +
    `operation with 1 thread, ${figure(({ fourThreads }) => driverNs(fourThreads))} ns with 4: ` +
    `${figure(({ oneThread, fourThreads }) => driverNs(fourThreads) / driverNs(oneThread))}× (at most 1.1)`,
);
console.log(
  `4. idle for 5 s with adaptive-spin: both domains together ${
    figure(({ idle }) => cores(idle) * 100)
  } % of a core (at most 2)`,
);
console.log(
  `5. peak memory of a machine process beyond its device: ${
    figure(({ small }) => beyondDevice(small, 64))
  } MiB with 64 ` +
    `MiB, ${figure(({ large }) => beyondDevice(large, 4096))} MiB with 4 GiB, ` +
    `${figure(({ fourThreads }) => beyondDevice(fourThreads, 256))} MiB with 4 threads (less than 200)`,
);
