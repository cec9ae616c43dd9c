/**
 * Beside fio: one open loop, offered by fio and by the workload `open-loop` to the same server of NBD, in turn. The server
 * is another's (nbdkit), and what differs is who asks: fio's engine over libnbd, and the device `nbd` in place.
 *
 * fio's latencies run from when it submitted, ours from when an operation was due; so ours have the generator's own
 * lateness in them, which is printed beside.
 *
 * @module
 */

import { join } from "node:path";
import type { Sample } from "../../core/runner/result.ts";
import { benchCell, measure, over, roundsAsked, show } from "./harness.ts";
import { run, startProgram, uri } from "./nbd_peers.ts";

const RATES = [500, 2000, 8000];
const WARMUP_MS = 300;
const WINDOW_MS = 1500;
const BLOCK = "16KiB";

/** What was asked, and how long the answers took, in microseconds. */
interface Figures {
  readonly iops: number;
  readonly p50: number;
  readonly p99: number;
  readonly late: number;
}

async function byFio(path: string, rate: number): Promise<Figures> {
  const output = await run(
    "fio",
    ...["--name=load", "--ioengine=nbd", `--uri=${uri(path)}`, "--rw=randread", "--bs=16k", "--iodepth=64"],
    ...["--time_based", `--runtime=${WINDOW_MS}ms`, `--ramp_time=${WARMUP_MS}ms`, "--randrepeat=0"],
    ...[`--rate_iops=${rate}`, "--rate_process=poisson", "--percentile_list=50:99", "--output-format=json"],
  );
  const [{ read: { iops, clat_ns } }] = JSON.parse(output.slice(output.indexOf("{"))).jobs;
  const at = (percentile: string): number => clat_ns.percentile[percentile] / 1000;
  return { iops, p50: at("50.000000"), p99: at("99.000000"), late: NaN };
}

async function byOurs(path: string, rate: number): Promise<Figures> {
  const cell = await benchCell({
    "device": `{ use: nbd, with: { uri: "${uri(path)}" } }`,
    "placement": "monolithic",
    "policy": "{ use: interrupt }",
    "workload": `{ use: open-loop, with: { rate: ${rate}, queueDepth: 64, blockSize: ${BLOCK} } }`,
    "run.warmup": `${WARMUP_MS}ms`,
    "run.duration": `${WINDOW_MS}ms`,
  });
  const { iops, latencyNs, latenessNs }: Sample = await measure(cell);
  const us = (ns: number | undefined): number => (ns ?? NaN) / 1000;
  return { iops, p50: us(latencyNs?.p50), p99: us(latencyNs?.p99), late: us(latenessNs?.p50) };
}

const folder = await Deno.makeTempDir({ dir: "/dev/shm" });
try {
  const path = join(folder, "nbdkit.sock");
  await using _server = await startProgram(path, "nbdkit", "-f", "-U", path, "memory", "64M");
  const rounds: { rate: number; fio: Figures; ours: Figures }[][] = [];
  for (let round = 0; round < roundsAsked(5); round++) {
    const measured = [];
    for (const rate of RATES) measured.push({ rate, fio: await byFio(path, rate), ours: await byOurs(path, rate) });
    rounds.push(measured);
  }
  console.log(`random reads of ${BLOCK} as a Poisson process, to nbdkit; the median of ${rounds.length} rounds`);
  for (const [index, rate] of RATES.entries()) {
    const of = (who: "fio" | "ours", figure: keyof Figures): number => over(rounds, (each) => each[index][who][figure]);
    const ratio = (figure: keyof Figures): string => {
      return show(over(rounds, (each) => each[index].ours[figure] / each[index].fio[figure]));
    };
    console.log(
      `${rate}/s: fio ${show(of("fio", "iops"))}/s, p50 ${show(of("fio", "p50"))} us, p99 ${
        show(of("fio", "p99"))
      } us; ` +
        `ours ${show(of("ours", "iops"))}/s, p50 ${show(of("ours", "p50"))} us (${ratio("p50")}x), ` +
        `p99 ${show(of("ours", "p99"))} us (${ratio("p99")}x), of which p50 of the lateness ${
          show(of("ours", "late"))
        } us`,
    );
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
