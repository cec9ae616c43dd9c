/**
 * iddr: block device drivers that run isolated from the applications they serve.
 *
 * What a plugin's author needs ({@link definePlugin} and the interfaces), what a program needs to run scenarios
 * ({@link ScenarioDocument}, {@link expandScenario}, {@link runScenario}, {@link builtins}), and the parts of the
 * machine.
 *
 * @example Define a policy
 * ```ts
 * import { API_VERSION, definePlugin, z } from "iddr";
 *
 * export default definePlugin({
 *   apiVersion: API_VERSION,
 *   kind: "policy",
 *   name: "busy-poll",
 *   description: "Spins for ever.",
 *   options: z.strictObject({}),
 *   create: () => ({
 *     plan(plan) {
 *       plan.spinNs = Infinity;
 *     },
 *   }),
 * });
 * ```
 *
 * @module
 */

export * from "./core/block_device.ts";
export * from "./core/block_queue.ts";
export { Operation, Status } from "./core/blkif.ts";
export * from "./core/errors.ts";
export * from "./core/notification.ts";
export * from "./core/plugin.ts";
export * from "./core/units.ts";
export * from "./core/workload.ts";
export { FRAME_SIZE, SECTOR_SIZE, SharedMemory } from "./core/memory.ts";
export {
  describePlugins,
  type JsonSchema,
  type OptionDescription,
  type PluginDescription,
} from "./core/runner/describe.ts";
export * from "./core/runner/diagnostics.ts";
export * from "./core/runner/expand.ts";
export * from "./core/runner/expectation.ts";
export { scenarioJsonSchema } from "./core/runner/json_schema.ts";
export * from "./core/runner/load.ts";
export * from "./core/runner/result.ts";
export * from "./core/runner/run.ts";
export type { Scenario, ScenarioPluginUse } from "./core/runner/scenario.ts";
export { builtins } from "./plugins/mod.ts";
