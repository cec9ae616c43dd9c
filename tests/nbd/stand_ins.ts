/**
 * Other people's NBD servers, on which the suite and the fuzzer are tried out: nbdkit and qemu-nbd.
 *
 * @module
 */

import { join } from "node:path";
import { until } from "./until.ts";
import type { NbdServerUnderTest, StartServer } from "./server.ts";

/** A stand-in's export. */
export interface StandInOptions {
  readonly sizeBytes: number;
  readonly sectorSize: number;
}

/** Why a program cannot be used, or null. */
export function missing(program: string): string | null {
  try {
    new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
    return null;
  } catch {
    return `there is no ${program} here`;
  }
}

/**
 * nbdkit with a disk in memory, which refuses requests that are not of whole sectors, or longer than 32 MiB.
 *
 * It has one thread for each connection: with more, nbdkit 1.32 aborts when a client leaves at the wrong moment.
 */
export function nbdkit({ sizeBytes, sectorSize }: StandInOptions): StartServer {
  const policy = ["blocksize-error-policy=error", `blocksize-minimum=${sectorSize}`, "blocksize-maximum=32M"];
  return async ({ readOnly }) => {
    const socketAt = (folder: string): string => join(folder, "nbd.sock");
    const argumentsIn = (folder: string): string[] => [
      ...[
        "--foreground",
        "--exit-with-parent",
        "--threads=1",
        "--unix",
        socketAt(folder),
        ...(readOnly ? ["--readonly"] : []),
      ],
      ...["--filter=exportname", "--filter=blocksize-policy", "memory", `size=${sizeBytes}`, ...policy],
      ...["exportname=disk", "exportname=", "exportname-strict=true"],
      ...["default-export=disk", "exportname-list=defaultonly"],
    ];
    const running = await start("nbdkit", argumentsIn, socketAt);
    return { ...running, exportName: "disk", sizeBytes, sectorSize, readOnly };
  };
}

/** qemu-nbd with an image on disk. It takes requests at any byte, whatever its sectors. */
export function qemuNbd({ sizeBytes }: Omit<StandInOptions, "sectorSize">): StartServer {
  return async ({ readOnly }) => {
    const socketAt = (folder: string): string => join(folder, "nbd.sock");
    const argumentsIn = (folder: string): string[] => {
      const image = join(folder, "image");
      Deno.writeFileSync(image, new Uint8Array());
      Deno.truncateSync(image, sizeBytes);
      const flags = [
        "--format=raw",
        "--persistent",
        "--shared=0",
        "--discard=unmap",
        ...(readOnly ? ["--read-only"] : []),
      ];
      return [...flags, "--socket", socketAt(folder), image];
    };
    const running = await start("qemu-nbd", argumentsIn, socketAt);
    return { ...running, exportName: "", sizeBytes, sectorSize: 1, readOnly };
  };
}

type Running = Pick<NbdServerUnderTest, "path" | "memoryBytes" | "openDescriptors" | "stop">;

async function start(
  program: string,
  argumentsIn: (folder: string) => string[],
  socketAt: (folder: string) => string,
): Promise<Running> {
  const folder = await Deno.makeTempDir({ prefix: "nbd-under-test-" });
  const path = socketAt(folder);
  const child = new Deno.Command(program, {
    args: argumentsIn(folder),
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async (): Promise<void> => {
    try {
      child.kill();
    } catch {
      // It has ended by itself: the tests that it owes something have failed.
    }
    await child.status;
    await Deno.remove(folder, { recursive: true });
  };
  try {
    await until(() => canConnect(path), `${program} to listen`);
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return {
    path,
    memoryBytes: () => residentBytes(child.pid),
    openDescriptors: () => openDescriptors(child.pid),
    stop,
  };
}

async function canConnect(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch {
    return false;
  }
}

/** How many descriptors a process has open. */
export function openDescriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** What a process has in memory. */
export function residentBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(status.match(/^VmRSS:\s+(\d+) kB$/m)?.[1] ?? NaN) * 1024;
}
