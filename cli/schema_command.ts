/**
 * `schema`: the JSON Schema of scenarios.
 *
 * @module
 */

import type { PluginTable } from "../core/plugin.ts";
import { scenarioJsonSchema } from "../core/runner/json_schema.ts";
import { ExitStatus } from "./exit_status.ts";

/** Runs the command. */
export async function schemaCommand(plugins: PluginTable): Promise<number> {
  console.log(JSON.stringify(await scenarioJsonSchema(plugins), null, 2));
  return ExitStatus.Ok;
}
