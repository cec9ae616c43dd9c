/**
 * An export as a block device by Linux's own NBD client, where the kernel has that.
 *
 * The program nbd-client connects and hands its sockets over to the kernel. It then stays in a system call (which its
 * option -nonetlink is for), so that the device goes with the program, however that ends.
 *
 * @module
 */

import { WorkloadError } from "../../../core/errors.ts";
import type { Attachment, AttachOptions } from "./attachment.ts";
import { KeptProgram } from "./kept_program.ts";
import { runProgram } from "./program.ts";
import { exists, textOf } from "./system_files.ts";

const SECTOR = 512;
const DEFAULT_PORT = "10809";

/** Whether the kernel has a client: as a module, it must be loaded. */
export function hasKernelClient(): boolean {
  return exists("/sys/block/nbd0");
}

/**
 * Attaches an export to the first device that is free.
 *
 * @throws {WorkloadError} when that is impossible
 */
export async function attachByClient(options: AttachOptions): Promise<Attachment> {
  const { signal, sizeBytes } = options;
  for (let number = 0; exists(`/sys/block/nbd${number}`); number++) {
    const name = `nbd${number}`;
    const device = `/dev/${name}`;
    if (isUsed(name)) continue;
    const program = new KeptProgram(["nbd-client", ...argumentsFor(device, options)]);
    const hasBegun = (): boolean => isUsed(name) && Number(textOf(`/sys/block/${name}/size`)) * SECTOR === sizeBytes;
    if (await program.begins(hasBegun, signal)) {
      return {
        device,
        pid: program.pid,
        lastWords: () => program.lastWords(),
        async detach() {
          if (!program.ended) await runProgram(["nbd-client", "-d", device], { signal: new AbortController().signal });
          await program.ends();
        },
      };
    }
    // Somebody else may have been faster.
    if (!isUsed(name)) throw new WorkloadError(await program.lastWords());
  }
  throw new WorkloadError("Linux has no free NBD device: all of /dev/nbd* are in use");
}

function isUsed(name: string): boolean {
  return exists(`/sys/block/${name}/pid`);
}

function argumentsFor(device: string, { uri, connections, sectorSize, readOnly }: AttachOptions): string[] {
  const { protocol, hostname, port, pathname, searchParams } = new URL(uri);
  const name = decodeURIComponent(pathname.replace(/^\/+/, ""));
  const socket = searchParams.get("socket");
  const place = protocol === "nbd+unix:" && socket !== null
    ? ["-unix", socket]
    : protocol === "nbd:"
    ? [hostname, port || DEFAULT_PORT]
    : null;
  if (place === null) {
    throw new WorkloadError(
      `nbd-client cannot attach ${uri}; allowed are nbd://HOST:PORT/NAME and nbd+unix:///NAME?socket=PATH`,
    );
  }
  return [
    ...[...place, device, "-name", name, "-block-size", String(sectorSize), "-nofork", "-nonetlink"],
    ...(connections === null ? [] : ["-connections", String(connections)]),
    ...(readOnly ? ["-readonly"] : []),
  ];
}
