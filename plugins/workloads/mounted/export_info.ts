/**
 * What a server says of an export.
 *
 * @module
 */

import { runProgram } from "./program.ts";

/** How long a server may take until it answers. */
const START_MS = 30_000;
const LOOK_MS = 5;
/** Sector sizes that Linux's block devices have. */
const MIN_SECTOR = 512;
const MAX_SECTOR = 4096;

/** An export. */
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
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}
