/**
 * An answer of `advise` in sentences.
 *
 * @module
 */

import type { Ratio } from "../core/runner/advise/comparison.ts";
import type { Advice, LoadAdvice, PolicyAdvice } from "../core/runner/advise/advice.ts";
import { LEAST_ROUNDS } from "../core/runner/advise/elimination.ts";
import type { Objective } from "../core/runner/advise/objective.ts";
import { formatDuration } from "../core/units.ts";
import { counted, labelsInLine, varyingLabels } from "./labels.ts";
import { digits } from "./quantities.ts";

/** Intervals whose ends differ by such a factor say nothing. */
const WIDEST = 1000;
/** Most policies that are named in a row. */
const MOST_NAMED = 4;

/** The answer: what to use, how sure that is, what it costs, where it changes, and how it was found; one sentence or two a line. */
export function adviceSentences(advice: Advice): string[] {
  const asked = advice.loads.find((load) => load.asked);
  return [
    ...(asked === undefined ? advice.loads : [asked]).flatMap((load) => headline(load, advice)),
    ...(asked === undefined ? [] : costs(asked, advice)),
    ...changes(advice),
    ...allRound(advice),
    ...leftOut(advice),
    ...method(advice),
  ];
}

/** What tells a load from the others: ` at queueDepth=8`; nothing where there is one. */
export function loadName(
  { labels }: Pick<LoadAdvice, "labels">,
  { loads, axis }: Pick<Advice, "loads" | "axis">,
): string {
  if (axis !== null) return labelsInLine(labels, [axis]);
  return labelsInLine(labels, varyingLabels(loads));
}

function at(load: LoadAdvice, advice: Advice): string {
  const name = loadName(load, advice);
  return name === "" ? "" : ` at ${name}`;
}

function headline(load: LoadAdvice, advice: Advice): string[] {
  const where = at(load, advice);
  const [first, second] = load.policies;
  switch (load.verdict) {
    case "winner":
      return [`Use ${first.policy}${where}: ${lead(load, second)}.`];
    case "tie":
      return [
        `Use ${inWords(load.best, "or")}${where}: by ${criterion(load)} they are alike, within ` +
        `${percent(advice.alike)} of the best.`,
      ];
    case "open":
      return [openHeadline(load, where, advice)];
    case "failed":
      return [`No policy can be named${where}: all failed.`];
    case "unmeasured":
      return [
        load.objective === null && load.policies.some(({ repetitions }) => repetitions > 0)
          ? `Nothing tells the policies apart${where}: no operation finished, and CPU time could not be measured ` +
            "(--allow-ffi lets it be)."
          : `No policy can be named${where}: nothing was measured.`,
      ];
  }
}

/** How far the best is ahead: nothing to compare with is an answer, too. */
function lead(load: LoadAdvice, second: PolicyAdvice | undefined): string {
  if (second?.relative == null) {
    return second === undefined ? "no other was compared" : "no other gives as much work, or could be measured";
  }
  return `by ${criterion(load)} it is ${timesAsGood(second.relative)} ${second.policy}, the next`;
}

/** Whether an interval is narrow enough to be of use: after two or three repetitions it may span all that there is. */
export function saysAnything({ low, high }: Pick<Ratio, "low" | "high">): boolean {
  return high < low * WIDEST;
}

/** `1.30 times as good as`, with the interval. */
function timesAsGood({ ratio, low, high }: Ratio): string {
  const interval = saysAnything({ low, high }) ? ` [${times(1 / high)}–${times(1 / low)}]` : "";
  return `${times(1 / ratio)} times${interval} as good as`;
}

function openHeadline(load: LoadAdvice, where: string, advice: Advice): string {
  const [first] = load.policies;
  const second = load.policies.find(({ relative, standing }) => {
    return standing !== "first" && relative !== null && relative.ratio <= 1;
  });
  const fewest = Math.min(
    ...load.policies.filter(({ policy }) => load.best.includes(policy)).map(({ repetitions }) => repetitions),
  );
  const unmeasured = load.policies.filter(({ standing }) => standing === "unmeasured").length;
  const why = unmeasured > 0
    ? `; ${counted(unmeasured, "policy").replace("policys", "policies")} could not even be measured in the time`
    : fewest < LEAST_ROUNDS
    ? `; ${LEAST_ROUNDS} repetitions are the least that tell anything, and the time was enough for ${fewest}`
    : "";
  const more = advice.ended === "exhausted"
    ? "Hardly more would be told by more time."
    : "More time (--time) may tell.";
  if (load.best.length === 1) return `${first.policy} was ahead${where}, but that is not sure${why}. ${more}`;
  const ahead = (second?.relative == null ? "" : `, ${timesAsGood(second.relative)} ${second.policy}`) +
    ifItKeepsUp(load);
  return `${inWords(load.best, "and")} cannot be told apart${where}${why}. ` +
    `By ${criterion(load)} ${first.policy} was ahead${ahead}. ${more}`;
}

