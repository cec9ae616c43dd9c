/**
 * An export as a block device by way of a file: libnbd's nbdfuse presents it as one, and Linux's loop device makes a
 * block device of that.
 *
 * nbdfuse has a mount namespace of its own. Were it in the one where the file system is mounted, and the last of it to be
 * killed, it would have to unmount that on its way out, and wait for answers from itself: the kernel lets go of a dying
 * process's namespaces before it takes its FUSE connection for ended. What nbdfuse presents reaches the attendant's
 * namespace by a mount that both share.
 *
 * @module
 */

import { WorkloadError } from "../../../core/errors.ts";
import type { Attachment, AttachOptions } from "./attachment.ts";
import { KeptProgram } from "./kept_program.ts";
import { attachLoopDevice, type LoopDevice } from "./loop_device.ts";
import { runProgram } from "./program.ts";
import { exists } from "./system_files.ts";

/** How long what still uses the device may take to let go of it. */
const RELEASE_MS = 10_000;
const LOOK_MS = 10;

/**
 * Attaches an export.
 *
 * @throws {WorkloadError} when nbdfuse cannot present it
 * @throws {DeviceError} when Linux cannot make a device of it
 */
export async function attachByFuse(
  { uri, folder, connections, readOnly, sectorSize, signal }: AttachOptions,
): Promise<Attachment> {
  const always = new AbortController().signal;
  const shared = `${folder}/shared`;
  const file = `${shared}/export`;
  const pidFile = `${folder}/nbdfuse.pid`;
  Deno.mkdirSync(shared);
  await runProgram(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "iddr", shared], { signal: always });
  await runProgram(["mount", "--make-shared", shared], { signal: always });
  Deno.writeTextFileSync(file, ""); // It is covered by what nbdfuse presents.
  const program = new KeptProgram([
    ...["unshare", "--mount", "--propagation", "unchanged", "nbdfuse"],
    ...(connections === null ? [] : [`--connections=${connections}`]),
    ...(readOnly ? ["--readonly"] : []),
    ...["--pidfile", pidFile, file, uri],
  ]);
  // It writes its number when the file is there.
  if (!(await program.begins(() => exists(pidFile), signal))) throw new WorkloadError(await program.lastWords());
  const device = attachLoopDevice({ file, sectorSize, readOnly });
  return {
    device: device.path,
    pid: program.pid,
    lastWords: () => program.lastWords(),
    async detach() {
      await release(device);
      if (!program.ended) await runProgram(["umount", file], { signal: always });
      await program.ends();
      await runProgram(["umount", shared], { signal: always });
    },
  };
}

/** Lets go of a loop device, and waits until it is detached: nbdfuse is needed until then. */
async function release(device: LoopDevice): Promise<void> {
  device.close();
  const until = performance.now() + RELEASE_MS;
  while (exists(`/sys/block/${device.path.slice("/dev/".length)}/loop/backing_file`)) {
    if (performance.now() > until) throw new WorkloadError(`Something goes on using ${device.path}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
