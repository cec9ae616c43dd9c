/**
 * iddr: block device drivers that run isolated from the applications they serve.
 *
 * What a plugin's author needs ({@link definePlugin} and the interfaces), what a program needs to run scenarios
 * or serve their devices ({@link ScenarioDocument}, {@link expandScenario}, {@link runScenario}, {@link serveScenario},
 * {@link builtins}), and the parts of the machine.
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

// What the author of a plugin reads.
export { z } from "./core/schema.ts";
export * from "./core/units.ts";
export * from "./core/plugin.ts";
export * from "./core/notification.ts";
export * from "./core/block_device.ts";
export * from "./core/promise_device.ts";
export * from "./core/filter.ts";
export * from "./core/block_queue.ts";
export * from "./core/workload.ts";
export { ENTRY_BYTES, entryWord, Operation, Status } from "./core/blkif.ts";
export * from "./core/errors.ts";

// The parts of the machine, each of use without the others.
export * from "./core/memory.ts";
export * from "./core/ring.ts";
export * from "./core/event_channel.ts";
export * from "./core/waiter.ts";
export * from "./core/grant_table.ts";
export * from "./core/xenbus.ts";
export * from "./core/hypervisor.ts";
export * from "./core/domain/plan.ts";
export type { DomainReport, DomainSample } from "./core/domain/report.ts";
export type { ChannelOptions, Completion, SlotOptions, Suppression, Transfer } from "./core/link.ts";
export { DEFAULT_CHANNEL } from "./core/link.ts";
export { DeviceGate, type DeviceView } from "./core/device_gate.ts";
export type { PartitionPlan } from "./core/partition.ts";
export type { RateLimits } from "./core/rate_limit.ts";

// What a program needs to run scenarios.
export {
  describePlugins,
  type JsonSchema,
  type OptionDescription,
  type PluginDescription,
} from "./core/runner/describe.ts";
export { type Demand, missingConsent } from "./core/runner/consent.ts";
export * from "./core/runner/diagnostics.ts";
export * from "./core/runner/cell.ts";
export * from "./core/runner/expand.ts";
export * from "./core/runner/expectation.ts";
export { scenarioJsonSchema } from "./core/runner/json_schema.ts";
export * from "./core/runner/load.ts";
export * from "./core/runner/plan.ts";
export * from "./core/runner/compare.ts";
export {
  CompareError,
  type Matched,
  matchRuns,
  matchWithin,
  type NamedResults,
  type Side,
} from "./core/runner/compare_cells.ts";
export * from "./core/runner/read_result.ts";
export { renderReport, type Report } from "./core/runner/report/report.ts";
export * from "./core/runner/result.ts";
export * from "./core/runner/run.ts";
export type { RunningMachine } from "./core/runner/machine_process.ts";
export * from "./core/runner/serve.ts";
export type { Scenario, ScenarioPluginUse } from "./core/runner/scenario.ts";
export * from "./core/runner/advise/advice.ts";
export { advise, type Advised, type AdviseOptions, type AdviseProgress } from "./core/runner/advise/advise.ts";
export { prepareAdvice, type Prepared, type PreparedLoad, type Question } from "./core/runner/advise/prepare.ts";
export * from "./core/runner/regret.ts";
export * from "./core/runner/fault_campaign.ts";
export * from "./core/runner/fault_report.ts";
export type { FaultRecord } from "./core/faults/injector.ts";
export { builtins, Trace, TraceError, type TraceHeader, type TraceRecord } from "./plugins/mod.ts";
