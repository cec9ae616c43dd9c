/**
 * What may stand between a domain and what it works with, to do it harm: a campaign of faults names a module in the
 * domain's plan. Without one there is nothing in between, and nothing of it is loaded.
 *
 * @module
 */

import type { BlockDevice } from "../block_device.ts";
import type { DomainSetup } from "./setup.ts";

/** Stands in the way of one domain. */
export interface Saboteur {
  /** Puts itself in front of a device. */
  device(device: BlockDevice): BlockDevice;
  /** Puts itself in front of all else that the domain works with, when everything is ready. */
  setup(setup: DomainSetup): DomainSetup;
}

/** What such a module has to export. */
export interface SaboteurModule {
  /** The saboteur of a domain; `page` is one frame, which the campaign has too, and which outlives the domain. */
  readonly sabotage: (page: SharedArrayBuffer) => Saboteur;
}

/** The saboteur of a domain; null where its plan names none. */
export async function loadSaboteur(url: string | undefined, page: SharedArrayBuffer | null): Promise<Saboteur | null> {
  if (url === undefined || page === null) return null;
  const { sabotage }: SaboteurModule = await import(url);
  return sabotage(page);
}
