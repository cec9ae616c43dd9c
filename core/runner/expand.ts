/**
 * From a document to cells: applies the matrix, checks every cell against the schema and its plugins' schemas, and
 * gives it labels and an id.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { ENTRY_BYTES } from "../blkif.ts";
import type { PluginTable } from "../plugin.ts";
import { ringEntryCount } from "../ring.ts";
import { type Demand, demandsOf, type PluginDemand } from "./consent.ts";
import type { ScenarioDocument } from "./load.ts";
import { ExpectationError, parseExpectation } from "./expectation.ts";
import { casesOf, checkNames } from "./expectation_cases.ts";
import type { CheckedExpectation } from "./expectation_result.ts";
import type { Cell, ExpandedScenario } from "./cell.ts";
import { countersOf, devicePath, type Resolve, resolveDevices, sharedCounters } from "./devices.ts";
import { applyChoices, checkMatrixKeys, combine, firstChoices, matrixKeys, tooManyCells } from "./matrix.ts";
import { type Choice, Mistakes } from "./mistakes.ts";
import { workloadNeeds } from "./plan.ts";
import { neighbourLabel, neighbourOptions } from "./neighbour_options.ts";
import { filterLabel, type PluginSources, type ResolvedPlugin, resolvePlugin, stackOf } from "./plugins.ts";
import { clientLabel, clientOptions, parseParts, parseScenario, type Scenario } from "./scenario.ts";
import { checkClients } from "./client_mistakes.ts";
import { checkCompletion } from "./completion_mistakes.ts";

/** Labels that every cell has. */
const COMMON_LABELS = ["policy", "device", "workload", "placement"];

type Json = Record<string, unknown>;

/** What a scenario may use. */
export interface ExpandOptions {
  /**
   * The modules beyond the table of plugins that may be imported, none when absent: each as the scenario says it
   * (`./mine.ts`, `npm:package@1`), or a path from the working directory, or a file URL, that leads to it.
   */
  readonly allowPlugins?: readonly string[];
  /** Refuse a scenario of several cells, with what chooses one of them, and one of several devices or clients. */
  readonly oneCell?: boolean;
}

/**
 * Checks a document and expands it.
 *
 * @param plugins what it may name; these are trusted
 * @throws {ScenarioError} with every mistake that was found
 */
export async function expandScenario(
  document: ScenarioDocument,
  plugins: PluginTable,
  { allowPlugins = [], oneCell = false }: ExpandOptions = {},
): Promise<ExpandedScenario> {
  const sources: PluginSources = { builtins: plugins, file: document.file, allowed: allowPlugins };
  const raw = document.toJS();
  const mistakes = new Mistakes(document);
  const keys = checkMatrixKeys(matrixKeys(raw), mistakes);
  const firsts = firstChoices(raw, keys);
  const base = parseScenario(applyChoices(raw, firsts));
  const combinations = base.success ? combine(base.data.matrix, keys, mistakes) : [firsts];
  if (oneCell && combinations.length > 1) mistakes.add(["matrix"], [], tooManyCells(combinations));
  const cells: Cell[] = [];
  const demands = new Map<string, Demand>();
  for (const choices of combinations) {
    const written = applyChoices(raw, choices);
    const parsed = parseScenario(written);
    if (parsed.success) {
      const cell = await resolveCell(parsed.data, choices, sources, mistakes);
      if (cell === undefined) continue;
      cells.push(cell);
      checkClients(cell, choices, oneCell, mistakes);
      checkCompletion(cell, choices, mistakes);
      for (const { consent, name, place, message } of demandsOfCell(cell)) {
        const diagnostic = mistakes.diagnose(place, choices, message);
        demands.set(JSON.stringify(diagnostic), { consent, name, diagnostic });
      }
    } else {
      for (const issue of parsed.error.issues) mistakes.addIssue(issue, choices);
      await resolveParts(parseParts(written), choices, sources, mistakes);
    }
  }
  const expectations = checkExpectations(raw.expect, cells, keys, mistakes);
  if (mistakes.any) throw mistakes.error();
  return {
    file: document.file,
    scenario: cells[0].scenario,
    cells,
    expectations,
    demands: [...demands.values()],
  };
}

/** The plugins of a scenario, as far as they are right. */
type ResolvedParts = Partial<Pick<Cell, "devices" | "workload"> & Cell["policy"]>;

