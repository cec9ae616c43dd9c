/**
 * The devices of a cell, each with its filters: which plugins they are, and whether those fit together.
 *
 * @module
 */

import type { DevicePlugin, FilterPlugin, PluginKind, WorkloadPlugin } from "../plugin.ts";
import type { Path } from "./load.ts";
import { filterLabel, type ResolvedDevice, type ResolvedPlugin, stackOf } from "./plugins.ts";
import { deviceUses, type Scenario, type ScenarioDeviceUse, type ScenarioPluginUse } from "./scenario.ts";

/** Finds the plugin of a use that stands at a path; undefined after a mistake, which was told. */
export type Resolve = (
  kind: PluginKind,
  use: ScenarioPluginUse | undefined,
  ...path: Path
) => Promise<ResolvedPlugin | undefined>;

/** All devices, or nothing if one of them, or one of its filters, is wrong. */
export async function resolveDevices(
  device: Scenario["device"],
  resolve: Resolve,
): Promise<readonly ResolvedDevice[] | undefined> {
  const resolved: (ResolvedDevice | undefined)[] = [];
  for (const [index, use] of deviceUses({ device }).entries()) {
    resolved.push(await resolveDevice(use, devicePath(device, index), resolve));
  }
  return resolved.every((each) => each !== undefined) ? resolved : undefined;
}

async function resolveDevice(
  use: ScenarioDeviceUse,
  path: Path,
  resolve: Resolve,
): Promise<ResolvedDevice | undefined> {
  const device = await resolve("device", use, ...path);
  const filters: (ResolvedPlugin | undefined)[] = [];
  for (const [layer, filter] of (use.filters ?? []).entries()) {
    filters.push(await resolve("filter", filter, ...path, "filters", layer));
  }
  if (device === undefined || !filters.every((each) => each !== undefined)) return undefined;
  const label = filters.length === 0 ? device.label : `${filterLabel(filters)} > ${device.label}`;
  return { ...device, filters, label };
}

/** Where a device stands in the scenario: one that is in no list is written without its index. */
export function devicePath(device: Scenario["device"], index: number): Path {
  return Array.isArray(device) ? ["device", index] : ["device"];
}

/** What a plugin says that it counts. */
export function countersOf(use: ResolvedPlugin | undefined): readonly string[] {
  return Object.keys((use?.plugin as WorkloadPlugin | DevicePlugin | FilterPlugin | undefined)?.counters ?? {});
}

/** What two different plugins of a device and its filters count by the same name, each with the later one's path. */
export function sharedCounters(
  devices: readonly ResolvedDevice[],
  device: Scenario["device"],
): { readonly path: Path; readonly name: string; readonly other: string }[] {
  return devices.flatMap((each, index) => {
    const stack = stackOf(each);
    return stack.flatMap((one, layer) =>
      // A filter that stands there twice counts for both.
      stack.slice(layer + 1).filter(({ url }) => url !== one.url).flatMap((other) =>
        countersOf(one).filter((name) => countersOf(other).includes(name))
          .map((name) => ({ path: [...devicePath(device, index), "filters", layer], name, other: other.plugin.name }))
      )
    );
  });
}
