/**
 * The command line's entry. It first makes sure of the permissions that everything else needs, with nothing but Deno
 * itself, and only then loads the rest.
 *
 * @module
 */

import { ensurePermissions, permissionsOf } from "./permissions.ts";

if (import.meta.main) {
  if (!ensurePermissions(permissionsOf(Deno.args))) Deno.exit(2);
  const { main } = await import("./cli.ts");
  const { endUncaught } = await import("./uncaught.ts");
  const { builtins } = await import("../plugins/mod.ts");
  addEventListener("error", ({ error }) => endUncaught(error));
  addEventListener("unhandledrejection", ({ reason }) => endUncaught(reason));
  Deno.exit(await main(Deno.args, builtins).catch(endUncaught));
}
