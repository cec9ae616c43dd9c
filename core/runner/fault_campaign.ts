/**
 * A campaign of faults: many of them, drawn from a seed, are done to the driver of a scenario while its workload checks
 * that nothing is lost or corrupted.
 *
 * @module
 */

import { cLibraryNeed } from "../libc.ts";
import { DomainError, messageOf } from "../errors.ts";
import type { FaultJob } from "../faults/conductor.ts";
import type { FaultRecord } from "../faults/injector.ts";
import { type DomainPlan, isDriver, type MachinePlan } from "../domain/plan.ts";
import type { Consent } from "../plugin.ts";
import type { Cell, ExpandedScenario } from "./cell.ts";
import { missingConsent } from "./consent.ts";
import { ScenarioError } from "./diagnostics.ts";
import { FaultTally } from "./fault_tally.ts";
import type { FaultReport } from "./fault_report.ts";
import { runFaultedMachine } from "./machine_process.ts";
import { neighbourOptions } from "./neighbour_options.ts";
import { permissionNeeds, planMachine } from "./plan.ts";

/** How a campaign goes. */
export interface FaultCampaignOptions extends Partial<Consent> {
  /** How many faults, from 1 up. */
  readonly faults: number;
  /** What they follow from: 1 … 2³¹−1. The same seed gives the same faults on the same scenario. */
  readonly seed: number;
  /** The first machine: to go through one again that went wrong. From 0, where a campaign begins. */
  readonly firstMachine?: number;
  /** A folder in which media may be made, which are removed after it. The system's own by default. */
  readonly scratchParent?: string;
  /** Ends it in order when aborted: what came of the faults until then is reported. */
  readonly finish?: AbortSignal;
  /** Told what came of each fault. */
  readonly onFault?: (record: FaultRecord, machine: number) => void;
}

/** Faults of one machine: so many that what leaks is seen, so few that one can be gone through again. */
const FAULTS_PER_MACHINE = 50;
/** Restarts that a fault may cost at most. */
const RESTARTS_PER_FAULT = 8;
/** How much a driver may grow, where its plan says nothing. */
const DRIVER_MEMORY_BYTES = 256 * 2 ** 20;
/** How long a fault may take at most, beside hangs. */
const LONGEST_FAULT_NS = 60e9;
/** Between the seeds of two machines: 2³² divided by the golden ratio. */
const SEED_STEP = 0x9e3779b1;
const NS_PER_MS = 1e6;

/**
 * Runs a campaign on a scenario of one cell (`oneCell` of `expandScenario`).
 *
 * @throws {ScenarioError} when it would destroy what `allowDestructive` does not name, or run a program that
 * `allowCommands` does not; nothing was run then
 * @throws {RangeError} when the scenario is none on which faults can be told from what they must not do
 */
export async function runFaultCampaign(
  expanded: ExpandedScenario,
  options: FaultCampaignOptions,
): Promise<FaultReport> {
  const { faults, seed, firstMachine = 0, finish, onFault } = options;
  const { cells: [cell, ...others] } = expanded;
  const mistake = others.length > 0 ? `it makes ${others.length + 1} cells; allowed is one` : campaignMistake(cell);
  if (mistake !== null) throw new RangeError(`Cannot try faults on ${expanded.file}: ${mistake}`);
  const refused = missingConsent(expanded, options);
  if (refused.length > 0) throw new ScenarioError(refused);
  const startedAt = new Date().toISOString();
  const tally = new FaultTally();
  for (let machine = firstMachine; tally.injected < faults && finish?.aborted !== true; machine++) {
    const before = tally.injected;
    const job = jobOf(
      cell,
      (seed + Math.imul(machine, SEED_STEP)) >>> 0,
      Math.min(FAULTS_PER_MACHINE, faults - before),
    );
    try {
      tally.addMachine(
        machine,
        await runMachine(cell, job, options, (record) => {
          tally.add(machine, record);
          onFault?.(record, machine);
        }),
      );
    } catch (thrown) {
      tally.complain(machine, messageOf(thrown));
    }
    // Without this, a machine that cannot even begin would be tried for ever.
    if (tally.injected === before) break;
  }
  return {
    ...tally.report(),
    scenario: expanded.scenario.name,
    seed,
    faults,
    startedAt,
    interrupted: finish?.aborted ?? false,
  };
}

/** Why faults cannot be tried on a cell; null if they can. */
export function campaignMistake({ scenario, workload, devices }: Cell): string | null {
  const { placement, domains: { driver }, recovery: { onFailure, requests }, channel } = scenario;
  if (placement !== "isolated") return "placement must be isolated";
  if (devices.length > 1) return `it has ${devices.length} devices; allowed is one`;
  if (scenario.clients !== 1) return "it has several clients; allowed is one";
  if (driver.kind !== "process") return "domains.driver.kind must be process: a worker cannot be killed";
  if (onFailure !== "restart") return "recovery.onFailure must be restart";
  if (requests !== "reissue" && requests !== "requeue") return "recovery.requests must be reissue or requeue";
  if (workload.plugin.name !== "verify") return "the workload must be verify, which notices what is lost or corrupted";
  if ((workload.options as { errors?: string }).errors !== "tolerate") {
    return "workload.with.errors must be tolerate, as faults make operations fail";
  }
  if (channel.merge) return "channel.merge must be false: of operations that share a request, all would fail with it";
  return null;
}

function jobOf(cell: Cell, seed: number, count: number): FaultJob {
  const { domains, hangTimeoutNs } = planMachine(cell);
  const { recovery } = cell.scenario;
  const named = (is: (domain: DomainPlan) => boolean): string[] => domains.filter(is).map(({ name }) => name);
  return {
    ...{ seed, count, driver: named(isDriver)[0], applications: named(({ workload }) => workload !== undefined) },
    hangTimeoutMs: hangTimeoutNs / NS_PER_MS,
    restartsFailOperations: recovery.requests !== "reissue",
    machine: { standby: recovery.standby },
  };
}

/** The cell's machine with a saboteur in its driver. */
function sabotaged(cell: Cell, { seed, count, driver }: FaultJob): MachinePlan {
  const plan = planMachine(cell);
  if (plan.recovery === undefined) throw new DomainError("The machine has no recovery");
  const saboteur = import.meta.resolve("../faults/saboteur.ts");
  return {
    ...plan,
    seed: 1 + seed % (2 ** 31 - 1),
    domains: plan.domains.map((domain) => {
      return domain.name === driver ? { memoryBytes: DRIVER_MEMORY_BYTES, ...domain, saboteur } : domain;
    }),
    recovery: { ...plan.recovery, maxRestarts: RESTARTS_PER_FAULT * count },
  };
}

async function runMachine(
  cell: Cell,
  faults: FaultJob,
  options: FaultCampaignOptions,
  onFault: (record: FaultRecord) => void,
): ReturnType<typeof runFaultedMachine> {
  const { scratchParent, finish, allowDestructive = [], force = false, allowCommands = [] } = options;
  const needs = permissionNeeds(cell);
  const plan = sabotaged(cell, faults);
  const { scenario, scenario: { affinity } } = cell;
  const neighbours = neighbourOptions(scenario);
  return await runFaultedMachine({ plan, window: null, affinity, neighbours, faults }, {
    needs: { ...needs, ffi: [...new Set([...needs.ffi, cLibraryNeed()])] },
    ...{ scratchParent, finish, onFault },
    v8Flags: ["--expose-gc"],
    consent: { allowDestructive, force, allowCommands },
    conductNs: faults.count * (LONGEST_FAULT_NS + 3 * plan.hangTimeoutNs),
  });
}
