/**
 * `regret`: of each load the best policy, and the others relative to it.
 *
 * @module
 */

import { ResultError } from "../core/runner/read_result.ts";
import { regretTable } from "../core/runner/regret.ts";
import type { Result } from "../core/runner/result.ts";
import type { RegretArguments } from "./arguments.ts";
import { ExitStatus } from "./exit_status.ts";
import { ensurePermissions } from "./permissions.ts";
import { renderRegret, tally } from "./regret_table.ts";
import { readSaved } from "./saved_results.ts";

/** Runs the command. */
export async function regretCommand(args: RegretArguments): Promise<number> {
  const { choose, confirm, metric, policies, goal = null } = args;
  const needs = [...choose, ...confirm].map((path) => ({
    descriptor: { name: "read" as const, path },
    flag: "--allow-read",
    reason: "read results",
  }));
  if (!ensurePermissions(needs)) return ExitStatus.Invalid;
  try {
    const chosen = await readSaved(choose);
    const confirming = confirm.length === 0 ? undefined : await readSaved(confirm);
    const twice = confirming?.find((result) => chosen.some((other) => isSameRun(result, other)));
    if (twice !== undefined) {
      throw new ResultError(
        `the run that was started at ${twice.startedAt} is among those of --choose and those of --confirm: to confirm takes ` +
          "another run",
      );
    }
    const table = regretTable(metric, chosen, confirming);
    if (table.loads.length === 0) throw new ResultError("no load is in the results of both --choose and --confirm");
    const unknown = policies.filter((policy) => !table.policies.includes(policy));
    if (unknown.length > 0) {
      throw new ResultError(
        `--policy ${unknown.join(", ")}: no cell has it; there are ${table.policies.join(", ")}`,
      );
    }
    console.log(args.json ? JSON.stringify(table) : renderRegret(table, policies, goal));
    const judged = policies.length === 0 ? table.policies : policies;
    const missed = goal !== null && judged.some((policy) => tally(table, policy, goal).missed > 0);
    return missed ? ExitStatus.Failed : ExitStatus.Ok;
  } catch (thrown) {
    if (!(thrown instanceof ResultError)) throw thrown;
    console.error(`iddr: ${thrown.message}`);
    return ExitStatus.Invalid;
  }
}

function isSameRun(one: Result, other: Result): boolean {
  const name = ({ scenario }: Result): unknown => (scenario as { name?: unknown }).name;
  return one.startedAt === other.startedAt && name(one) === name(other);
}
