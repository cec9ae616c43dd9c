/**
 * An export as a block device, whoever attaches it.
 *
 * @module
 */

import type { ExportInfo } from "./export_info.ts";

/** What attaches exports. */
export const ATTACHERS = ["nbdfuse", "nbd-client"] as const;
/** One of {@link ATTACHERS}. */
export type Attacher = typeof ATTACHERS[number];

/** A block device. It is gone with this process, or with the program that it needs. */
export interface Attachment {
  /** The device, such as `/dev/loop0`. */
  readonly device: string;
  /** The process of the program that it needs. */
  readonly pid: number;
  /** What that program has said of what went wrong; empty if nothing. */
  lastWords(): Promise<string>;
  /**
   * Takes the device away.
   *
   * @throws {WorkloadError} when something goes on using it
   */
  detach(): Promise<void>;
}

/** What is attached. */
export interface AttachOptions extends ExportInfo {
  /** The export. */
  readonly uri: string;
  /** A folder for this run alone. */
  readonly folder: string;
  /** Connections to the server; null: as many as is usual. */
  readonly connections: number | null;
  /** Ends it early. */
  readonly signal: AbortSignal;
}
