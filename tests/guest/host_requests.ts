/**
 * What tests in the guest ask of the host: lines on a port of the guest (`inside/bench.ts`), answered by `ok …` or
 * `error …`.
 *
 * @module
 */

import type { HostStats } from "./inside/bench.ts";
import type { AtaPlugs, HostDisk } from "./disks.ts";
import { linesOf } from "./lines.ts";
import type { Qmp } from "./qmp.ts";

/** The guest's kernel takes a second or so to let go of a device; this is for a machine that is busy. */
const UNPLUG_TIMEOUT_MS = 30_000;

/** Answers requests until the socket ends. `say` gets a line for the log. */
export async function answerRequests(
  path: string,
  { qmp, disks, say }: { qmp: Qmp; disks: readonly HostDisk[]; say: (line: string) => void },
): Promise<void> {
  const plugs = new Plugs(qmp);
  using connection = await Deno.connect({ transport: "unix", path });
  const [requests, answers] = [connection.readable, connection.writable.getWriter()];
  try {
    for await (const line of linesOf(requests)) {
      const answer = await answerTo(line, qmp, plugs, disks)
        .then((text) => `ok ${text}`, (thrown) => `error ${(thrown as Error).message.replaceAll("\n", " ")}`);
      // Counters are read in loops.
      if (!line.startsWith("stats ")) say(`the guest asked the host: ${line}: ${answer}`);
      await answers.write(new TextEncoder().encode(`${answer}\n`));
    }
  } catch {
    // QEMU has ended.
  }
}

/** The disks as they are plugged at present. */
class Plugs {
  /** By serial number, how often an ATA disk has been pulled out: so many of its controllers are gone. */
  readonly #gone = new Map<string, number>();
  readonly #qmp: Qmp;

  constructor(qmp: Qmp) {
    this.#qmp = qmp;
  }

  /** QEMU's id of a disk. */
  idOf({ serial, plug }: HostDisk): string {
    return plug?.kind === "ata" ? this.#controller(serial, plug).disk : serial;
  }

  async unplug({ serial, plug }: HostDisk): Promise<void> {
    if (plug === null) throw new Error(`${serial} cannot be unplugged`);
    const id = plug.kind === "scsi" ? plug.device.id : this.#controller(serial, plug).id;
    const gone = this.#qmp.waitFor(
      ({ event, data }) => event === "DEVICE_DELETED" && data?.device === id,
      UNPLUG_TIMEOUT_MS,
      `device_del ${id}`,
    );
    await Promise.all([gone, this.#qmp.execute("device_del", { id })]);
    if (plug.kind === "ata") this.#gone.set(serial, (this.#gone.get(serial) ?? 0) + 1);
  }

  /** Returns what the guest must do to see the disk. */
  async plug({ serial, plug }: HostDisk): Promise<string> {
    if (plug === null) throw new Error(`${serial} is always plugged in`);
    if (plug.kind === "ata") return `rescan ${this.#controller(serial, plug).bus}`;
    await this.#qmp.execute("device_add", plug.device);
    return "";
  }

  #controller(serial: string, { controllers }: AtaPlugs): AtaPlugs["controllers"][number] {
    const gone = this.#gone.get(serial) ?? 0;
    if (gone === controllers.length) throw new Error(`${serial} can be unplugged ${gone} times only`);
    return controllers[gone];
  }
}

async function answerTo(line: string, qmp: Qmp, plugs: Plugs, disks: readonly HostDisk[]): Promise<string> {
  const [verb, serial] = line.split(" ");
  const disk = disks.find((known) => known.serial === serial);
  if (disk === undefined) throw new Error(`no disk ${serial}`);
  switch (verb) {
    case "unplug":
      await plugs.unplug(disk);
      return "";
    case "plug":
      return await plugs.plug(disk);
    case "stats":
      return JSON.stringify(await statsOf(disk, plugs.idOf(disk), qmp));
    default:
      throw new Error(`unknown request ${verb}: one of unplug, plug, stats`);
  }
}

interface BlockStats {
  readonly qdev?: string;
  readonly stats: Readonly<Record<string, number>>;
}

async function statsOf(disk: HostDisk, id: string, qmp: Qmp): Promise<HostStats> {
  const all = await qmp.execute("query-blockstats") as readonly BlockStats[];
  const stats = all.find(({ qdev }) => qdev?.split("/").includes(id))?.stats;
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
