/**
 * Tables as CSV (RFC 4180).
 *
 * @module
 */

import type { Table } from "./figure.ts";

/** A table as CSV: a line of names, then the rows with all digits. What was not measured is empty. */
export function toCsv({ columns, rows }: Table): string {
  const lines = [columns.map(({ key }) => key), ...rows.map((row) => row.map((value) => value ?? ""))];
  return lines.map((line) => `${line.map((value) => field(String(value))).join(",")}\r\n`).join("");
}

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
