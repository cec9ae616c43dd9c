/**
 * `compare`: says whether a run differs from another, or some cells of a run from others.
 *
 * @module
 */

import { compareCells, type RunComparison } from "../core/runner/compare.ts";
import { CompareError, type Matched, matchRuns, matchWithin, type NamedResults } from "../core/runner/compare_cells.ts";
import { ResultError } from "../core/runner/read_result.ts";
import type { CompareArguments } from "./arguments.ts";
import { renderComparison } from "./compare_table.ts";
import { ExitStatus } from "./exit_status.ts";
import { counted } from "./labels.ts";
import { readSaved } from "./saved_results.ts";
import { tableColumns } from "./table.ts";

/** Runs the command. */
export async function compareCommand(args: CompareArguments): Promise<number> {
  let comparison: RunComparison;
  try {
    const { metric, confidence, threshold } = args;
    // The difference of two decimal fractions is none, to the last bit.
    const errorRate = Number((1 - confidence).toPrecision(12));
    comparison = compareCells(await match(args), { metric, errorRate, threshold });
  } catch (thrown) {
    if (!(thrown instanceof CompareError || thrown instanceof ResultError)) throw thrown;
    console.error(`iddr: ${thrown.message}`);
    return ExitStatus.Invalid;
  }
  console.log(args.json ? JSON.stringify(comparison) : renderComparison(comparison, tableColumns()));
  const isBad = comparison.cells.some(({ verdict }) => verdict === "slower" || verdict === "failed");
  if (isBad) return ExitStatus.Failed;
  const open = openCells(comparison);
  if (open === 0) return ExitStatus.Ok;
  console.error(`iddr: of ${counted(open, "cell")} it cannot be said whether they are slower: status 2`);
  return ExitStatus.Invalid;
}

/** Cells of the first side of which nothing can be said, however much slower the second is. */
function openCells({ cells, sides, unmatched }: RunComparison): number {
  const undecided = cells.filter(({ verdict }) => verdict === "too few repetitions" || verdict === "not compared");
  return undecided.length + unmatched.filter(({ side }) => side === sides[0]).length;
}

/** What is to be compared with what. */
async function match({ results, by, baseline }: CompareArguments): Promise<Matched> {
  const sides = results.map((name) => ({ name, read: () => readSaved([name]) }));
  const named = async (index: number): Promise<NamedResults> => {
    return { name: sides[index].name, results: await sides[index].read() };
  };
  if (by !== undefined) {
    if (sides.length === 1) return matchWithin(await named(0), by, baseline);
    throw new CompareError(`--by compares cells of one result; named are ${results.join(" and ")}`);
  }
  if (baseline !== undefined) throw new CompareError("--baseline is a value of --by, which is missing");
  if (sides.length === 2) return matchRuns(await named(0), await named(1));
  throw new CompareError("name two results, or one and --by, such as --by policy");
}
