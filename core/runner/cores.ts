/**
 * Which cores the domains of a machine and their neighbours get.
 *
 * @module
 */

import { type DomainPlan, isDriver, type MachinePlan } from "../domain/plan.ts";
import { DomainError } from "../errors.ts";
import type { NeighbourPlan } from "../neighbours.ts";
import type { NeighbourOptions } from "./neighbour_options.ts";
import type { Affinity } from "./scenario.ts";

/**
 * The plan with cores for each domain. Drivers get cores first and application threads share the others, of which one is
 * left for them: a thread that spins on a driver's core would take the time that it waits for.
 *
 * @param cpus the cores that this process may use; null where that cannot be known, and no thread be confined
 * @throws {DomainError} when cores are listed that are not to be had
 */
export function withCpus(plan: MachinePlan, affinity: Affinity, cpus: readonly number[] | null): MachinePlan {
  const confine = (cpusOf: (domain: DomainPlan) => readonly number[]): MachinePlan => {
    return { ...plan, domains: plan.domains.map((domain) => ({ ...domain, cpus: cpusOf(domain) })) };
  };
  if (typeof affinity === "object") {
    const { application, driver } = affinity;
    return confine((domain) => checkedCpus("affinity", isDriver(domain) ? driver : application, cpus));
  }
  if (affinity === "none" || cpus === null) return plan;
  if (affinity === "same") return confine(() => [cpus[0]]);
  const { drivers, threads } = sides(plan);
  const taken = Math.min(drivers.length, cpus.length - 1);
  const forDrivers = taken === 0 ? cpus : cpus.slice(1, 1 + taken);
  const forThreads = taken === 0 ? cpus : cpus.filter((cpu) => !forDrivers.includes(cpu));
  return confine((domain) => {
    const [alike, theirs] = isDriver(domain) ? [drivers, forDrivers] : [threads, forThreads];
    return [theirs[alike.indexOf(domain) % theirs.length]];
  });
}

/**
 * The neighbours of a machine: each is confined to one core, unless it is to be wherever the kernel puts it, or the domain
 * beside which it is to be is there itself.
 *
 * @param plan a plan whose domains have their cores
 * @throws {DomainError} when cores are listed that are not to be had
 */
export function planNeighbours(
  { count, cpus: wanted, duty }: NeighbourOptions,
  plan: MachinePlan,
  allowed: readonly number[] | null,
): NeighbourPlan[] {
  const cores = typeof wanted === "object" ? checkedCpus("neighbours.cpus", wanted, allowed) : coresOf(wanted, plan);
  return Array.from({ length: count }, (_, index) => {
    return { cpus: cores.length === 0 ? [] : [cores[index % cores.length]], duty };
  });
}

function coresOf(wanted: "spread" | "driver" | "application" | "none", plan: MachinePlan): number[] {
  if (wanted === "none") return [];
  const { drivers, threads } = sides(plan);
  // Where the driver has no domain of its own, it runs in the application's.
  const driving = drivers.length === 0 ? threads : drivers;
  const domains = { spread: [...drivers, ...threads], driver: driving, application: threads }[wanted];
  return [...new Set(domains.flatMap(({ cpus }) => cpus))];
}

function sides({ domains }: MachinePlan): { readonly drivers: DomainPlan[]; readonly threads: DomainPlan[] } {
  return {
    drivers: domains.filter(isDriver),
    threads: domains.filter((domain) => !isDriver(domain)),
  };
}

/** Cores that somebody lists must be had: what is measured on others would be something else. */
function checkedCpus(key: string, listed: readonly number[], allowed: readonly number[] | null): readonly number[] {
  if (allowed === null) {
    throw new DomainError(`${key} lists cores, which only the C library can give: allow --allow-ffi`);
  }
  const missing = listed.filter((cpu) => !allowed.includes(cpu));
  if (missing.length === 0) return listed;
  throw new DomainError(
    `${key} lists the cores ${missing.join(", ")}, on which this process may not run; allowed are ${
      allowed.join(", ")
    }`,
  );
}
