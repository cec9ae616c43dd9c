/**
 * From a cell to a machine: the short form of a scenario becomes domains, devices and links.
 *
 * @module
 */

import {
  clientOf,
  type ClientPlan,
  type DevicePlan,
  type DomainPlan,
  type LinkPlan,
  type MachinePlan,
  type PluginUse,
  type RecoveryPlan,
} from "../domain/plan.ts";
import { cLibraryNeed } from "../libc.ts";
import type { ChannelOptions } from "../link.ts";
import { mergeNeeds } from "../permission_needs.ts";
import { applicationNeeds, driverNeeds } from "../permissions.ts";
import type { DevicePlugin, FilterPlugin, PermissionNeeds, WorkloadNeeds, WorkloadPlugin } from "../plugin.ts";
import type { Cell } from "./cell.ts";
import { type ResolvedPlugin, stackOf } from "./plugins.ts";
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
  const responders = channel.completion === "thread" ? applications.map(({ domain }) => planResponder(domain)) : [];
  return {
    domains: [...applications.map(({ domain }) => domain), ...responders, ...drivers],
    devices: cell.devices.map((use, index): DevicePlan => ({
      name: deviceName(cell, index),
      domains: isolated ? [drivers[index % drivers.length].name] : usersOf(index),
      plugin: pluginUse(use),
      ...(use.filters.length === 0 ? {} : { filters: use.filters.map(pluginUse) }),
      events: stackOf(use).some(({ plugin }) => (plugin as DevicePlugin | FilterPlugin).events === true),
    })),
    links: !isolated ? [] : applications.map(({ domain, device }): LinkPlan => {
      return { frontend: domain.name, device: deviceName(cell, device), channel };
    }),
    seed: scenario.run.seed,
    hangTimeoutNs: scenario.recovery.hangTimeout,
    requestTimeoutNs: scenario.recovery.requestTimeout,
    ...(scenario.recovery.onFailure === "restart" ? { recovery: recoveryPlan(scenario) } : {}),
  };
}

function recoveryPlan({ recovery: { requests, maxRestarts, backoff, standby } }: Scenario): RecoveryPlan {
  return { requests, maxRestarts, backoffNs: backoff, standby };
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
      ...scenario.domains.application,
      needs: mergeNeeds([
        applicationNeeds(workload.plugin as WorkloadPlugin, workload.options),
        ...[policy.frontend, ...(scenario.placement === "monolithic" ? devices.flatMap(stackOf) : [])].map(pluginNeeds),
      ]),
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

/** The thread that takes the responses of a thread that submits. It waits as the frontend is to. */
function planResponder(application: DomainPlan): DomainPlan {
  const { name, kind, cpus, policy } = application;
  return {
    name: `${name}-responses`,
    kind,
    cpus,
    policy,
    responder: { application: name, client: clientOf(application) },
  };
}

/** One driver for all devices, or one for each. */
function planDrivers({ scenario, policy, devices }: Cell): DomainPlan[] {
  const count = scenario.drivers === "isolated" ? devices.length : 1;
  return Array.from({ length: count }, (_, index) => ({
    name: count === 1 ? "driver" : `driver-${index}`,
    ...scenario.domains.driver,
    needs: mergeNeeds([
      pluginNeeds(policy.backend),
      ...devices.filter((_, device) => device % count === index)
        .flatMap(({ plugin, options, filters }) => {
          return [driverNeeds(plugin as DevicePlugin, options), ...filters.map(pluginNeeds)];
        }),
    ]),
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

/** What a cell's plugins need to touch, and what it takes to start its processes. */
export function permissionNeeds(cell: Cell): Required<PermissionNeeds> {
  const { devices, workload, policy, scenario: { domains, placement } } = cell;
  const needs = mergeNeeds([...devices.flatMap(stackOf), workload, policy.frontend, policy.backend].map(pluginNeeds));
  const isolated = placement === "isolated" && domains.driver.kind === "process";
  if (domains.application.kind !== "process" && !isolated) return needs;
  return { ...needs, run: [...needs.run, Deno.execPath()], ffi: [...new Set([...needs.ffi, cLibraryNeed()])] };
}

function pluginNeeds({ plugin, options }: ResolvedPlugin): PermissionNeeds {
  return plugin.permissions?.(options) ?? {};
}

function channelOptions({ channel }: Scenario): ChannelOptions {
  const { submitSpin, ...options } = channel;
  return { ...options, submitSpinNs: submitSpin };
}

function pluginUse({ url, options }: ResolvedPlugin): PluginUse {
  return { url, options };
}
