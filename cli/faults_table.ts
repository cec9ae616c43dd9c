/**
 * What came of a campaign of faults, as a table for people.
 *
 * @module
 */

import { Table } from "console-table-printer";
import type { FaultReport, FaultSummary } from "../core/runner/fault_report.ts";
import { counted } from "./labels.ts";

/** Complaints that are printed; the rest is in the JSON. */
const MOST_COMPLAINTS = 20;

/** A report as text: a row for each kind of fault, and whatever is not as it must be. */
export function renderFaults(report: FaultReport): string {
  const { scenario, seed, total, kinds, machines, restarts, operations, complaints, durationMs } = report;
  const table = new Table({
    shouldDisableColors: true,
    columns: [
      { name: "kind", alignment: "left" },
      ...["injected", "detected", "recovered", "failed", "absorbed", "lost", "blackout p50", "p99", "max"].map(
        (name) => {
          return { name, alignment: "right" };
        },
      ),
    ],
  });
  for (const [kind, summary] of Object.entries(kinds)) table.addRow(row(kind, summary));
  table.addRow(row("all", total));
  const more = complaints.length - MOST_COMPLAINTS;
  return [
    `${scenario}: ${counted(total.injected, "fault")} from seed ${seed}, on ${counted(machines, "machine")} with ` +
    `${counted(restarts, "restart")}, in ${(durationMs / 1000).toFixed(1)} s`,
    table.render(),
    `operations: ${operations.submitted} submitted, ${operations.completed} completed, ${operations.failed} failed with an error`,
    ...complaints.slice(0, MOST_COMPLAINTS).map(({ machine, text }) => `machine ${machine}: ${text}`),
    ...(more > 0 ? [`… and ${more} more`] : []),
    report.ok ? "everything was detected, and nothing was lost or corrupted" : "not all is well",
  ].join("\n");
}

function row(kind: string, summary: FaultSummary): Record<string, string | number> {
  const { injected, detected, recovered, failed, absorbed, lost, blackoutMs } = summary;
  const ms = (value: number | undefined): string =>
    value === undefined ? "" : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  return {
    ...{ kind, injected, detected, recovered, failed, absorbed, lost },
    "blackout p50": ms(blackoutMs?.p50),
    p99: ms(blackoutMs?.p99),
    max: ms(blackoutMs?.max),
  };
}
