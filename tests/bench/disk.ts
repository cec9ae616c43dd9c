/**
 * What the disk engines cost beside C and fio, in ratios. Run it with `deno task bench:disk [rounds] [folder]`: it makes a
 * file in the folder, the system's own for temporary files when absent. It needs a C compiler and fio; as root, with
 * losetup, it also measures the device sata on a loop device.
 *
 * @module
 */

import fs from "node:fs";
import { join } from "node:path";
import { Operation } from "../../core/blkif.ts";
import { type BlockDevice, BlockRequest } from "../../core/block_device.ts";
import { SharedMemory } from "../../core/memory.ts";
import { openEngine } from "../../plugins/devices/disk_io/engine.ts";
import { LibcFile } from "../../plugins/devices/disk_io/libc_file.ts";
import { OpenFile } from "../../plugins/devices/loop_file/open_file.ts";
import { benchCell, over, rounds, roundsAsked, show } from "./harness.ts";

const ROUNDS = roundsAsked(12);
const FILE_BYTES = 256 * 2 ** 20;
const BLOCK_BYTES = 16384;
const READS = 100_000;

/** A compiled program, a file in the page cache and, where one can be had, a block device on it. */
interface Bench extends Disposable {
  readonly file: string;
  readonly pread: string;
  readonly disk: string | null;
}

function prepare(): Bench {
  using undo = new DisposableStack();
  const folder = Deno.makeTempDirSync({ dir: Deno.args[1] });
  undo.defer(() => Deno.removeSync(folder, { recursive: true }));
  const pread = join(folder, "pread");
  command("cc", "-O2", "-o", pread, new URL("./pread.c", import.meta.url).pathname);
  const file = join(folder, "disk.img");
  const block = new Uint8Array(2 ** 20);
  using made = Deno.openSync(file, { createNew: true, write: true });
  for (let at = 0; at < FILE_BYTES; at += block.length) {
    for (let i = 0; i < block.length; i += 65536) crypto.getRandomValues(block.subarray(i, i + 65536));
    for (let done = 0; done < block.length;) done += made.writeSync(block.subarray(done));
  }
  made.syncSync();
  let disk: string | null = null;
  // Past the page cache, so that the loop device has no kernel threads that copy beside two domains that spin.
  try {
    disk = command("losetup", "--find", "--show", "--direct-io=on", "--read-only", file).trim();
    undo.defer(() => command("losetup", "--detach", disk as string));
  } catch (thrown) {
    console.error(`no loop device, so sata is not measured: ${(thrown as Error).message}`);
  }
  const kept = undo.move();
  return { file, pread, disk, [Symbol.dispose]: () => kept.dispose() };
}

