/**
 * Exports of ramdisks, ours and those of others, and the clients that load them.
 *
 * @module
 */

import { join } from "node:path";
import { runMachineProcess } from "../../core/runner/machine_process.ts";
import type { MachineResults } from "../../core/runner/machine_protocol.ts";
import { permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import { benchCell } from "./harness.ts";

/** How long a server may take until it answers. */
const START_MS = 20_000;
const LOOK_MS = 20;

/** A server that runs. */
export interface Peer extends AsyncDisposable {
  /** Its socket. */
  readonly path: string;
  /** Its processes, for their CPU time. */
  readonly results?: Promise<MachineResults>;
}

/** Starts a program that serves NBD on a Unix socket, and waits until it does. */
export async function startProgram(path: string, name: string, ...args: string[]): Promise<Peer> {
  const child = new Deno.Command(name, { args, stdin: "null", stdout: "null", stderr: "inherit" }).spawn();
  await answers(path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

/** Starts our server: the bench's cell with what differs from it. */
export async function startOurs(
  path: string,
  size: string,
  overrides: Readonly<Record<string, string>>,
): Promise<Peer> {
  const cell = await benchCell({
    "device.with.size": size,
    "workload": `{ use: nbd-export, with: { listen: "unix:${path}" } }`,
    "policy": "{ use: adaptive-spin }",
    ...overrides,
  });
  const finish = new AbortController();
  const results = runMachineProcess(
    { plan: planMachine(cell), window: null, affinity: cell.scenario.affinity },
    { needs: permissionNeeds(cell), finish: finish.signal },
  );
  await Promise.race([answers(path), results]);
  return {
    path,
    results,
    async [Symbol.asyncDispose]() {
      finish.abort();
      await results;
    },
  };
}

async function answers(path: string): Promise<void> {
  for (const deadline = performance.now() + START_MS; performance.now() < deadline;) {
    const info = await new Deno.Command("nbdinfo", { args: ["--size", uri(path)], stdout: "null", stderr: "null" })
      .output();
    if (info.success) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new Error(`nothing serves ${path}`);
}

/** How clients name a socket. */
export function uri(path: string): string {
  return `nbd+unix:///?socket=${path}`;
}

/** Runs fio on an export. Operations a second. */
export async function fio(path: string, load: string, depth: number, runtimeMs: number): Promise<number> {
  const output = await run(
    "fio",
    ...["--name=load", "--ioengine=nbd", `--uri=${uri(path)}`, `--rw=${load}`, "--bs=16k", `--iodepth=${depth}`],
    ...["--time_based", `--runtime=${runtimeMs}ms`, "--ramp_time=300ms", "--randrepeat=0", "--output-format=json"],
  );
  const [{ read, write }] = JSON.parse(output.slice(output.indexOf("{"))).jobs;
  return read.iops + write.iops;
}

/** Runs a program and returns what it printed. */
export async function run(name: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(name, { args }).output();
  if (!success) throw new Error(`${name} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Starts all that the bench compares, in a folder. */
export async function startPeers(folder: string, size: string) {
  await using undo = new AsyncDisposableStack();
  const socket = (name: string): string => join(folder, `${name}.sock`);
  const nbdkit = undo.use(await startProgram(socket("nbdkit"), "nbdkit", "-f", "-U", socket("nbdkit"), "memory", size));
  const behind = undo.use(await startProgram(socket("behind"), "nbdkit", "-f", "-U", socket("behind"), "memory", size));
  const twice = undo.use(
    await startProgram(socket("twice"), "nbdkit", "-f", "-U", socket("twice"), "nbd", `socket=${behind.path}`),
  );
  const image = join(folder, "image");
  await run("truncate", "-s", size, image);
  const qemu = undo.use(
    await startProgram(socket("qemu"), "qemu-nbd", ...["-f", "raw", "-t", "-e", "16", "-k", socket("qemu"), image]),
  );
  const monolithic = undo.use(await startOurs(socket("monolithic"), `${size}iB`, { placement: "monolithic" }));
  const isolated = undo.use(await startOurs(socket("isolated"), `${size}iB`, {}));
  const kept = undo.move();
  return { peers: { nbdkit, twice, qemu, monolithic, isolated }, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