/** Those that would be better, but complete less than others do, as it seems. */
function ifItKeepsUp({ policies }: LoadAdvice): string {
  const better = policies.filter(({ relative, standing }) => standing === "undecided" && (relative?.ratio ?? 0) > 1);
  if (better.length === 0) return "";
  const names = inWords(better.map(({ policy }) => policy), "and");
  return `; ${names} would be better, but ${better.length === 1 ? "seems" : "seem"} not to keep up, which is not sure`;
}

/** What decides, in words. */
function criterion({ objective }: Pick<LoadAdvice, "objective">): string {
  const { goal, cpuPrice } = objective as Objective;
  if (goal === "idleness") return "CPU use";
  if (cpuPrice === 0) return goal === "throughput" ? "throughput" : "p99 latency";
  if (cpuPrice === 1) return goal === "throughput" ? "throughput per core" : "CPU use";
  return formula({ goal, cpuPrice });
}

function formula({ goal, cpuPrice }: Objective): string {
  const cores = cpuPrice === 0 ? "" : cpuPrice === 1 ? "cores" : `cores^${cpuPrice}`;
  const latency = cpuPrice === 1 ? "" : cpuPrice === 0 ? "p99" : `p99^${Number((1 - cpuPrice).toFixed(3))}`;
  if (goal === "throughput") return cores === "" ? "IOPS" : `IOPS / ${cores}`;
  const parts = [latency, cores].filter((part) => part !== "");
  return parts.length === 1 ? `1 / ${parts[0]}` : `1 / (${parts.join(" · ")})`;
}

/** What the best costs, and what is the cheapest. */
function costs({ verdict, policies, objective }: LoadAdvice, { cpuPrice }: Advice): string[] {
  const [first] = policies;
  if (verdict === "failed" || verdict === "unmeasured" || objective === null) return [];
  if (first.cpuCores === null) {
    const price = cpuPrice > 0 ? ", so it does not count here, whatever --cpu-price says" : "";
    return [`What that costs in CPU could not be measured${price}; --allow-ffi lets it be.`];
  }
  const own = first.cpuNsPerOperation;
  const used = `${first.policy} uses ${times(first.cpuCores)} cores`;
  if (own === null) return [`${used}.`];
  const cheapest = policies.filter(({ standing }) => standing !== "behind" && standing !== "failed")
    .reduce((best, each) => (each.cpuNsPerOperation ?? Infinity) < (best.cpuNsPerOperation ?? Infinity) ? each : best);
  const said = `${used}, ${duration(own)} of CPU time an operation`;
  if (cheapest === first) return [`${said}, the least of all.`];
  const share = first.iops && cheapest.iops !== null ? cheapest.iops / first.iops : null;
  const latency = first.latencyP99Ns && cheapest.latencyP99Ns ? cheapest.latencyP99Ns / first.latencyP99Ns : null;
  const instead = objective.goal === "latency"
    ? latency === null ? "" : `, at ${times(latency)} times the p99 latency`
    : share === null
    ? ""
    : `, at ${times(share)} times the throughput`;
  return [`${said}; ${cheapest.policy} uses the least, ${duration(cheapest.cpuNsPerOperation ?? 0)}${instead}.`];
}

/** Where the answer changes. */
function changes(advice: Advice): string[] {
  const { axis, loads, segments } = advice;
  const answered = loads.filter(({ best }) => best.length > 0);
  if (answered.length < 2) return [];
  if (axis === null) {
    const common = commonBest(loads);
    return common.length === 0 ? ["The answer is not the same at all of these loads."] : [
      `At all of these loads ${inWords(common, "or")} ${
        common.length === 1 ? "is" : "are"
      } the best, or not told apart ` +
      "from it.",
    ];
  }
  const name = axis.slice(axis.lastIndexOf(".") + 1);
  const range = (from: number, to: number): string => {
    const [first, last] = [loads[from].labels[axis], loads[to].labels[axis]];
    return first === last ? first : `${first} to ${last}`;
  };
  const [first] = segments;
  if (segments.length === 1) {
    const sure = answered.every(({ verdict }) => verdict !== "open");
    const said = sure ? `It does not change with ${name}` : `No change with ${name} can be told`;
    return [`${said}, from ${range(first.from, first.to)}: ${inWords(first.best, "or")}.`];
  }
  const parts = segments.map(({ from, to, best }) => `${range(from, to)}: ${inWords(best, "or")}`);
  return [`It changes with ${name}: ${parts.join("; ")}.`];
}

