/**
 * From a cell to a machine: the short form of a scenario becomes domains, devices and links.
 *
 * @module
 */

import type { ClientPlan, DevicePlan, DomainPlan, LinkPlan, MachinePlan, PluginUse } from "../domain/plan.ts";
import type { ChannelOptions } from "../link.ts";
import { mergeNeeds } from "../permission_needs.ts";
import type { DevicePlugin, PermissionNeeds, WorkloadNeeds, WorkloadPlugin } from "../plugin.ts";
import type { Cell } from "./cell.ts";
import type { ResolvedPlugin } from "./plugins.ts";
import { clientOptions, type Scenario } from "./scenario.ts";

/**
 * The machine of a cell: each device has clients of its own, and each of these one domain or more. The machine process
 * gives each domain its cores.
 */
export function planMachine(cell: Cell): MachinePlan {
  const { scenario } = cell;
  const isolated = scenario.placement === "isolated";
  const applications = planApplications(cell);
  const drivers = isolated ? planDrivers(cell) : [];
  const channel = channelOptions(scenario);
  const usersOf = (device: number): string[] => {
    return applications.filter((each) => each.device === device).map(({ domain }) => domain.name);
  };
  return {
    domains: [...applications.map(({ domain }) => domain), ...drivers],
    devices: cell.devices.map((use, index): DevicePlan => ({
      name: deviceName(cell, index),
      domains: isolated ? [drivers[index % drivers.length].name] : usersOf(index),
      plugin: pluginUse(use),
      events: (use.plugin as DevicePlugin).events ?? false,
    })),
    links: !isolated ? [] : applications.map(({ domain, device }): LinkPlan => {
      return { frontend: domain.name, device: deviceName(cell, device), channel };
    }),
    seed: scenario.run.seed,
    hangTimeoutNs: scenario.recovery.hangTimeout,
  };
}

/** An application's domain, and which device it uses. */
interface Application {
  readonly domain: DomainPlan;
  readonly device: number;
}

function planApplications(cell: Cell): Application[] {
  const { count } = clientOptions(cell.scenario);
  return cell.devices.flatMap((_, device) => {
    return Array.from({ length: count }, (_, client) => planClient(cell, device, client)).flat();
  });
}

/** The domains of one client, one for each thread. */
function planClient(cell: Cell, device: number, clientOfDevice: number): Application[] {
  const { scenario, policy, workload, devices } = cell;
  const { count, share, limits } = clientOptions(scenario);
  const { queueDepth, transferBytes, threads = 1 } = workloadNeeds(cell);
  const index = device * count + clientOfDevice;
  const several = devices.length * count > 1;
  const name = several ? `client-${index}` : "application";
  const client: ClientPlan = {
    index,
    ...(share === "range" && count > 1 ? { partition: { index: clientOfDevice, count } } : {}),
    ...(limits === null ? {} : { limits }),
  };
  return Array.from({ length: threads }, (_, thread) => ({
    domain: {
      name: threads === 1 ? name : `${name}-${thread}`,
      kind: scenario.domains.application.kind,
      cpus: [],
      policy: pluginUse(policy.frontend),
      workload: {
        ...pluginUse(workload),
        slots: { count: queueDepth, bytes: transferBytes },
        thread,
        threads,
        ...(several || limits !== null ? { client } : {}),
      },
    },
    device,
  }));
}

/** One driver for all devices, or one for each. */
function planDrivers({ scenario, policy, devices }: Cell): DomainPlan[] {
  const count = scenario.drivers === "isolated" ? devices.length : 1;
  return Array.from({ length: count }, (_, index) => ({
    name: count === 1 ? "driver" : `driver-${index}`,
    kind: scenario.domains.driver.kind,
    cpus: [],
    policy: pluginUse(policy.backend),
  }));
}

function deviceName({ devices }: Cell, index: number): string {
  return devices.length === 1 ? "disk" : `disk-${index}`;
}

/** What a cell's workload needs of its queues. */
export function workloadNeeds({ workload }: Pick<Cell, "workload">): WorkloadNeeds {
  return (workload.plugin as WorkloadPlugin).needs(workload.options);
}

/** Links of the driver that has the most of them. */
export function mostLinks(cell: Pick<Cell, "scenario" | "devices" | "workload">): number {
  const { placement, drivers } = cell.scenario;
  if (placement === "monolithic") return 0;
  const ofDevice = clientOptions(cell.scenario).count * (workloadNeeds(cell).threads ?? 1);
  return drivers === "consolidated" ? ofDevice * cell.devices.length : ofDevice;
}

/** What a cell's plugins need to touch. */
export function permissionNeeds(cell: Cell): Required<PermissionNeeds> {
  const used = [...cell.devices, cell.workload, cell.policy.frontend, cell.policy.backend];
  return mergeNeeds(used.map(({ plugin, options }) => plugin.permissions?.(options) ?? {}));
}

function channelOptions({ channel }: Scenario): ChannelOptions {
  const { submitSpin, ...options } = channel;
  return { ...options, submitSpinNs: submitSpin };
}

function pluginUse({ url, options }: ResolvedPlugin): PluginUse {
  return { url, options };
}
