/**
 * What the conductor and its attendant say to each other: JSON lines both ways.
 *
 * @module
 */

import type { Attacher } from "./attachment.ts";
import type { CommandOutput } from "./program.ts";

/** The socket of the device's own export, in the folder of the run. */
export const SOCKET = "nbd.sock";

/** What the attendant is to do. */
export interface AttendantJob {
  /** The export to attach; null: the default one of the socket {@link SOCKET} in the folder. */
  readonly uri: string | null;
  /** A folder for this run alone. */
  readonly folder: string;
  /** How it is attached; null: by the kernel's client where there is one. */
  readonly attach: Attacher | null;
  /** The file system to make; null: the command gets the block device. */
  readonly fileSystem: "ext2" | "ext4" | null;
  /** More arguments of mkfs. */
  readonly mkfsOptions: readonly string[];
  /** Options of mount, separated by commas; empty for none. */
  readonly mountOptions: string;
  /** Connections to the server; null: as many as is usual. */
  readonly connections: number | null;
  /** What runs before the command. */
  readonly prepare: readonly (readonly string[])[];
  /** What is measured. */
  readonly command: readonly string[];
  /** What runs after the command. */
  readonly cleanup: readonly (readonly string[])[];
  /** Whether the file system is checked at the end. */
  readonly check: boolean;
}

/** What the attendant is told after its job: run the command; put everything back; or give up and put everything back. */
export type AttendantOrder = "run" | "end" | "abort";

/** What the attendant says. */
export type AttendantMessage =
  /** The export is attached and mounted, and what runs before the command has run. */
  | { readonly type: "prepared"; readonly attacher: Attacher }
  /** The command has succeeded. */
  | { readonly type: "ran"; readonly output: CommandOutput }
  /** Everything is put back. */
  | { readonly type: "ended" }
  /** It cannot go on, and has put back what it could. */
  | { readonly type: "failed"; readonly message: string };
