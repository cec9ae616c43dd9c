/**
 * From a cell to a machine: the short form of a scenario becomes domains, devices and links.
 *
 * @module
 */

import type { DomainPlan, MachinePlan, PluginUse } from "../domain.ts";
import type { PermissionNeeds, WorkloadPlugin } from "../plugin.ts";
import type { Cell, ResolvedPlugin } from "./expand.ts";

/** Names that results use for the domains of the short form. */
export const APPLICATION = "application";
/** See {@link APPLICATION}. */
export const DRIVER = "driver";

/** The machine of a cell. The runner's machine process gives each domain its cores. */
export function planMachine(cell: Cell): MachinePlan {
  const { scenario, policy, device, workload } = cell;
  const isolated = scenario.placement === "isolated";
  const application: DomainPlan = {
    name: APPLICATION,
    kind: scenario.domains.application.kind,
    cpus: [],
    policy: pluginUse(policy.frontend),
    workload: {
      ...pluginUse(workload),
      queueDepth: (workload.plugin as WorkloadPlugin).queueDepth(workload.options),
    },
  };
  const driver: DomainPlan = {
    name: DRIVER,
    kind: scenario.domains.driver.kind,
    cpus: [],
    policy: pluginUse(policy.backend),
  };
  return {
    domains: isolated ? [application, driver] : [application],
    devices: [{ name: "disk", domain: isolated ? DRIVER : APPLICATION, plugin: pluginUse(device) }],
    links: isolated ? [{ frontend: APPLICATION, device: "disk", ringOrder: scenario.channel.ringOrder }] : [],
    seed: scenario.run.seed,
    hangTimeoutNs: scenario.recovery.hangTimeout,
  };
}

/** What a cell's plugins need to touch. */
export function permissionNeeds(cell: Cell): Required<PermissionNeeds> {
  const used = [cell.device, cell.workload, cell.policy.frontend, cell.policy.backend];
  const needs = used.map(({ plugin, options }) => plugin.permissions?.(options) ?? {});
  return {
    read: [...new Set(needs.flatMap(({ read }) => read ?? []))],
    write: [...new Set(needs.flatMap(({ write }) => write ?? []))],
    scratch: needs.some(({ scratch }) => scratch === true),
  };
}

function pluginUse({ url, options }: ResolvedPlugin): PluginUse {
  return { url, options };
}
