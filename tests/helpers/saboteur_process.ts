/**
 * A driver of the saboteur in a process of its own: writes, reads and flushes as it is told, and says what became of each.
 * Its one argument is a {@link SaboteurJob} as JSON.
 *
 * @module
 */

import { Operation } from "../../core/blkif.ts";
import { attachMemoryFile } from "../../core/memory_file.ts";
import { mediumContext } from "./medium_context.ts";
import { OpenedDevice } from "./opened_device.ts";
import saboteur from "./plugins/saboteur.ts";

/** What the process is to do. */
export interface SaboteurJob {
  /** Options of the device. */
  readonly given: Readonly<Record<string, unknown>>;
  /** The medium's memory, and its length in bytes. */
  readonly descriptor: number;
  /** See {@link descriptor}. */
  readonly byteLength: number;
  /** The requests, each of 4 KiB at byte 0; a write's memory is all 7. */
  readonly requests: readonly ("Read" | "Write" | "Flush")[];
}

if (import.meta.main) {
  const { given, descriptor, byteLength, requests }: SaboteurJob = JSON.parse(Deno.args[0]);
  const medium = attachMemoryFile(descriptor, byteLength);
  const device = new OpenedDevice(saboteur.create(saboteur.options.parse(given), medium, mediumContext()));
  device.memory.bytes.fill(7);
  for (const name of requests) {
    const pieces = name === "Flush" ? [] : [[0, 4096]] as const;
    console.log(name, device.run(Operation[name], 0, ...pieces));
  }
}
