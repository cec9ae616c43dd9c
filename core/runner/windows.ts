/**
 * The pieces of the measured window, of all domains together.
 *
 * Each domain cuts its own window when it sees that another piece begins. One that sleeps sees it late, or misses it;
 * pieces are then joined until they end for all at the same of the hypervisor's numbers.
 *
 * @module
 */

import type { DomainSample } from "../domain/report.ts";
import type { RecordedPieces } from "../measure/pieces.ts";
import type { Windows, WindowTimes } from "./result.ts";

/**
 * The pieces of a window.
 *
 * @param threads the samples of the application's threads, at least one
 * @param drivers those of the drivers; null where there are none, or one was not there from the beginning
 * @returns null where the window was not cut, or no piece ended for all
 */
export function toWindows(threads: readonly DomainSample[], drivers: readonly DomainSample[] | null): Windows | null {
  const application = piecesOf(threads);
  if (application === null) return null;
  const driver = drivers === null ? null : piecesOf(drivers);
  const ends = commonEnds([...application, ...driver ?? []]);
  if (ends.length < 2) return null;
  const joined = application.map((pieces) => join(pieces, ends));
  return {
    durationNs: column(joined, mean, ({ durationNs }) => durationNs),
    operations: column(joined, sum, ({ operations }) => operations),
    bytes: column(joined, sum, ({ bytes }) => bytes),
    application: times(joined),
    driver: driver === null ? null : times(driver.map((pieces) => join(pieces, ends))),
  };
}

function piecesOf(samples: readonly DomainSample[]): readonly RecordedPieces[] | null {
  const all = samples.map(({ pieces }) => pieces);
  return all.length === 0 || all.includes(null) ? null : all as RecordedPieces[];
}

/** Where pieces end for all. The last always does. */
function commonEnds(all: readonly RecordedPieces[]): readonly number[] {
  return all[0].upTo.filter((end) => all.every(({ upTo }) => upTo.includes(end)));
}

/** The same in longer pieces, which end at some of the ends that there are. */
function join(pieces: RecordedPieces, ends: readonly number[]): RecordedPieces {
  const pieceOf = pieces.upTo.map((end) => ends.findIndex((each) => end <= each));
  const joined = <T extends number | null>(values: readonly T[], none: T): T[] => {
    return ends.map((_, piece) => {
      const own = values.filter((_, index) => pieceOf[index] === piece);
      return own.includes(none) ? none : sum(own as number[]) as T;
    });
  };
  const whole = (values: readonly number[]): number[] => joined<number>(values, NaN);
  return {
    upTo: ends,
    ...{ durationNs: whole(pieces.durationNs), cpuNs: joined<number | null>(pieces.cpuNs, null) },
    ...{ operations: whole(pieces.operations), bytes: whole(pieces.bytes) },
    ...{ spunNs: whole(pieces.spunNs), lostNs: whole(pieces.lostNs), sleptNs: whole(pieces.sleptNs) },
  };
}

function times(all: readonly RecordedPieces[]): WindowTimes {
  return {
    durationNs: column(all, mean, ({ durationNs }) => durationNs),
    cpuNs: all[0].upTo.map((_, piece) => {
      const used = all.map(({ cpuNs }) => cpuNs[piece]);
      return used.includes(null) ? null : sum(used as number[]);
    }),
    spunNs: column(all, sum, ({ spunNs }) => spunNs),
    lostNs: column(all, sum, ({ lostNs }) => lostNs),
    sleptNs: column(all, sum, ({ sleptNs }) => sleptNs),
  };
}

/** One value a piece: what all domains have there, taken together. */
function column(
  all: readonly RecordedPieces[],
  together: (values: readonly number[]) => number,
  of: (pieces: RecordedPieces) => readonly number[],
): number[] {
  return all[0].upTo.map((_, piece) => together(all.map((pieces) => of(pieces)[piece])));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return Math.round(sum(values) / values.length);
}
