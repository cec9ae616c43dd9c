/**
 * From a document to cells: applies the matrix, checks every cell against the schema and its plugins' schemas, and
 * gives it labels and an id.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { z } from "../schema.ts";
import { messageOf } from "../errors.ts";
import { ENTRY_BYTES } from "../blkif.ts";
import { loadPlugin, type Plugin, type PluginKind, type PluginTable, type WorkloadPlugin } from "../plugin.ts";
import { ringEntryCount } from "../ring.ts";
import { type Diagnostic, ScenarioError, suggestion } from "./diagnostics.ts";
import type { Path, ScenarioDocument } from "./load.ts";
import { ExpectationError, parseExpectation } from "./expectation.ts";
import { casesOf, checkNames } from "./expectation_cases.ts";
import type { CheckedExpectation } from "./expectation_result.ts";
import { workloadNeeds } from "./plan.ts";
import { knownKeys, parseParts, parseScenario, type Scenario, type ScenarioPluginUse } from "./scenario.ts";

/** A plugin as one cell uses it. */
export interface ResolvedPlugin {
  /** Its definition. */
  readonly plugin: Plugin;
  /** Its module. */
  readonly url: string;
  /** Its options, after the schema. */
  readonly options: unknown;
  /** Its options as they are written, with units and defaults. */
  readonly written: Readonly<Record<string, unknown>>;
  /** Its name, with the options that differ from the defaults. */
  readonly label: string;
}

/** One combination of the matrix: what is measured. */
export interface Cell {
  /** Hash of all that decides the measurement. */
  readonly id: string;
  /** Policy, device, workload, placement and every path of the matrix, each with its value. */
  readonly labels: Readonly<Record<string, string>>;
  /** The scenario of this cell. */
  readonly scenario: Scenario;
  /** The device. */
  readonly device: ResolvedPlugin;
  /** The policies of both sides. */
  readonly policy: { readonly frontend: ResolvedPlugin; readonly backend: ResolvedPlugin };
  /** The workload. */
  readonly workload: ResolvedPlugin;
}

/** A scenario that was checked. */
export interface ExpandedScenario {
  /** The file that it came from. */
  readonly file: string;
  /** The scenario of the first cell; what is the run's (name, repetitions, order, matrix) is the same in all. */
  readonly scenario: Scenario;
  /** Its cells, in the matrix's order. */
  readonly cells: readonly Cell[];
  /** What must hold of what is measured. */
  readonly expectations: readonly CheckedExpectation[];
}

/** Labels that every cell has. */
const COMMON_LABELS = ["policy", "device", "workload", "placement"];

/** Most cells that a matrix may make. */
const MAX_CELLS = 1000;

type Json = Record<string, unknown>;

/** A choice of one value for each key of the matrix. */
interface Choice {
  readonly key: string;
  readonly index: number;
  readonly value: unknown;
}

/**
 * Checks a document and expands it.
 *
 * @throws {ScenarioError} with every mistake that was found
 */
export async function expandScenario(document: ScenarioDocument, plugins: PluginTable): Promise<ExpandedScenario> {
  const raw = document.toJS();
  const mistakes = new Mistakes(document);
  const keys = checkMatrixKeys(matrixKeys(raw), mistakes);
  const firsts = firstChoices(raw, keys);
  const base = parseScenario(applyChoices(raw, firsts));
  const combinations = base.success ? combine(base.data.matrix, keys, mistakes) : [firsts];
  const cells: Cell[] = [];
  for (const choices of combinations) {
    const written = applyChoices(raw, choices);
    const parsed = parseScenario(written);
    if (parsed.success) {
      const cell = await resolveCell(parsed.data, choices, plugins, mistakes);
      if (cell !== undefined) cells.push(cell);
    } else {
      for (const issue of parsed.error.issues) mistakes.addIssue(issue, choices);
      await resolveParts(parseParts(written), choices, plugins, mistakes);
    }
  }
  const expectations = checkExpectations(parseParts(raw).expect ?? [], cells, keys, mistakes);
  if (mistakes.any) throw mistakes.error();
  return { file: document.file, scenario: cells[0].scenario, cells, expectations };
}

/** Collects mistakes, each once: many cells share the same text. */
class Mistakes {
  readonly #document: ScenarioDocument;
  readonly #found = new Map<string, Diagnostic>();

  constructor(document: ScenarioDocument) {
    this.#document = document;
  }

  get any(): boolean {
    return this.#found.size > 0;
  }

