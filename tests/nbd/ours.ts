/**
 * Our own server, as the command `serve` starts it.
 *
 * @module
 */

import { join } from "node:path";
import { serve } from "../e2e/nbd/served.ts";
import type { StartServer } from "./server.ts";
import { residentBytes, type StandInOptions } from "./stand_ins.ts";

/** How the device is driven, beside its size. */
export interface OurOptions extends Omit<StandInOptions, "sectorSize"> {
  /** Parts of the scenario. */
  readonly parts: Readonly<Record<string, unknown>>;
}

/** Serves a ramdisk. */
export function ours({ sizeBytes, parts }: OurOptions): StartServer {
  return async ({ readOnly }) => {
    const folder = await Deno.makeTempDir({ prefix: "iddr-nbd-" });
    const device = { use: "ramdisk", with: { size: `${sizeBytes}B` } };
    const args = ["--name", "disk", ...(readOnly ? ["--read-only"] : [])];
    try {
      const served = await serve(folder, { parts: { device, ...parts }, args });
      const machine = childOf(served.pid);
      return {
        path: join(folder, "nbd.sock"),
        ...{ exportName: "disk", sizeBytes, sectorSize: 512, readOnly },
        memoryBytes: () => residentBytes(machine),
        openDescriptors: () => openSockets(machine),
        async stop() {
          const { code, stderr } = await served.end();
          await Deno.remove(folder, { recursive: true });
          if (code !== 0) throw new Error(`serve ended with status ${code}: ${stderr}`);
        },
      };
    } catch (thrown) {
      await Deno.remove(folder, { recursive: true });
      throw thrown;
    }
  };
}

/** The one process that another has started. */
function childOf(pid: number): number {
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const [child] = Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`).split(" ");
    if (child !== "") return Number(child);
  }
  throw new Error(`process ${pid} has no child`);
}

/** How many sockets a process has open: its other descriptors come and go as it pleases. */
function openSockets(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].filter(({ name }) => isSocket(`/proc/${pid}/fd/${name}`)).length;
}

function isSocket(link: string): boolean {
  try {
    return Deno.readLinkSync(link).startsWith("socket:");
  } catch {
    return false; // It was closed meanwhile.
  }
}
