/**
 * Where a report is written.
 *
 * @module
 */

import type { Report } from "../core/runner/report/report.ts";
import { dirname, join } from "./paths.ts";
import { isDirectory, writeText } from "./result_file.ts";

/** What the report of several results is called. */
const SEVERAL = "report";

/** The page that belongs to a result. */
export function pagePath(result: string): string {
  return `${result.replace(/\.jsonl?$/, "")}.html`;
}

/**
 * The folder of a report: that of the first result, or the first itself if it is a folder of results.
 *
 * @param files the results, at least one
 * @param out what `--out` says
 */
export function reportDirectory(files: readonly string[], out?: string): string {
  const [first] = files;
  return out ?? (isFolder(first) ? first : dirname(first));
}

function isFolder(path: string): boolean {
  // To ask for the permission is left to who says what it is for.
  return Deno.permissions.querySync({ name: "read", path }).state === "granted" && isDirectory(path);
}

/** The page of a report. */
export function reportPath(files: readonly string[], out?: string): string {
  const name = files.length === 1 ? pagePath(files[0].slice(files[0].lastIndexOf("/") + 1)) : `${SEVERAL}.html`;
  return join(reportDirectory(files, out), name);
}

/** The folder of a page's figures. */
export function figuresDirectory(page: string): string {
  return page.replace(/\.html$/, "-figures");
}

/** Writes a page and its figures. */
export function writeReport(page: string, { html, files }: Report): void {
  const directory = figuresDirectory(page);
  Deno.mkdirSync(directory, { recursive: true });
  for (const [name, text] of files) writeText(join(directory, name), text);
  writeText(page, html);
}
