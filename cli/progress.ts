/**
 * Progress: one line that is rewritten on a terminal, one line for each round of repetitions in a log.
 *
 * @module
 */

import type { ExpandedScenario } from "../core/runner/cell.ts";
import type { RunProgress } from "../core/runner/run.ts";
import { counted, labelsInLine, varyingLabels } from "./labels.ts";
import { repetitionsInWords } from "./quantities.ts";

/** Width of a terminal that does not know its own. */
const USUAL_COLUMNS = 80;
const CLEAR_LINE = "\r\x1b[2K";

/** Tells a person where a run is. */
export interface Progress {
  /** A scenario begins. */
  start(scenario: ExpandedScenario): void;
  /** A repetition begins. */
  repetition(state: RunProgress): void;
  /** The scenario is over. */
  end(): void;
}

/** Progress on standard error; silent if it is not wanted. */
export function createProgress(wanted: boolean): Progress {
  if (!wanted) return { start: () => {}, repetition: () => {}, end: () => {} };
  return Deno.stderr.isTerminal() ? new TerminalProgress() : new LogProgress();
}

class TerminalProgress implements Progress {
  #name = "";
  #varying: readonly string[] = [];
  #startedAt = 0;

  start({ scenario, cells }: ExpandedScenario): void {
    this.#name = scenario.name;
    this.#varying = varyingLabels(cells);
    this.#startedAt = performance.now();
  }

  repetition({ cell, done, total }: RunProgress): void {
    const left = ((performance.now() - this.#startedAt) / done) * (total - done);
    const time = done === 0 ? "" : `, ${Math.ceil(left / 1000)} s left`;
    const columns = Deno.consoleSize().columns || USUAL_COLUMNS;
    const line = `${this.#name}  ${done + 1}/${total}${time}  ${labelsInLine(cell.labels, this.#varying)}`;
    write(CLEAR_LINE + line.slice(0, columns - 1));
  }

  end(): void {
    write(CLEAR_LINE);
  }
}

class LogProgress implements Progress {
  #said = 0;

  start({ file, scenario, cells }: ExpandedScenario): void {
    this.#said = 0;
    console.error(`${scenario.name} (${file}): ${counted(cells.length, "cell")}, ${repetitionsInWords(scenario)} each`);
  }

  repetition({ done, total }: RunProgress): void {
    // What is measured anew was done before, and is not said twice.
    if (done <= this.#said || done % Math.max(1, Math.floor(total / 4)) !== 0) return;
    this.#said = done;
    console.error(`  ${done} of ${total} done`);
  }

  end(): void {}
}

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
