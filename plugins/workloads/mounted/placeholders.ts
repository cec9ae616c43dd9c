/**
 * What stands in a command for something that is known only when it runs.
 *
 * @module
 */

import { WorkloadError } from "../../../core/errors.ts";

/** What a placeholder stands for. */
export interface Places {
  /** `{uri}`: the export. */
  readonly uri: string;
  /** `{device}`: the block device. */
  readonly device: string;
  /** `{mount}`: the folder where it is mounted. */
  readonly mount: string;
}

const PLACEHOLDER = /\{(uri|socket|device|mount)\}/g;

/** Whether a command names a place. */
export function mentions(argv: readonly string[], place: "uri" | "socket" | "device" | "mount"): boolean {
  return argv.some((argument) => argument.includes(`{${place}}`));
}

/**
 * A command with what its placeholders stand for.
 *
 * @throws {WorkloadError} when it names the socket of an export that has none
 */
export function fillPlaceholders(argv: readonly string[], places: Places): string[] {
  return argv.map((argument) =>
    argument.replaceAll(PLACEHOLDER, (_, place: keyof Places | "socket") => {
      return place === "socket" ? socketOf(places.uri) : places[place];
    })
  );
}

/** The Unix socket of an export: the URI's parameter `socket`. */
function socketOf(uri: string): string {
  const socket = new URL(uri).searchParams.get("socket");
  if (socket === null) throw new WorkloadError(`{socket} stands for a Unix socket; the export ${uri} has none`);
  return socket;
}
