/**
 * What a schema found, in words: what is allowed and what was found.
 *
 * @module
 */

import type { z } from "../schema.ts";

/** Longest text that is repeated in a message. */
const SHOWN_CHARACTERS = 60;

/** What zod's names of types mean to somebody who writes YAML. */
const TYPES: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "a text",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

/** Whether a value that must be given is not there. The schema must have been told to report what it was given. */
export function isMissing({ code, input }: z.core.$ZodIssue): boolean {
  return (code === "invalid_type" || code === "invalid_value") && input === undefined;
}

/** `must be isolated | monolithic: found "isolatd"`. What a plugin's author wrote into a schema is left as it is. */
export function issueInWords(issue: z.core.$ZodIssue): string {
  const allowed = /^(Invalid|Too) /.test(issue.message) ? allowedInWords(issue) : issue.message;
  // A check of the author's own sees nanoseconds where a person wrote 5us.
  return issue.code === "custom" || issue.input === undefined ? allowed : `${allowed}: found ${inWords(issue.input)}`;
}

function allowedInWords(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `must be ${issue.values.map(String).join(" | ")}`;
    case "too_small":
      return limitInWords(issue.origin, issue.inclusive === false ? "above" : "at least", issue.minimum);
    case "too_big":
      return limitInWords(issue.origin, issue.inclusive === false ? "below" : "at most", issue.maximum);
    default:
      return issue.message;
  }
}

function limitInWords(origin: string, relation: string, limit: number | bigint): string {
  if (origin === "string") return `must have ${relation} ${limit} ${limit === 1 ? "character" : "characters"}`;
  if (origin === "array") return `must have ${relation} ${limit} ${limit === 1 ? "value" : "values"}`;
  return `must be ${relation} ${limit}`;
}

function inWords(value: unknown): string {
  if (value === null) return "nothing";
  if (typeof value === "object") return Array.isArray(value) ? "a list" : "a mapping";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > SHOWN_CHARACTERS ? `${value.slice(0, SHOWN_CHARACTERS)}…` : value);
}
