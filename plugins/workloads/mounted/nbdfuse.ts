/**
 * An export of an NBD server as a file, by libnbd's nbdfuse.
 *
 * @module
 */

import { WorkloadError } from "../../../core/errors.ts";
import { runProgram } from "./program.ts";

/** How long a server may take until it answers, and nbdfuse until there is the file. */
const START_MS = 30_000;
/** How long nbdfuse may take to end after its file is unmounted. */
const END_MS = 5000;
const LOOK_MS = 5;
/** How much of what nbdfuse says is kept for a message. */
const TOLD_CHARACTERS = 500;
/** Sector sizes that a loop device can have. */
const MIN_SECTOR = 512;
const MAX_SECTOR = 4096;

/** What a server says of an export. */
export interface ExportInfo {
  /** Its size. */
  readonly sizeBytes: number;
  /** The unit of its transfers: 512 to 4096 bytes. */
  readonly sectorSize: number;
  /** Whether writes are refused. */
  readonly readOnly: boolean;
}

/**
 * Asks a server of an export. It may have just begun to listen, so it is asked until it answers.
 *
 * @throws {WorkloadError} when it never does
 */
export async function exportInfo(uri: string, signal: AbortSignal): Promise<ExportInfo> {
  const until = performance.now() + START_MS;
  for (;;) {
    try {
      const { exports: [found] } = JSON.parse(await runProgram(["nbdinfo", "--json", "--no-content", uri], { signal }));
      return {
        sizeBytes: found["export-size"],
        sectorSize: Math.min(MAX_SECTOR, Math.max(MIN_SECTOR, found["block_size_minimum"] ?? MIN_SECTOR)),
        readOnly: found["is_read_only"],
      };
    } catch (thrown) {
      signal.throwIfAborted();
      if (performance.now() > until) throw thrown;
      await delay(LOOK_MS);
    }
  }
}

/** An export that is there as a file. */
export class NbdFuse {
  readonly #child: Deno.ChildProcess;
  readonly #said: Promise<void>;
  #errors = "";
  #status: Deno.CommandStatus | undefined;

  private constructor(readonly file: string, child: Deno.ChildProcess) {
    this.#child = child;
    this.#said = this.#listen();
    child.status.then((status) => this.#status = status);
  }

  /**
   * Presents an export as a file, which must exist and is covered.
   *
   * @param connections to the server; null: as many as nbdfuse takes
   * @throws {WorkloadError} when nbdfuse cannot do that
   */
  static async start(
    uri: string,
    file: string,
    { connections, readOnly, signal }: {
      readonly connections: number | null;
      readonly readOnly: boolean;
      readonly signal: AbortSignal;
    },
  ): Promise<NbdFuse> {
    const pidFile = `${file}.pid`;
    const args = [
      ...(connections === null ? [] : [`--connections=${connections}`]),
      ...(readOnly ? ["--readonly"] : []),
      ...["--pidfile", pidFile, file, uri],
    ];
    // A group of its own: Ctrl-C in a terminal is not for it.
    const child = new Deno.Command("nbdfuse", {
      ...{ args, detached: true, stdin: "null", stdout: "null", stderr: "piped" },
    }).spawn();
    const started = new NbdFuse(file, child);
    const until = performance.now() + START_MS;
    // It writes its number when the file is there.
    while (await Deno.stat(pidFile).then(() => false, () => true)) {
      signal.throwIfAborted();
      if (started.#status !== undefined) throw new WorkloadError(await started.lastWords());
      if (performance.now() > until) throw new WorkloadError(`nbdfuse did not begin within ${START_MS / 1000} s`);
      await delay(LOOK_MS);
    }
    return started;
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** What it has said of what went wrong; empty if nothing. */
  async lastWords(): Promise<string> {
    if (this.#status === undefined) return this.#errors.trim() === "" ? "" : `nbdfuse said: ${this.#told()}`;
    await this.#said;
    const { code, signal } = this.#status;
    const how = signal === null ? `ended with status ${code}` : `was killed by ${signal}`;
    return `nbdfuse ${how}${this.#errors.trim() === "" ? "" : `: ${this.#told()}`}`;
  }

  /** Takes the file away, which ends it. */
  async stop(signal: AbortSignal): Promise<void> {
    if (this.#status === undefined) await runProgram(["umount", this.file], { signal });
    const until = performance.now() + END_MS;
    while (this.#status === undefined) {
      if (performance.now() > until) throw new WorkloadError(`nbdfuse did not end within ${END_MS / 1000} s`);
      await delay(LOOK_MS);
    }
  }

  #told(): string {
    return this.#errors.trim().slice(-TOLD_CHARACTERS);
  }

  async #listen(): Promise<void> {
    for await (const chunk of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#errors = (this.#errors + chunk).slice(-2 * TOLD_CHARACTERS);
    }
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