/** Resolves the plugins of those parts of a scenario that are there, and checks whether they fit together. */
async function resolveParts(
  parts: Partial<Scenario>,
  choices: readonly Choice[],
  sources: PluginSources,
  mistakes: Mistakes,
): Promise<ResolvedParts> {
  const resolve: Resolve = async (kind, use, ...path) => {
    return use === undefined ? undefined : await resolvePlugin(kind, use, sources, {
      add: (within, message) => mistakes.add([...path, ...within], choices, message),
      addIssue: (issue, within, allowed) => mistakes.addIssue(issue, choices, [...path, ...within], allowed),
    });
  };
  const { policy, channel } = parts;
  const both = policy !== undefined && "use" in policy;
  const devices = parts.device === undefined ? undefined : await resolveDevices(parts.device, resolve);
  const workload = await resolve("workload", parts.workload, "workload");
  const frontend = await resolve("policy", both ? policy : policy?.frontend, "policy", ...(both ? [] : ["frontend"]));
  const backend = await resolve("policy", both ? policy : policy?.backend, "policy", ...(both ? [] : ["backend"]));
  const below = devices?.flatMap(stackOf).flatMap(countersOf);
  for (const name of new Set(below?.filter((name) => countersOf(workload).includes(name)))) {
    mistakes.add(["workload"], choices, `counts ${name}, and so does the device: use another of either`);
  }
  for (const { path, name, other } of sharedCounters(devices ?? [], parts.device as Scenario["device"])) {
    mistakes.add(path, choices, `counts ${name}, and so does ${other} below it: use another of either`);
  }
  if (workload !== undefined && channel !== undefined && parts.placement === "isolated") {
    const { queueDepth: slots, exceedsRing = false } = workloadNeeds({ workload });
    const entries = ringEntryCount(channel.ringOrder, ENTRY_BYTES);
    if (slots > entries && !exceedsRing) {
      const order = `a ring of order ${channel.ringOrder} has ${entries} entries`;
      mistakes.add(
        ["workload"],
        choices,
        `keeps ${slots} requests in flight; ${order}. Use a larger channel.ringOrder`,
      );
    }
  }
  return { devices, workload, frontend, backend };
}

/** What a cell's devices and its workload need consent for. */
function demandsOfCell({ scenario, devices, workload }: Cell): PluginDemand[] {
  return [
    ...devices.flatMap((use, index) => demandsOf(use, devicePath(scenario.device, index))),
    ...demandsOf(workload, ["workload"]),
  ];
}

async function resolveCell(
  scenario: Scenario,
  choices: readonly Choice[],
  sources: PluginSources,
  mistakes: Mistakes,
): Promise<Cell | undefined> {
  const { devices, workload, frontend, backend } = await resolveParts(scenario, choices, sources, mistakes);
  if (devices === undefined || workload === undefined || frontend === undefined || backend === undefined) return;
  const resolved = { devices, workload, policy: { frontend, backend } };
  const labels: Record<string, string> = {
    policy: frontend.label === backend.label ? frontend.label : `${frontend.label} / ${backend.label}`,
    device: devices.map(({ label }) => label).join(" + "),
    workload: workload.label,
    placement: scenario.placement,
  };
  const others: Record<string, string> = {
    "policy.frontend": frontend.label,
    "policy.backend": backend.label,
    clients: clientLabel(scenario),
    ...Object.fromEntries(devices.map(({ filters }, index) => {
      return [[...devicePath(scenario.device, index), "filters"].join("."), filterLabel(filters) || "none"];
    })),
    neighbours: neighbourLabel(scenario),
  };
  for (const { key, value } of choices) labels[key] ??= others[key] ?? labelOf(value, key, scenario);
  return { id: cellId(scenario, resolved), labels, scenario, ...resolved };
}

/**
 * Reads the expectations and finds the cells that they compare. While there are other mistakes there are no cells, or
 * not all; then only what does not depend on them is checked.
 */
function checkExpectations(
  written: unknown,
  cells: readonly Cell[],
  matrixKeys: readonly string[],
  mistakes: Mistakes,
): CheckedExpectation[] {
  const complete = !mistakes.any;
  const selectable = cells.map(({ labels, workload, devices }) => {
    return { labels, counters: [workload, ...devices.flatMap(stackOf)].flatMap(countersOf) };
  });
  return (Array.isArray(written) ? written : []).flatMap((text: unknown, index) => {
    if (typeof text !== "string" || text === "") return []; // The schema has found that already.
    try {
      const expectation = parseExpectation(text);
      if (complete) return [{ text, expectation, cases: casesOf(expectation, selectable) }];
      checkNames(expectation, [...COMMON_LABELS, ...matrixKeys], undefined);
    } catch (thrown) {
      if (!(thrown instanceof ExpectationError)) throw thrown;
      mistakes.addWithin(["expect", index], thrown.message, thrown.column - 1);
    }
    return [];
  });
}

/** The label of a matrix value that is not one of the plugins: a scalar as it is, a plugin's option as written. */
function labelOf(value: unknown, key: string, scenario: Scenario): string {
  if (typeof value !== "object" || value === null) return String(value);
  const place = key.split(".").reduce<unknown>((at, part) => (at as Json | undefined)?.[part], scenario);
  return JSON.stringify(place ?? value);
}

/** Twelve hexadecimal digits of a hash over everything that decides what is measured, in one canonical order. */
function cellId(
  scenario: Scenario,
  { devices, workload, policy }: Pick<Cell, "devices" | "workload" | "policy">,
): string {
  const use = ({ plugin, written, reference }: ResolvedPlugin): Json => ({
    use: plugin.name,
    with: written,
    reference,
  });
  const { placement, domains, affinity, drivers, channel, recovery } = scenario;
  const { warmup, duration, seed } = scenario.run;
  const neighbours = neighbourOptions(scenario);
  const canonical = canonicalJson({
    ...{
      placement,
      domains,
      affinity,
      drivers,
      channel,
      recovery,
      clients: clientOptions(scenario),
      ...(neighbours.count === 0 ? {} : { neighbours }),
      run: { warmup, duration, seed },
    },
    devices: devices.map((device) => {
      return device.filters.length === 0 ? use(device) : { ...use(device), filters: device.filters.map(use) };
    }),
    workload: use(workload),
    policy: { frontend: use(policy.frontend), backend: use(policy.backend) },
  });
  return createHash("sha256").update(canonical).digest("hex").slice(0, 12);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, inner) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : 1))
        : inner,
  );
}
