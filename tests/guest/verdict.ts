/**
 * What the host makes of a run: each step of the guest, and each disk that holds what it must, is a check that passed or
 * failed; the guest's tests are counted one by one.
 *
 * @module
 */

import { join } from "node:path";
import type { Findings } from "../helpers/check_from_outside.ts";
import { type IntegrityStep, STEPS } from "./inside/agenda.ts";

/** Checks by their outcome. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** One thing that was checked. */
export interface Check {
  readonly name: string;
  /** Why it failed; null if it passed. */
  readonly failure: string | null;
}

/** Counts the tests of a report in JUnit's format, as `deno test --junit-path` writes it; what was cancelled has failed. */
export function countTests(report: string): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { body } of testCases(report)) {
    if (FAILURE.test(body)) counts.failed++;
    else if (body.includes("<skipped")) counts.skipped++;
    else counts.passed++;
  }
  return counts;
}

/** The names of the tests that failed, each with why. */
export function failedTests(report: string): string[] {
  return testCases(report).flatMap(({ attributes, body }) => {
    const [, message, text = ""] = FAILURE.exec(body) ?? [];
    const [, name] = /\bname="([^"]*)"/.exec(attributes) ?? [];
    return message === undefined ? [] : [plain(`${name}: ${text === "" ? message : text}`)];
  });
}

const FAILURE = /<(?:failure|error) message="([^"]*)"(?:\/>|>([^<]*))/;

function testCases(report: string): { attributes: string; body: string }[] {
  return [...report.matchAll(/<testcase\b([^>]*?)(?:\/>|>([^]*?)<\/testcase>)/g)]
    .map(([, attributes, body = ""]) => ({ attributes, body }));
}

/** Text of XML, its entities replaced. */
function plain(text: string): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, name) => entities[name]);
}

/** What the guest's results say. */
export interface GuestVerdict {
  readonly tests: Counts;
  /** Why tests failed, where `deno test` was not able to say so itself. */
  readonly unsaid: readonly string[];
  /** The steps; one that left no status has failed. */
  readonly checks: Check[];
}

/** Looks at the guest's results in `folder`. */
export async function checkSteps(folder: string): Promise<GuestVerdict> {
  const report = await textIn(join(folder, "tests.xml")) ?? "";
  const tests = countTests(report);
  const checks: Check[] = [];
  let unsaid: string[] = [];
  for (const { name } of STEPS) {
    const status = await textIn(join(folder, `${name}.status`));
    if (name === "tests" && status === "1" && tests.failed > 0) continue; // They are counted one by one.
    if (name === "tests" && status !== "0") unsaid = failedTests(report);
    const failure = status === null ? "did not come to its end" : status === "0" ? null : `ended with status ${status}`;
    checks.push({ name: `the step "${name}" in the guest`, failure });
  }
  if (tests.passed + tests.failed === 0) checks.push({ name: "tests in the guest", failure: "none has run" });
  return { tests, unsaid, checks };
}

/** Compares what the guest says that it left on a disk with what was found in its image. */
export async function checkImage(
  { name, serial, sizeBytes }: IntegrityStep,
  folder: string,
  look: () => Promise<Findings>,
): Promise<Check> {
  const check = `the image of ${serial} holds what the step "${name}" wrote`;
  const fail = (failure: string): Check => ({ name: check, failure });
  const saved = await textIn(join(folder, `${name}.json`));
  if (saved === null) return fail("the guest saved no result");
  // Every cell writes the same range: what is there now is of the last one.
  const said = JSON.parse(saved).cells.at(-1)?.samples.at(-1)?.counters?.generationSum;
  if (typeof said !== "number") return fail("the last cell has no sample");
  const { sectors, stamped, bad, generationSum } = await look();
  if (bad > 0) return fail(`${bad} of ${sectors} sectors are bad`);
  if (sectors !== sizeBytes / 512) return fail(`${sectors} sectors were looked at, not ${sizeBytes / 512}`);
  if (stamped < sectors / 2) return fail(`only ${stamped} of ${sectors} sectors have a stamp`);
  if (generationSum !== said) return fail(`the sum of its generations is ${generationSum}, the guest's is ${said}`);
  return { name: `${check}: ${sectors} sectors, ${stamped} of them stamped, sum ${said}`, failure: null };
}

async function textIn(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return null;
  }
}
