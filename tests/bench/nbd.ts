/**
 * What an export costs beside nbdkit and qemu-nbd, in ratios. Run it with `deno task bench:nbd [rounds]`: fio is the client
 * of all, with 16 KiB random reads and writes at depths 1 and 32; then nbdcopy moves 1 GiB out and in, and a client that
 * is connected and asks for nothing shows what that costs. It needs nbdkit, qemu-nbd, nbdcopy, nbdinfo, python3-libnbd and fio.
 *
 * @module
 */

import { join } from "node:path";
import { over, roundsAsked, show } from "./harness.ts";
import { fio, type Peer, run, startOurs, startPeers, startProgram, uri } from "./nbd_peers.ts";

const ROUNDS = roundsAsked(5);
const RUNTIME_MS = 1000;
const SIZE = "256M";
const COPIED_SIZE = "1G";
const COPIED_BYTES = 2 ** 30;
const IDLE_MS = 5000;
const LOADS = [["randread", 1], ["randwrite", 1], ["randread", 32], ["randwrite", 32]] as const;

type Name = "nbdkit" | "twice" | "qemu" | "monolithic" | "isolated";
/** Operations a second of one round, by load and server. */
type Round = Record<string, Record<Name, number>>;

/** How often something must be as fast as something else. */
const GOALS: readonly (readonly [name: Name, than: Name, depth1: number, depth32: number, what: string])[] = [
  ["monolithic", "nbdkit", 1.3, 1, "monolithic / nbdkit memory"],
  ["monolithic", "qemu", 2, 2, "monolithic / qemu-nbd on tmpfs"],
  ["isolated", "twice", 2, 2, "isolated / nbdkit in front of nbdkit"],
  ["isolated", "nbdkit", 0.8, 0.8, "isolated / nbdkit memory"],
];

async function measureLoads(folder: string): Promise<Round[]> {
  await using started = await startPeers(folder, SIZE);
  const servers = Object.entries(started.peers) as [Name, Peer][];
  for (const [, { path }] of servers) await fio(path, "write", 32, RUNTIME_MS); // So that all memory is there.
  const rounds: Round[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const measured: Round = {};
    for (const [load, depth] of LOADS) {
      const iops: Partial<Record<Name, number>> = {};
      for (const [name, { path }] of servers) iops[name] = await fio(path, load, depth, RUNTIME_MS);
      measured[`${load} ${depth}`] = iops as Record<Name, number>;
    }
    rounds.push(measured);
    console.error(`round ${round} of ${ROUNDS}`);
  }
  return rounds;
}

function printLoads(rounds: readonly Round[]): void {
  const loads = LOADS.map(([load, depth]) => `${load} ${depth}`);
  console.log(`\noperations a second, medians of ${ROUNDS} rounds: ${loads.join(", ")}`);
  for (const name of ["nbdkit", "twice", "qemu", "monolithic", "isolated"] as const) {
    console.log(
      `  ${name.padEnd(12)} ${loads.map((load) => show(over(rounds, (each) => each[load][name]))).join("  ")}`,
    );
  }
  for (const [name, than, depth1, depth32, what] of GOALS) {
    const ratios = loads.map((load) => show(over(rounds, (each) => each[load][name] / each[load][than])));
    console.log(`${what}: ${ratios.join(", ")}   (wanted: ${depth1} at depth 1, ${depth32} at depth 32)`);
  }
}

/** Bytes a second by which nbdcopy moves all of an export, out and in. */
async function copy({ path }: Peer, source: string): Promise<{ readonly out: number; readonly into: number }> {
  const timed = async (...args: string[]): Promise<number> => {
    const startedAt = performance.now();
    await run("nbdcopy", ...args);
    return COPIED_BYTES / ((performance.now() - startedAt) / 1000);
  };
  return { out: await timed(uri(path), "null:"), into: await timed(source, uri(path)) };
}

async function measureCopies(folder: string): Promise<void> {
  const source = join(folder, "source");
  await run("sh", "-c", `head -c ${COPIED_BYTES} /dev/urandom > '${source}'`);
  const at = (name: string): string => join(folder, `${name}.sock`);
  const nbdkitPath = at("copied-nbdkit");
  await using nbdkit = await startProgram(nbdkitPath, "nbdkit", "-f", "-U", nbdkitPath, "memory", COPIED_SIZE);
  await using monolithic = await startOurs(at("copied-monolithic"), "1GiB", { placement: "monolithic" });
  await using isolated = await startOurs(at("copied-isolated"), "1GiB", {});
  const servers = { nbdkit, monolithic, isolated };
  const rounds: Record<keyof typeof servers, Awaited<ReturnType<typeof copy>>>[] = [];
  for (const server of Object.values(servers)) await run("nbdcopy", source, uri(server.path));
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({
      nbdkit: await copy(nbdkit, source),
      monolithic: await copy(monolithic, source),
      isolated: await copy(isolated, source),
    });
  }
  for (const way of ["out", "into"] as const) {
    const mb = (name: keyof typeof servers): string => show(over(rounds, (each) => each[name][way] / 1e6));
    const ratio = (name: keyof typeof servers): string => {
      return show(over(rounds, (each) => each[name][way] / each.nbdkit[way]));
    };
    console.log(
      `nbdcopy ${way}, MB/s: nbdkit ${mb("nbdkit")}, monolithic ${mb("monolithic")} (${ratio("monolithic")}x), ` +
        `isolated ${mb("isolated")} (${ratio("isolated")}x)   (wanted: 1)`,
    );
  }
}

/** Cores that an export takes while its client asks for nothing. */
async function measureIdleness(folder: string): Promise<void> {
  const path = join(folder, "idle.sock");
  const server = await startOurs(path, "64MiB", {});
  const lines = ["import nbd, time", "h = nbd.NBD()", `h.connect_uri("${uri(path)}")`, "h.pread(512, 0)"];
  // Debian's own: another python may not have libnbd's module.
  await run("/usr/bin/python3", "-c", [...lines, `time.sleep(${IDLE_MS / 1000})`].join("\n"));
  await server[Symbol.asyncDispose]();
  const { domains } = await server.results as NonNullable<Awaited<typeof server.results>>;
  const cores = Object.entries(domains).map(([name, { sample: { cpuNs, durationNs } }]) => {
    return `${name} ${(100 * (cpuNs ?? NaN) / durationNs).toFixed(2)} %`;
  });
  console.log(`idle for ${IDLE_MS / 1000} s with a client: ${cores.join(", ")} of a core   (wanted: at most 2 %)`);
}

const folder = await Deno.makeTempDir({ dir: "/dev/shm" });
try {
  printLoads(await measureLoads(folder));
  await measureIdleness(folder);
  await measureCopies(folder);
} finally {
  await Deno.remove(folder, { recursive: true });
}