function command(name: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(name, { args }).outputSync();
  if (!success) throw new Error(`${name}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Nanoseconds for a read by the program in C. */
function byC({ pread, file }: Bench, seed: number): number {
  return Number(command(pread, file, String(BLOCK_BYTES), String(READS), String(seed)));
}

/** A device of the engine `sync` on the file, and a request to it. */
function openSync({ file }: Bench): { readonly device: BlockDevice; readonly request: BlockRequest } {
  const open = LibcFile.attach(new OpenFile(file, { readOnly: true, direct: false }));
  if (open === null) throw new Error("libc may not be called");
  const info = { sizeBytes: FILE_BYTES, sectorSize: 512, readOnly: true, canFlush: true, canDiscard: false };
  const device = openEngine("sync", { file: open, info, direct: false, operationTimeoutNs: 0 }, () => {});
  const request = new BlockRequest({ completed() {} }, 0, SharedMemory.allocate(BLOCK_BYTES / 4096), 1);
  request.operation = Operation.Read;
  request.byteLength = BLOCK_BYTES;
  request.addExtent(0, BLOCK_BYTES);
  return { device, request };
}

/** Nanoseconds for the same reads by the device: from a request to its end, in this thread. */
function byDevice({ device, request }: ReturnType<typeof openSync>, seed: number): number {
  let state = seed;
  const startedAt = performance.now();
  for (let i = 0; i < READS; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    request.offsetBytes = ((state >>> 0) % (FILE_BYTES / BLOCK_BYTES)) * BLOCK_BYTES;
    device.submit(request);
  }
  return (performance.now() - startedAt) * 1e6 / READS;
}

/** Random reads a second by fio's io_uring engine. */
function byFio({ file }: Bench, depth: number, direct: boolean): number {
  const output = command(
    "fio",
    ...["--name=bench", `--filename=${file}`, "--rw=randread", `--bs=${BLOCK_BYTES}`, "--ioengine=io_uring"],
    ...[`--iodepth=${depth}`, `--direct=${direct ? 1 : 0}`, "--readonly", "--invalidate=0", "--norandommap"],
    ...["--randrepeat=0", "--time_based", "--ramp_time=0.5", "--runtime=1", "--output-format=json"],
  );
  return JSON.parse(output.slice(output.indexOf("{"))).jobs[0].read.iops;
}

using bench = prepare();
const READ_ONLY = {
  "workload.with.mode": "rndrd",
  "workload.with.queueDepth": "32",
  "workload.with.fsyncFreq": "0",
  "workload.with.fsyncEnd": "false",
};
const onFile = (direct: boolean): Record<string, string> => ({
  ...READ_ONLY,
  device: `{ use: loop-file, with: { path: ${bench.file}, readOnly: true, engine: io-uring, direct: ${direct} } }`,
});
const onDisk = { ...READ_ONLY, device: `{ use: sata, with: { path: ${bench.disk} } }` };
const MONOLITHIC = { placement: "monolithic" };
const disk = bench.disk === null ? null : {
  sata: await benchCell(onDisk),
  sataMonolithic: await benchCell({ ...onDisk, ...MONOLITHIC }),
};
const cells = {
  cached: await benchCell(onFile(false)),
  cachedMonolithic: await benchCell({ ...onFile(false), ...MONOLITHIC }),
  direct: await benchCell(onFile(true)),
  directMonolithic: await benchCell({ ...onFile(true), ...MONOLITHIC }),
};
fs.readFileSync(bench.file); // Into the page cache.
const sync = openSync(bench);
byDevice(sync, 1); // Compiles it.

let seed = 1;
const all = await rounds(ROUNDS, { ...cells, ...disk } as typeof cells & NonNullable<typeof disk>, () => {
  seed++;
  return Promise.resolve({
    cNs: byC(bench, seed),
    deviceNs: byDevice(sync, seed),
    fioCached: byFio(bench, 32, false),
    fioDirect: byFio(bench, 32, true),
  });
});
sync.device.close?.();
type Round = typeof all[number];
const figure = (value: (round: Round) => number): string => show(over(all, value));

console.log(`medians of ${ROUNDS} rounds; ${navigator.hardwareConcurrency} cores; 16 KiB random reads of 256 MiB`);
console.log(
  `1. cached, QD 1: ${figure(({ deviceNs }) => deviceNs)} ns by the engine sync, ${figure(({ cNs }) => cNs)} ns by ` +
    `pread in C: ${figure(({ deviceNs, cNs }) => deviceNs / cNs)}× (at most 1.1)`,
);
console.log(
  `2. cached, QD 32, io_uring: ${figure(({ cachedMonolithic }) => cachedMonolithic.iops)} IOPS in one thread, ` +
    `${figure(({ cached }) => cached.iops)} isolated, ${figure(({ fioCached }) => fioCached)} by fio: ` +
    `${figure((round) => round.cachedMonolithic.iops / round.fioCached)}× and ` +
    `${figure((round) => round.cached.iops / round.fioCached)}× fio (at least 0.8)`,
);
console.log(
  `3. direct, QD 32, io_uring: ${figure(({ directMonolithic }) => directMonolithic.iops)} IOPS in one thread, ` +
    `${figure(({ direct }) => direct.iops)} isolated, ${figure(({ fioDirect }) => fioDirect)} by fio: ` +
    `${figure((round) => round.directMonolithic.iops / round.fioDirect)}× and ` +
    `${figure((round) => round.direct.iops / round.fioDirect)}× fio (at least 0.8)`,
);
console.log(
  `4. isolated against monolithic (at least 0.97): cached ` +
    `${figure((round) => round.cached.iops / round.cachedMonolithic.iops)}, direct ` +
    `${figure((round) => round.direct.iops / round.directMonolithic.iops)}` +
    (disk === null ? "" : `, sata on a loop device ${figure((round) => round.sata.iops / round.sataMonolithic.iops)}`),
);
