/**
 * `report`: makes a page and figures out of results that were saved.
 *
 * @module
 */

import { messageOf } from "../core/errors.ts";
import { readResults, ResultError } from "../core/runner/read_result.ts";
import type { Result } from "../core/runner/result.ts";
import type { ReportArguments } from "./arguments.ts";
import { ExitStatus } from "./exit_status.ts";
import { counted } from "./labels.ts";
import { figuresDirectory, reportPath, writeReport } from "./page_file.ts";
import { savedFiles } from "./saved_results.ts";

/** Runs the command. */
export async function reportCommand({ files, out }: ReportArguments): Promise<number> {
  if (out === "") {
    console.error("iddr: --out is empty; name a folder");
    return ExitStatus.Invalid;
  }
  const results: Result[] = [];
  const read: string[] = [];
  let valid = true;
  for (const path of files) {
    try {
      const found = savedFiles(path);
      for (const file of found) results.push(...await readResults(file));
      read.push(...found);
    } catch (thrown) {
      if (!(thrown instanceof ResultError)) throw thrown;
      console.error(`iddr: ${thrown.message}`);
      valid = false;
    }
  }
  if (!valid) return ExitStatus.Invalid;
  const page = reportPath(read, out);
  try {
    // Loaded here, as the library that draws takes longer to load than all other commands take to start.
    const { renderReport } = await import("../core/runner/report/report.ts");
    const report = await renderReport(results);
    writeReport(page, report);
    console.log(page);
    console.error(`${counted(report.files.size, "file")} of its figures in ${figuresDirectory(page)}`);
    return ExitStatus.Ok;
  } catch (thrown) {
    console.error(`iddr: the report could not be written in ${page}: ${messageOf(thrown)}`);
    return ExitStatus.Failed;
  }
}
