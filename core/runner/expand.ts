/**
 * From a document to cells: applies the matrix, checks every cell against the schema and its plugins' schemas, and
 * gives it labels and an id.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { z } from "../schema.ts";
import { ENTRY_BYTES } from "../blkif.ts";
import type { PluginKind, PluginTable } from "../plugin.ts";
import { ringEntryCount } from "../ring.ts";
import { type Diagnostic, ScenarioError, suggestion } from "./diagnostics.ts";
import type { Path, ScenarioDocument } from "./load.ts";
import { workloadNeeds } from "./plan.ts";
import { type PluginSources, type ResolvedPlugin, resolvePlugin } from "./plugins.ts";
import { knownKeys, parseScenario, type Scenario, type ScenarioPluginUse } from "./scenario.ts";

export type { ResolvedPlugin };

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
}

/** Most cells that a matrix may make. */
const MAX_CELLS = 1000;

type Json = Record<string, unknown>;

/** A choice of one value for each key of the matrix. */
interface Choice {
  readonly key: string;
  readonly index: number;
  readonly value: unknown;
}

/** What a scenario may use. */
export interface ExpandOptions {
  /**
   * The modules beyond the table of plugins that may be imported, none when absent: each as the scenario says it
   * (`./mine.ts`, `npm:package@1`), or a path from the working directory, or a file URL, that leads to it.
   */
  readonly allowPlugins?: readonly string[];
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
  { allowPlugins = [] }: ExpandOptions = {},
): Promise<ExpandedScenario> {
  const sources: PluginSources = { builtins: plugins, file: document.file, allowed: allowPlugins };
  const raw = document.toJS();
  const mistakes = new Mistakes(document);
  const firsts = firstChoices(raw);
  checkMatrixKeys(firsts.map(({ key }) => key), mistakes);
  if (mistakes.any) throw mistakes.error();
  const base = parseScenario(applyChoices(raw, firsts));
  const combinations = base.success ? combine(base.data.matrix, mistakes) : [firsts];
  const cells: Cell[] = [];
  for (const choices of combinations) {
    const parsed = parseScenario(applyChoices(raw, choices));
    if (!parsed.success) {
      for (const issue of parsed.error.issues) mistakes.addIssue(issue, choices);
      continue;
    }
    const cell = await resolveCell(parsed.data, choices, sources, mistakes);
    if (cell !== undefined) cells.push(cell);
  }
  if (mistakes.any) throw mistakes.error();
  return { file: document.file, scenario: cells[0].scenario, cells };
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

/** The first value of each key of the matrix, so that a key that only the matrix gives is not missed. */
function firstChoices({ matrix }: Json): Choice[] {
  if (typeof matrix !== "object" || matrix === null) return [];
  return Object.entries(matrix).flatMap(([key, values]) =>
    Array.isArray(values) && values.length > 0 ? [{ key, index: 0, value: values[0] }] : []
  );
}

/** What a cell can have of its own; the rest of a scenario is the run's. */
const CELL_KEYS = ["placement", "domains", "affinity", "device", "channel", "policy", "workload", "recovery"];
const CELL_RUN_KEYS = ["run.warmup", "run.duration", "run.seed"];

function checkMatrixKeys(keys: readonly string[], mistakes: Mistakes): void {
  for (const key of keys) {
    if (!CELL_KEYS.includes(key.split(".")[0]) && !CELL_RUN_KEYS.includes(key)) {
      const hint = suggestion(key, [...CELL_KEYS, ...CELL_RUN_KEYS]);
      mistakes.add(["matrix", key], [], `is not a path to what a cell can have of its own${hint}`, true);
    }
    const outer = keys.find((other) => key.startsWith(`${other}.`));
    if (outer !== undefined) {
      mistakes.add(["matrix", key], [], `lies within ${outer}, which the matrix replaces as a whole`, true);
    }
  }
}

function combine(matrix: Scenario["matrix"], mistakes: Mistakes): readonly Choice[][] {
  const count = Object.values(matrix).reduce((product, values) => product * values.length, 1);
  if (count > MAX_CELLS) {
    mistakes.add(["matrix"], [], `makes ${count} cells; at most ${MAX_CELLS} are allowed`);
    return [];
  }
  return Object.entries(matrix).reduce<Choice[][]>(
    (combinations, [key, values]) =>
      combinations.flatMap((choices) => values.map((value, index) => [...choices, { key, index, value }])),
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

async function resolveCell(
  scenario: Scenario,
  choices: readonly Choice[],
  sources: PluginSources,
  mistakes: Mistakes,
): Promise<Cell | undefined> {
  const resolve = (kind: PluginKind, use: ScenarioPluginUse, path: Path): Promise<ResolvedPlugin | undefined> =>
    resolvePlugin(kind, use, sources, {
      add: (within, message) => mistakes.add([...path, ...within], choices, message),
      addIssue: (issue, within, allowed) => mistakes.addIssue(issue, choices, [...path, ...within], allowed),
    });
  const { policy } = scenario;
  const [frontendUse, backendUse] = "use" in policy ? [policy, policy] : [policy.frontend, policy.backend];
  const [frontendPath, backendPath] = "use" in policy
    ? [["policy"], ["policy"]]
    : [["policy", "frontend"], ["policy", "backend"]];
  const device = await resolve("device", scenario.device, ["device"]);
  const workload = await resolve("workload", scenario.workload, ["workload"]);
  const frontend = await resolve("policy", frontendUse, frontendPath);
  const backend = await resolve("policy", backendUse, backendPath);
  if (device === undefined || workload === undefined || frontend === undefined || backend === undefined) return;

  const slots = workloadNeeds({ workload }).queueDepth;
  const entries = ringEntryCount(scenario.channel.ringOrder, ENTRY_BYTES);
  if (scenario.placement === "isolated" && slots > entries) {
    const order = `a ring of order ${scenario.channel.ringOrder} has ${entries} entries`;
    mistakes.add(["workload"], choices, `keeps ${slots} requests in flight; ${order}. Use a larger channel.ringOrder`);
    return;
  }
  const resolved = { device, workload, policy: { frontend, backend } };
  const labels: Record<string, string> = {
    policy: frontend.label === backend.label ? frontend.label : `${frontend.label} / ${backend.label}`,
    device: device.label,
    workload: workload.label,
    placement: scenario.placement,
  };
  for (const { key, value } of choices) labels[key] ??= labelOf(value, key, scenario);
  return { id: cellId(scenario, resolved), labels, scenario, ...resolved };
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
  const use = ({ plugin, written, reference }: ResolvedPlugin): Json => ({
    use: plugin.name,
    with: written,
    reference,
  });
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