/** What is best, or not told apart from it, at all loads that have an answer. */
function commonBest(loads: readonly LoadAdvice[]): readonly string[] {
  const [first = [], ...others] = loads.map(({ best }) => best).filter((best) => best.length > 0);
  return first.filter((policy) => others.every((best) => best.includes(policy)));
}

function allRound(advice: Advice): string[] {
  const { allRound, loads, segments, axis } = advice;
  if (allRound === null || (axis === null ? commonBest(loads).length > 0 : segments.length < 2)) return [];
  const { policy, ratio, load } = allRound;
  return [
    `If one policy must serve all of these loads: ${policy}, nowhere below ${times(ratio)} times the best ` +
    `(there at ${loadName(loads[load], advice)}).`,
  ];
}

/** Policies that failed or do not keep up, each cause once. */
function leftOut(advice: Advice): string[] {
  const failures = new Map<string, { policy: string; failure: string; where: string[] }>();
  for (const load of advice.loads) {
    for (const { policy, failure, standing } of load.policies) {
      const said = failure ?? (standing === "behind" ? "it completes less than others do" : null);
      if (said === null) continue;
      const key = JSON.stringify([policy, said]);
      const entry = failures.get(key) ?? { policy, failure: said, where: [] };
      entry.where.push(loadName(load, advice));
      failures.set(key, entry);
    }
  }
  return [...failures.values()].map(({ policy, failure, where }) => {
    const all = where.length === advice.loads.length ? "" : ` at ${where.join("; ")}`;
    return `${policy} was left out${all}: ${failure}`;
  });
}

const ENDS = {
  decided: "all was known then",
  time: "the time was over then",
  interrupted: "it was interrupted then",
  exhausted: "more would hardly tell more",
} as const;

function method({ loads, elapsedNs, warmupNs, durationNs, ended, cpuPrice }: Advice): string[] {
  const repetitions = loads.flatMap(({ policies }) => policies).reduce((sum, each) => sum + each.repetitions, 0);
  const goals = new Set(loads.flatMap(({ objective }) => objective === null ? [] : [objective.goal]));
  const formulas = [...goals].map((goal) => {
    const keeping = goal === "latency" ? " of those that keep up" : "";
    const counts = loads.some(({ objective }) => objective?.goal === goal && objective.cpuPrice > 0) ? cpuPrice : 0;
    return formula({ goal, cpuPrice: goal === "idleness" ? 1 : counts }) + keeping;
  });
  return [
    `Measured: ${counted(repetitions, "repetition")} of ${formatDuration(durationNs)} after ` +
    `${formatDuration(warmupNs)} of warm-up, in ${Math.round(elapsedNs / 1e9)} s; ${
      ENDS[ended]
    }. Brackets are intervals ` +
    "that hold at about 95 % however often one looked, where repetitions of a policy are of one kind.",
    ...(formulas.length === 0
      ? []
      : [`Best is what has the highest ${formulas.join("; ")} (--cpu-price ${cpuPrice}).`]),
  ];
}

/** `a`, `a and b`, `a, b and c`; of many the first. */
function inWords(names: readonly string[], word: "and" | "or"): string {
  if (names.length > MOST_NAMED) {
    return `${names.slice(0, MOST_NAMED - 1).join(", ")} ${word} ${names.length - MOST_NAMED + 1} others`;
  }
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} ${word} ${names[names.length - 1]}`;
}

/** A ratio or a few cores: two decimals, three digits where it is larger or smaller. */
export function times(value: number): string {
  return value >= 0.1 && value < 10 ? value.toFixed(2) : value < 0.1 ? value.toPrecision(2) : digits(value);
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}

function duration(ns: number): string {
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  return ns < 1e6 ? `${digits(ns / 1e3)} µs` : `${digits(ns / 1e6)} ms`;
}