  error(): ScenarioError {
    const byPlace = [...this.#found.values()].sort((a, b) => a.line - b.line || a.column - b.column);
    return new ScenarioError(byPlace);
  }

  /** Adds a mistake at a path of a cell; a path that the matrix filled is placed in the matrix. */
  add(path: Path, choices: readonly Choice[], message: string, atKey = false): void {
    const written = path.join(".");
    const choice = choices.find(({ key }) => written === key || written.startsWith(`${key}.`));
    const place = choice === undefined
      ? path
      : ["matrix", choice.key, choice.index, ...path.slice(choice.key.split(".").length)];
    const diagnostic = this.#document.diagnostic(place, message, atKey);
    this.#found.set(JSON.stringify(diagnostic), diagnostic);
  }

  /** Adds a mistake within a text of the scenario, at a character from 0. */
  addWithin(path: Path, message: string, character: number): void {
    const diagnostic = this.#document.diagnostic(path, message, false, character);
    this.#found.set(JSON.stringify(diagnostic), diagnostic);
  }

  addIssue(issue: z.core.$ZodIssue, choices: readonly Choice[], prefix: Path = [], allowed?: readonly string[]): void {
    const path = [...prefix, ...issue.path] as Path;
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        const known = prefix.length === 0 ? knownKeys(path) : allowed;
        const hint = known === undefined ? "" : suggestion(key, known);
        this.add([...path, key], choices, `is not a known key${hint}`, true);
      }
      return;
    }
    if (issue.code === "invalid_union") {
      const branch = issue.errors.find((errors) => errors.some(({ path }) => path.length > 0)) ?? issue.errors[0] ?? [];
      for (const inner of branch) this.addIssue(inner, choices, path);
      return;
    }
    const missing = issue.code === "invalid_type" && issue.input === undefined && issue.message.includes("undefined");
    this.add(path, choices, missing ? "is missing" : issue.message);
  }
}

function matrixKeys({ matrix }: Json): string[] {
  return typeof matrix === "object" && matrix !== null ? Object.keys(matrix) : [];
}

/** The first value of each key of the matrix, so that a key that only the matrix gives is not missed. */
function firstChoices({ matrix }: Json, keys: readonly string[]): Choice[] {
  return keys.flatMap((key) => {
    const values = (matrix as Json)[key];
    return Array.isArray(values) && values.length > 0 ? [{ key, index: 0, value: values[0] }] : [];
  });
}

/** What a cell can have of its own; the rest of a scenario is the run's. */
export const CELL_KEYS: readonly string[] = [
  "placement",
  "domains",
  "affinity",
  "device",
  "channel",
  "policy",
  "workload",
  "recovery",
];
/** Of what is the run's, what a cell can have of its own all the same. */
export const CELL_RUN_KEYS: readonly string[] = ["run.warmup", "run.duration", "run.seed"];

/** The keys that are right. */
function checkMatrixKeys(keys: readonly string[], mistakes: Mistakes): string[] {
  return keys.filter((key) => {
    const known = CELL_KEYS.includes(key.split(".")[0]) || CELL_RUN_KEYS.includes(key);
    const outer = keys.find((other) => key.startsWith(`${other}.`));
    if (!known) {
      const hint = suggestion(key, [...CELL_KEYS, ...CELL_RUN_KEYS]);
      mistakes.add(["matrix", key], [], `is not a path to what a cell can have of its own${hint}`, true);
    }
    if (outer !== undefined) {
      mistakes.add(["matrix", key], [], `lies within ${outer}, which the matrix replaces as a whole`, true);
    }
    return known && outer === undefined;
  });
}

function combine(matrix: Scenario["matrix"], keys: readonly string[], mistakes: Mistakes): readonly Choice[][] {
  const count = keys.reduce((product, key) => product * matrix[key].length, 1);
  if (count > MAX_CELLS) {
    mistakes.add(["matrix"], [], `makes ${count} cells; at most ${MAX_CELLS} are allowed`);
    return [];
  }
  return keys.reduce<Choice[][]>(
    (combinations, key) =>
      combinations.flatMap((choices) => matrix[key].map((value, index) => [...choices, { key, index, value }])),
    [[]],
  );
}

/** The document with the chosen values put in. A path through something that is no mapping makes it one. */
function applyChoices(raw: Json, choices: readonly Choice[]): Json {
  const value = structuredClone(raw);
  for (const choice of choices) {
    const keys = choice.key.split(".");
    let place: Json = value;
    for (const key of keys.slice(0, -1)) {
      if (typeof place[key] !== "object" || place[key] === null) place[key] = {};
      place = place[key] as Json;
    }
    place[keys[keys.length - 1]] = choice.value;
  }
  return value;
}

/** The plugins of a scenario, as far as they are right. */
type ResolvedParts = Partial<Pick<Cell, "device" | "workload"> & Cell["policy"]>;

