/**
 * What can be wrong with the clients and the devices of a cell, taken together.
 *
 * @module
 */

import { MAX_PORTS } from "../event_channel.ts";
import type { WorkloadPlugin } from "../plugin.ts";
import type { Cell } from "./cell.ts";
import type { Choice, Mistakes } from "./mistakes.ts";
import { mostLinks } from "./plan.ts";
import { clientOptions } from "./scenario.ts";

/**
 * Adds what is wrong.
 *
 * @param one whether there must be one device with one client
 */
export function checkClients(cell: Cell, choices: readonly Choice[], one: boolean, mistakes: Mistakes): void {
  const { scenario, devices, workload } = cell;
  const { count, limits } = clientOptions(scenario);
  const place = count > 1 ? ["clients"] : ["device"];
  const applications = `${devices.length * count} applications`;
  if (limits !== null && scenario.placement === "monolithic") {
    mistakes.add(
      ["clients"],
      choices,
      "has a rateLimit, which a driver of its own must enforce: placement must be isolated",
    );
  }
  if (devices.length * count > 1 && (workload.plugin as WorkloadPlugin).conduct !== undefined) {
    const reason = `${workload.plugin.name} leads the whole machine, so it can be the only one`;
    mistakes.add(place, choices, `makes ${applications}; ${reason}: use one device and one client`);
  } else if (devices.length * count > 1 && one) {
    mistakes.add(place, choices, `makes ${applications}; allowed is one here: use one device and one client`);
  }
  const links = mostLinks(cell);
  if (links > MAX_PORTS) {
    mistakes.add(place, choices, `makes ${links} rings for one driver; at most ${MAX_PORTS} are allowed`);
  }
}
