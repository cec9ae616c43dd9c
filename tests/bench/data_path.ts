/**
 * What isolation costs, in ratios. Run it with `deno task bench [rounds]`.
 *
 * @module
 */

import { bareRoundTripNs } from "./bare_round_trip.ts";
import { benchCell, measure, type Measurement, NO_COLLECTION, over, rounds, roundsAsked, show } from "./harness.ts";

const ROUNDS = roundsAsked(12);
/** The bare round trip for which the target of figure 4 is given. */
const REFERENCE_ROUND_TRIP_NS = 110;

const NULL_512 = { "device": "{ use: 'null' }", "workload.with.blockSize": "512B" };
const QD_8 = { "workload.with.queueDepth": "8" };
const LOOP_FILE = {
  "device": "{ use: loop-file, with: { size: 128MiB } }",
  "workload.with.mode": "rndrd",
};
const MONOLITHIC = { placement: "monolithic" };
const cells = {
  null1: await benchCell(NULL_512),
  null32: await benchCell({ ...NULL_512, "workload.with.queueDepth": "32" }),
  isolated8: await benchCell(QD_8),
  monolithic8: await benchCell({ ...QD_8, ...MONOLITHIC }),
  copied8: await benchCell({ ...QD_8, "channel.transfer": "copy" }),
  sleepFlag8: await benchCell({ ...QD_8, "channel.suppression": "sleep-flag" }),
  interrupt: await benchCell({ policy: "{ use: interrupt }" }),
  fixed: await benchCell(),
  adaptive: await benchCell({ policy: "{ use: adaptive-spin }" }),
  copied: await benchCell({ "channel.transfer": "copy" }),
  loopIsolated8: await benchCell({ ...LOOP_FILE, ...QD_8 }),
  loopMonolithic8: await benchCell({ ...LOOP_FILE, ...QD_8, ...MONOLITHIC }),
};

const all = await rounds(ROUNDS, cells, async () => ({ bareNs: await bareRoundTripNs() }));
type Round = typeof all[number];
const figure = (value: (round: Round) => number): string => show(over(all, value));
const ratio = (one: keyof typeof cells, other: keyof typeof cells): string => {
  return figure((round) => round[one].iops / round[other].iops);
};
const p50 = ({ latencyNs }: Measurement): number => latencyNs?.p50 ?? NaN;
const latencyRatio = (one: keyof typeof cells, other: keyof typeof cells): string => {
  return figure((round) => p50(round[other]) / p50(round[one]));
};

console.log(`medians of ${ROUNDS} rounds; ${navigator.hardwareConcurrency} cores; fixed-spin spins 200us`);
console.log(`bare round trip: ${figure(({ bareNs }) => bareNs)} ns`);
console.log(
  `1. null device, 512 B, QD 1, spinning: ${figure(({ null1 }) => 1e9 / null1.iops)} ns an operation, ` +
    `${figure(({ null1, bareNs }) => 1e9 / null1.iops / bareNs)}× the bare round trip (at most 4, goal 3)`,
);
console.log(
  `2. ramdisk, 16 KiB rndrw, QD 8, spinning: isolated ${figure(({ isolated8 }) => isolated8.iops)} IOPS, ` +
    `${ratio("isolated8", "monolithic8")} of monolithic (at least 0.97), ` +
    `${latencyRatio("isolated8", "monolithic8")} by median latency`,
);
console.log(
  `   driver's CPU time over wall time ${figure(({ isolated8 }) => isolated8.cpuCores.driver ?? NaN)}, ` +
    `monolithic thread's ${figure(({ monolithic8 }) => monolithic8.cpuCores.application ?? NaN)}`,
);
console.log(
  `3. ramdisk, 16 KiB rndrw, QD 1: fixed-spin ${ratio("fixed", "interrupt")}× interrupt (at least 10), ` +
    `adaptive-spin ${ratio("adaptive", "fixed")}× fixed-spin (at least 0.95)`,
);
const scaled = over(all, ({ null32, bareNs }) => null32.iops * (bareNs / REFERENCE_ROUND_TRIP_NS));
console.log(
  `4. null device, 512 B, QD 32: ${figure(({ null32 }) => null32.iops / 1e6)} million operations a second, ` +
    `${show(scaled / 1e6)} scaled to a round trip of ${REFERENCE_ROUND_TRIP_NS} ns (at least 2)`,
);
for (const name of ["null1", "null32", "isolated8"] as const) {
  const { operations, heapGrowthBytes } = await measure(cells[name], NO_COLLECTION);
  const grown = (bytes: number): string => `${Math.round((bytes / operations) * (1e6 / 1024))} KiB`;
  console.log(
    `5. heap growth for a million requests, ${name}: application ${grown(heapGrowthBytes.application)}, ` +
      `driver ${grown(heapGrowthBytes.driver)} (less than 1 MiB; ${operations} requests measured, no collection)`,
  );
}
console.log(
  `6. ramdisk, 16 KiB rndrw: zero-copy is ${ratio("fixed", "copied")}× copy at QD 1, ` +
    `${ratio("isolated8", "copied8")}× at QD 8`,
);
console.log(`7. ramdisk, 16 KiB rndrw, QD 8: sleep-flag is ${ratio("sleepFlag8", "isolated8")}× event-index`);
console.log(
  `8. loop-file, 16 KiB rndrd, QD 8: isolated ${figure(({ loopIsolated8 }) => loopIsolated8.iops)} IOPS, ` +
    `${ratio("loopIsolated8", "loopMonolithic8")} of monolithic (at least 0.97), ` +
    `${latencyRatio("loopIsolated8", "loopMonolithic8")} by median latency`,
);
