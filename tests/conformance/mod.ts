/**
 * What every plugin is held to: one suite for each kind, to be run over one's own plugins in `deno test`.
 *
 * @module
 */

export * from "./device.ts";
export * from "./filter.ts";
export * from "./policy.ts";
export * from "./wait_simulator.ts";
export * from "./workload.ts";
export * from "./peer/mod.ts";
