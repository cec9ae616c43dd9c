/**
 * From a cell to a machine: the short form of a scenario becomes domains, devices and links.
 *
 * @module
 */

import type { DomainPlan, MachinePlan, PluginUse } from "../domain/plan.ts";
import type { ChannelOptions } from "../link.ts";
import type { DevicePlugin, PermissionNeeds, WorkloadNeeds, WorkloadPlugin } from "../plugin.ts";
import type { Cell } from "./cell.ts";
import type { ResolvedPlugin } from "./plugins.ts";
import type { Scenario } from "./scenario.ts";

const DEVICE = "disk";

/** The machine of a cell. The machine process gives each domain its cores. */
export function planMachine(cell: Cell): MachinePlan {
  const { scenario, policy, device, workload } = cell;
  const { queueDepth, transferBytes, threads = 1 } = workloadNeeds(cell);
  const isolated = scenario.placement === "isolated";
  const applications = Array.from({ length: threads }, (_, thread): DomainPlan => ({
    name: threads === 1 ? "application" : `application-${thread}`,
    kind: scenario.domains.application.kind,
    cpus: [],
    policy: pluginUse(policy.frontend),
    workload: { ...pluginUse(workload), slots: { count: queueDepth, bytes: transferBytes }, thread, threads },
  }));
  const driver: DomainPlan = {
    name: "driver",
    kind: scenario.domains.driver.kind,
    cpus: [],
    policy: pluginUse(policy.backend),
  };
  const names = applications.map(({ name }) => name);
  const channel = channelOptions(scenario);
  return {
    domains: isolated ? [...applications, driver] : applications,
    devices: [{
      name: DEVICE,
      domains: isolated ? [driver.name] : names,
      plugin: pluginUse(device),
      events: (device.plugin as DevicePlugin).events ?? false,
    }],
    links: isolated ? names.map((frontend) => ({ frontend, device: DEVICE, channel })) : [],
    seed: scenario.run.seed,
    hangTimeoutNs: scenario.recovery.hangTimeout,
  };
}

/** What a cell's workload needs of its queues. */
export function workloadNeeds({ workload }: Pick<Cell, "workload">): WorkloadNeeds {
  return (workload.plugin as WorkloadPlugin).needs(workload.options);
}

/** What a cell's plugins need to touch. */
export function permissionNeeds(cell: Cell): Required<PermissionNeeds> {
  const used = [cell.device, cell.workload, cell.policy.frontend, cell.policy.backend];
  const needs = used.map(({ plugin, options }) => plugin.permissions?.(options) ?? {});
  const all = (kind: Exclude<keyof PermissionNeeds, "scratch" | "system">): string[] => {
    return [...new Set(needs.flatMap((each) => each[kind] ?? []))];
  };
  return {
    read: all("read"),
    write: all("write"),
    net: all("net"),
    env: all("env"),
    run: all("run"),
    ffi: all("ffi"),
    sys: all("sys"),
    scratch: needs.some(({ scratch }) => scratch === true),
    system: {
      sockets: needs.flatMap(({ system }) => system?.sockets ?? []),
      ioUring: needs.some(({ system }) => system?.ioUring === true),
      capabilities: needs.flatMap(({ system }) => system?.capabilities ?? []),
    },
  };
}

function channelOptions({ channel }: Scenario): ChannelOptions {
  const { submitSpin, ...options } = channel;
  return { ...options, submitSpinNs: submitSpin };
}

function pluginUse({ url, options }: ResolvedPlugin): PluginUse {
  return { url, options };
}
