/**
 * What taking the measurements costs: a machine that measures all that a run does beside one that only counts its
 * operations. Run it with `deno task bench:measuring [rounds]`.
 *
 * @module
 */

import { benchCell, type ChangeJob, measure, type Measurement, over, roundsAsked, show } from "./harness.ts";

const ROUNDS = roundsAsked(20);
/** The share of the speed that measuring may cost. */
const ALLOWED = 0.03;

const QD_32 = { "workload.with.blockSize": "512B", "workload.with.queueDepth": "32" };
const cells = {
  "null": await benchCell({ ...QD_32, "device": "{ use: 'null' }" }),
  "ramdisk": await benchCell({ ...QD_32, "device": "{ use: ramdisk, with: { size: 64MiB } }" }),
};

/** Times no operation, and does not cut the window. */
const countOnly: ChangeJob = (job) => ({
  ...job,
  window: job.window && { ...job.window, windows: 1 },
  plan: {
    ...job.plan,
    domains: job.plan.domains.map((domain) => {
      return domain.workload === undefined ? domain : { ...domain, workload: { ...domain.workload, countsOnly: true } };
    }),
  },
});

for (const [name, cell] of Object.entries(cells)) {
  const rounds: { readonly on: Measurement; readonly off: Measurement; readonly again: Measurement }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // Who comes first changes, and `again` says what the same differs from itself by.
    const order = round % 2 === 0 ? ["on", "off", "again"] as const : ["again", "off", "on"] as const;
    const measured: Partial<Record<typeof order[number], Measurement>> = {};
    for (const which of order) measured[which] = await measure(cell, [], which === "off" ? countOnly : undefined);
    rounds.push(measured as typeof rounds[number]);
    console.error(`${name}: round ${round + 1} of ${ROUNDS}`);
  }
  const ratio = over(rounds, ({ on, off, again }) => (on.iops + again.iops) / 2 / off.iops);
  const noise = over(rounds, ({ on, again }) => Math.abs(on.iops / again.iops - 1));
  console.log(
    `${name}, 512 B, QD 32, spinning: ${show(over(rounds, ({ on }) => on.iops / 1e6))} million operations a second, ` +
      `${ratio.toFixed(3)} of what it does when it only counts them (at least ${1 - ALLOWED}); the same differs from ` +
      `itself by ${(noise * 100).toFixed(1)} %, the median of ${ROUNDS} rounds`,
  );
  const { windows, timedOperations } = rounds[0].on;
  console.log(`  a repetition has ${windows?.durationNs.length ?? 0} pieces and ${timedOperations} timed operations`);
}