/** Resolves the plugins of those parts of a scenario that are there, and checks whether they fit together. */
async function resolveParts(
  parts: Partial<Scenario>,
  choices: readonly Choice[],
  plugins: PluginTable,
  mistakes: Mistakes,
): Promise<ResolvedParts> {
  const resolve = async (kind: PluginKind, use: ScenarioPluginUse | undefined, ...path: Path) => {
    return use === undefined ? undefined : await resolvePlugin(kind, use, path, choices, plugins, mistakes);
  };
  const { policy, channel } = parts;
  const both = policy !== undefined && "use" in policy;
  const device = await resolve("device", parts.device, "device");
  const workload = await resolve("workload", parts.workload, "workload");
  const frontend = await resolve("policy", both ? policy : policy?.frontend, "policy", ...(both ? [] : ["frontend"]));
  const backend = await resolve("policy", both ? policy : policy?.backend, "policy", ...(both ? [] : ["backend"]));
  if (workload !== undefined && channel !== undefined && parts.placement === "isolated") {
    const slots = workloadNeeds({ workload }).queueDepth;
    const entries = ringEntryCount(channel.ringOrder, ENTRY_BYTES);
    if (slots > entries) {
      const order = `a ring of order ${channel.ringOrder} has ${entries} entries`;
      mistakes.add(
        ["workload"],
        choices,
        `keeps ${slots} requests in flight; ${order}. Use a larger channel.ringOrder`,
      );
    }
  }
  return { device, workload, frontend, backend };
}

async function resolveCell(
  scenario: Scenario,
  choices: readonly Choice[],
  plugins: PluginTable,
  mistakes: Mistakes,
): Promise<Cell | undefined> {
  const { device, workload, frontend, backend } = await resolveParts(scenario, choices, plugins, mistakes);
  if (device === undefined || workload === undefined || frontend === undefined || backend === undefined) return;
  const resolved = { device, workload, policy: { frontend, backend } };
  const labels: Record<string, string> = {
    policy: frontend.label === backend.label ? frontend.label : `${frontend.label} / ${backend.label}`,
    device: device.label,
    workload: workload.label,
    placement: scenario.placement,
  };
  const sides: Record<string, string> = { "policy.frontend": frontend.label, "policy.backend": backend.label };
  for (const { key, value } of choices) labels[key] ??= sides[key] ?? labelOf(value, key, scenario);
  return { id: cellId(scenario, resolved), labels, scenario, ...resolved };
}

/**
 * Reads the expectations and finds the cells that they compare. While there are other mistakes there are no cells, or
 * not all; then only what does not depend on them is checked.
 */
function checkExpectations(
  texts: readonly string[],
  cells: readonly Cell[],
  matrixKeys: readonly string[],
  mistakes: Mistakes,
): CheckedExpectation[] {
  const complete = !mistakes.any;
  const selectable = cells.map(({ labels, workload }) => {
    return { labels, counters: Object.keys((workload.plugin as WorkloadPlugin).counters ?? {}) };
  });
  return texts.flatMap((text, index) => {
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

async function resolvePlugin(
  kind: PluginKind,
  use: ScenarioPluginUse,
  path: Path,
  choices: readonly Choice[],
  plugins: PluginTable,
  mistakes: Mistakes,
): Promise<ResolvedPlugin | undefined> {
  const table = plugins[kind];
  if (!Object.hasOwn(table, use.use)) {
    const hint = suggestion(use.use, Object.keys(table));
    mistakes.add([...path, "use"], choices, `${JSON.stringify(use.use)} is not a known ${kind}${hint}`);
    return undefined;
  }
  const url = table[use.use];
  try {
    const plugin: Plugin = await loadPlugin(kind, url);
    const parsed = plugin.options.safeParse(use.with);
    if (!parsed.success) {
      const allowed = plugin.options instanceof z.ZodObject ? Object.keys(plugin.options.shape) : undefined;
      for (const issue of parsed.error.issues) mistakes.addIssue(issue, choices, [...path, "with"], allowed);
      return undefined;
    }
    const written = z.encode(plugin.options, parsed.data) as Json;
    return { plugin, url, options: parsed.data, written, label: pluginLabel(plugin, use.use, written) };
  } catch (thrown) {
    mistakes.add([...path, "use"], choices, messageOf(thrown));
    return undefined;
  }
}

function pluginLabel(plugin: Plugin, name: string, written: Json): string {
  const defaults = plugin.options.safeParse({});
  const usual = defaults.success ? z.encode(plugin.options, defaults.data) as Json : {};
  const changed = Object.entries(written).filter(([key, value]) =>
    JSON.stringify(value) !== JSON.stringify(usual[key])
  );
  return changed.length === 0 ? name : `${name}(${changed.map(([key, value]) => `${key}=${value}`).join(", ")})`;
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
  { device, workload, policy }: Pick<Cell, "device" | "workload" | "policy">,
): string {
  const use = ({ plugin, written }: ResolvedPlugin): Json => ({ use: plugin.name, with: written });
  const { placement, domains, affinity, channel, recovery } = scenario;
  const { warmup, duration, seed } = scenario.run;
  const canonical = canonicalJson({
    ...{ placement, domains, affinity, channel, recovery, run: { warmup, duration, seed } },
    device: use(device),
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
