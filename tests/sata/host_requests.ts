/**
 * What tests in the guest ask of the host: lines on a port of the guest (`guest/bench.ts`), answered by `ok …` or
 * `error …`.
 *
 * @module
 */

import type { HostStats } from "./guest/bench.ts";
import type { HostDisk } from "./disks.ts";
import { linesOf } from "./lines.ts";
import type { Qmp } from "./qmp.ts";

/** The guest's kernel takes a second or so to let go of a device; this is for a machine that is busy. */
const UNPLUG_TIMEOUT_MS = 30_000;

/** Answers requests until the socket ends. `say` gets a line for the log. */
export async function answerRequests(
  path: string,
  { qmp, disks, say }: { qmp: Qmp; disks: readonly HostDisk[]; say: (line: string) => void },
): Promise<void> {
  using connection = await Deno.connect({ transport: "unix", path });
  const [requests, answers] = [connection.readable, connection.writable.getWriter()];
  try {
    for await (const line of linesOf(requests)) {
      const answer = await answerTo(line, qmp, disks)
        .then((text) => `ok ${text}`, (thrown) => `error ${(thrown as Error).message.replaceAll("\n", " ")}`);
      say(`the guest asked the host: ${line}: ${answer}`);
      await answers.write(new TextEncoder().encode(`${answer}\n`));
    }
  } catch {
    // QEMU has ended.
  }
}

async function answerTo(line: string, qmp: Qmp, disks: readonly HostDisk[]): Promise<string> {
  const [verb, serial] = line.split(" ");
  const disk = disks.find((known) => known.serial === serial);
  if (disk === undefined) throw new Error(`no disk ${serial}`);
  switch (verb) {
    case "unplug":
      return await unplug(disk, qmp);
    case "plug":
      for (const device of disk.devices) await qmp.execute("device_add", device);
      return "";
    case "stats":
      return JSON.stringify(await statsOf(disk, qmp));
    default:
      throw new Error(`unknown request ${verb}: one of unplug, plug, stats`);
  }
}

/** Takes away the first of its devices: what hangs on it goes with it. */
async function unplug(disk: HostDisk, qmp: Qmp): Promise<string> {
  const { id } = disk.devices[0];
  const gone = qmp.waitFor(
    ({ event, data }) => event === "DEVICE_DELETED" && data?.device === id,
    UNPLUG_TIMEOUT_MS,
    `unplug ${disk.serial}`,
  );
  const [outcome] = await Promise.all([gone, qmp.execute("device_del", { id })]);
  return outcome ?? "";
}

interface BlockStats {
  readonly qdev?: string;
  readonly stats: Readonly<Record<string, number>>;
}

async function statsOf(disk: HostDisk, qmp: Qmp): Promise<HostStats> {
  const all = await qmp.execute("query-blockstats") as readonly BlockStats[];
  const stats = all.find(({ qdev }) => qdev?.split("/").includes(disk.serial))?.stats;
  if (stats === undefined) throw new Error(`QEMU counts nothing of ${disk.serial}: is it plugged in?`);
  return {
    readOperations: stats.rd_operations,
    readBytes: stats.rd_bytes,
    writeOperations: stats.wr_operations,
    writeBytes: stats.wr_bytes,
    flushOperations: stats.flush_operations,
    unmapOperations: stats.unmap_operations,
    unmapBytes: stats.unmap_bytes,
    allocatedBytes: (Deno.statSync(disk.image).blocks ?? 0) * 512,
  };
}
