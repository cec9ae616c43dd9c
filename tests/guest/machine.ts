/**
 * The guest as a process: QEMU with software emulation (no KVM is needed), its disks, its console and its ports.
 *
 * @module
 */

import { join } from "node:path";
import { CONTROLLERS, type HostDisk } from "./disks.ts";
import { answerRequests } from "./host_requests.ts";
import { linesOf } from "./lines.ts";
import { Qmp } from "./qmp.ts";
import { pathOf } from "./tool.ts";

/** What a guest is started from. */
export interface MachineOptions {
  readonly kernel: string;
  readonly image: string;
  readonly disks: readonly HostDisk[];
  /** Where the sockets and the guest's results go. */
  readonly folder: string;
  /** After so long QEMU is killed. */
  readonly timeLimitMs: number;
  /** Kills QEMU when aborted. */
  readonly signal: AbortSignal;
  /** Gets each line of the guest's console. */
  readonly print: (line: string) => void;
  /** Gets what the host has to say. */
  readonly say: (line: string) => void;
}

/** How a guest ended. */
export interface MachineEnd {
  /** Whether it powered off by itself in time. */
  readonly poweredOff: boolean;
  /** What its end was, for the log. */
  readonly description: string;
  /** Path of the archive with its results (tar), empty if it wrote none. */
  readonly results: string;
}

/** Starts the guest and waits for its end. Leaves no process behind. */
export async function runMachine(options: MachineOptions): Promise<MachineEnd> {
  const { folder, disks, print, say } = options;
  const [qmpPath, requestsPath, results] = ["qmp", "requests", "results.tar"].map((name) => join(folder, name));
  const timeLimit = AbortSignal.timeout(options.timeLimitMs);
  const child = new Deno.Command(pathOf("qemu-system-x86_64"), {
    args: qemuArguments(options, { qmpPath, requestsPath, results }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const kill = (): void => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has just ended.
    }
  };
  const stop = AbortSignal.any([timeLimit, options.signal]);
  stop.addEventListener("abort", kill);
  if (stop.aborted) kill();
  const console = eachLine(child.stdout, print);
  const complaints = eachLine(child.stderr, (line) => say(`QEMU: ${line}`));
  let qmp: Qmp | null = null;
  try {
    qmp = await connect(qmpPath, child.status);
    const powerOff = qmp === null ? false : waitForPowerOff(qmp, options.timeLimitMs);
    const requests = qmp === null ? null : answerRequests(requestsPath, { qmp, disks, say });
    const { code } = await child.status;
    await Promise.all([console, complaints, requests]);
    const poweredOff = await powerOff;
    const description = options.signal.aborted
      ? "was interrupted"
      : timeLimit.aborted
      ? `did not end within ${options.timeLimitMs / 1000} s and was killed`
      : poweredOff
      ? "powered off"
      : `ended without powering off, with QEMU's status ${code}`;
    return { poweredOff, description, results };
  } finally {
    stop.removeEventListener("abort", kill);
    kill();
    await child.status;
    qmp?.close();
  }
}

/** Whether the guest powers off by itself: a panic is a reset, which ends QEMU too. */
function waitForPowerOff(qmp: Qmp, timeLimitMs: number): Promise<boolean> {
  return qmp.waitFor(
    ({ event, data }) => event === "SHUTDOWN" && data?.reason === "guest-shutdown",
    timeLimitMs,
    "power-off",
  ).then(() => true, () => false);
}

async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  hear: (line: string) => void,
): Promise<void> {
  for await (const line of linesOf(stream)) hear(line);
}

/** QEMU makes its socket a moment after its start; null if it ends before. */
async function connect(path: string, ended: Promise<unknown>): Promise<Qmp | null> {
  let isRunning = true;
  ended.then(() => isRunning = false);
  while (isRunning) {
    try {
      return await Qmp.connect(path);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  return null;
}

function qemuArguments(
  { kernel, image, disks }: MachineOptions,
  { qmpPath, requestsPath, results }: Record<"qmpPath" | "requestsPath" | "results", string>,
): string[] {
  const device = (properties: Record<string, unknown>): string[] => ["-device", JSON.stringify(properties)];
  return [
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    // Emulated in software, so that it is the same on machines with and without KVM. An old CPU is emulated twice as
    // fast as the newest: with memory protection keys, for one, V8 switches them and QEMU starts its TLB anew each time.
    ...["-machine", "pc,accel=tcg", "-cpu", "Nehalem", "-smp", "2", "-m", "3G"],
    ...["-kernel", kernel, "-initrd", image],
    // A panic ends the guest. Nobody attacks it, and what mitigates attacks on CPUs is slow to emulate; so is any clock
    // but the CPU's counter, which is reliable here as it is the host's.
    ...["-append", "console=ttyS0 loglevel=3 panic=-1 mitigations=off tsc=reliable clocksource=tsc"],
    ...["-serial", "stdio"],
    ...["-qmp", `unix:${qmpPath},server=on,wait=off`],
    ...device({ driver: "virtio-serial-pci" }),
    ...["-chardev", `socket,id=requests,path=${requestsPath},server=on,wait=off`],
    ...device({ driver: "virtserialport", chardev: "requests", name: "iddr.host" }),
    ...["-chardev", `file,id=results,path=${results}`],
    ...device({ driver: "virtserialport", chardev: "results", name: "iddr.results" }),
    ...CONTROLLERS.flatMap(device),
    ...disks.flatMap(({ node, devices }) => ["-blockdev", JSON.stringify(node), ...devices.flatMap(device)]),
  ];
}
