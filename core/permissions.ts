/**
 * What plugins need to touch, as Deno's permissions.
 *
 * @module
 */

import { messageOf, PluginError } from "./errors.ts";
import type { DevicePlugin, PermissionNeeds, Plugin, WorkloadPlugin } from "./plugin.ts";

/** A kind of permission that has a list of values. */
export type PermissionName = Exclude<keyof PermissionNeeds, "scratch" | "system">;

/** What Deno calls each kind's value in a descriptor. */
const VALUE_MEMBERS: Readonly<Record<PermissionName, string>> = {
  read: "path",
  write: "path",
  net: "host",
  env: "variable",
  run: "command",
  ffi: "path",
  sys: "kind",
};

/** All kinds. */
const PERMISSION_NAMES = Object.keys(VALUE_MEMBERS) as readonly PermissionName[];

/** One permission. */
export interface Permission {
  /** Its kind. */
  readonly name: PermissionName;
  /** What it is for: a path, a host, a variable. */
  readonly value: string;
  /** How to ask Deno for it. */
  readonly descriptor: Deno.PermissionDescriptor;
}

/** Everything that is needed, one by one. */
export function permissionsOf(needs: PermissionNeeds): Permission[] {
  return PERMISSION_NAMES.flatMap((name) =>
    (needs[name] ?? []).map((value) => ({
      name,
      value,
      descriptor: { name, [VALUE_MEMBERS[name]]: value } as unknown as Deno.PermissionDescriptor,
    }))
  );
}

/** The flags that grant permissions, one for each kind. A comma separates values; doubled, it is part of one. */
export function permissionFlags(permissions: readonly Pick<Permission, "name" | "value">[]): string[] {
  return PERMISSION_NAMES.flatMap((name) => {
    const values = new Set(permissions.filter((each) => each.name === name).map(({ value }) => value));
    const list = [...values].map((value) => value.replaceAll(",", ",,")).join(",");
    return list === "" ? [] : [`--allow-${name}=${list}`];
  });
}

/** Those of some permissions that this process lacks. */
export function missingPermissions<Each extends Permission>(permissions: readonly Each[]): Each[] {
  return permissions.filter(({ descriptor }) => Deno.permissions.querySync(descriptor).state !== "granted");
}

/**
 * Makes sure that what a plugin says it needs can be asked of Deno.
 *
 * @throws {PluginError} when it cannot
 */
export function checkPermissions(plugin: Plugin, options: unknown): void {
  const needs = plugin.permissions?.(options) ?? {};
  for (const name of PERMISSION_NAMES) {
    const values: unknown = needs[name] ?? [];
    // An empty value would become a flag that grants everything of its kind, or none that Deno understands.
    if (!Array.isArray(values) || values.some((value) => typeof value !== "string" || value === "")) {
      throw new PluginError(
        `The permissions of ${plugin.name} name under ${name} ${JSON.stringify(values)}; allowed is a list of texts`,
      );
    }
  }
  for (const { name, value, descriptor } of permissionsOf(needs)) {
    try {
      Deno.permissions.querySync(descriptor);
    } catch (cause) {
      throw new PluginError(
        `The permissions of ${plugin.name} name under ${name} ${JSON.stringify(value)}, which Deno refuses: ` +
          messageOf(cause),
        { cause },
      );
    }
  }
}

/**
 * What a device's driver may touch.
 *
 * @throws {PluginError} when that is more than the plugin's permissions have, which is what the person has granted
 */
export function driverNeeds(plugin: DevicePlugin, options: unknown): PermissionNeeds {
  return needsAmong("driverPermissions", plugin.driverPermissions?.(options), plugin, options);
}

/** As {@link driverNeeds}, what a workload's domain may touch. */
export function applicationNeeds(plugin: WorkloadPlugin, options: unknown): PermissionNeeds {
  return needsAmong("applicationPermissions", plugin.applicationPermissions?.(options), plugin, options);
}

function needsAmong(
  member: string,
  wanted: PermissionNeeds | undefined,
  plugin: Plugin,
  options: unknown,
): PermissionNeeds {
  const granted = plugin.permissions?.(options) ?? {};
  const needs = wanted ?? granted;
  const names = ({ scratch, ...others }: PermissionNeeds): string[] => {
    return [...permissionsOf(others).map(({ name, value }) => `${name} ${value}`), ...(scratch ? ["scratch"] : [])];
  };
  const more = names(needs).filter((each) => !names(granted).includes(each));
  if (more.length === 0) return needs;
  throw new PluginError(
    `The ${member} of ${plugin.name} name ${more.join(", ")}; allowed is what its permissions have`,
  );
}
