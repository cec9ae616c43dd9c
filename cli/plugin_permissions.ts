/**
 * What the plugins of scenarios need, each with whose need it is.
 *
 * @module
 */

import type { Cell } from "../core/runner/cell.ts";
import { stackOf } from "../core/runner/plugins.ts";
import { permissionFlags, permissionsOf } from "../core/permissions.ts";
import type { PermissionNeed } from "./permissions.ts";

/** What is done with each kind of permission. */
const VERBS = {
  read: "read",
  write: "write",
  net: "reach",
  env: "see the variable",
  run: "start",
  ffi: "load the library",
  sys: "ask for",
} as const;

/** What the plugins of some cells need. */
export function pluginPermissions(cells: readonly Cell[]): PermissionNeed[] {
  return cells.flatMap(({ devices, workload, policy }) =>
    [...devices.flatMap(stackOf), workload, policy.frontend, policy.backend].flatMap(({ plugin, options }) =>
      permissionsOf(plugin.permissions?.(options) ?? {}).map((permission) => ({
        descriptor: permission.descriptor,
        flag: permissionFlags([permission])[0],
        reason: `let the ${plugin.kind} ${plugin.name} ${VERBS[permission.name]} ${permission.value}`,
      }))
    )
  );
}
