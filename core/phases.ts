/**
 * The phases of a running machine, and who decides when each begins.
 *
 * @module
 */

/** How a conductor leads a machine through its phases. All domains are ready, and work unmeasured, when it is called. */
export interface Phases {
  /** Begins the measured window. Resolves when all domains measure. */
  measure(): Promise<void>;
  /** Ends the measured window: each domain finishes what it has. Resolves when all have said what they measured. */
  finish(): Promise<void>;
  /** Resolves when the person who runs the machine wants it to finish. */
  readonly finishRequested: Promise<void>;
  /** Aborted when the machine has failed, or must end early: undo what was done, and throw. */
  readonly signal: AbortSignal;
}

/** Decides when phases begin. The machine ends after it. When it rejects, the machine has failed with its reason. */
export type Conductor = (phases: Phases) => Promise<void>;

/** How long to work, in nanoseconds. */
export interface RunWindow {
  /** Unmeasured. */
  readonly warmupNs: number;
  /** Measured. */
  readonly durationNs: number;
  /** Into how many pieces the measured time is cut, 1 … `MAX_PIECES`; 1 when absent. */
  readonly windows?: number;
}

const NS_PER_MS = 1e6;

/** Fewest nanoseconds of a piece of the window: the clock of CPU time and the scheduler are coarse. */
const SHORTEST_PIECE_NS = 10e6;

/**
 * Measures for a time, after some warm-up.
 *
 * @param beginPiece told the number of each piece of the window but the first, from 1, when it begins
 */
export function timedWindow(window: RunWindow, beginPiece: (piece: number) => void = () => {}): Conductor {
  const { warmupNs, durationNs } = window;
  const pieces = piecesOf(window);
  return async ({ measure, finish, signal }) => {
    await delay(warmupNs, signal);
    await measure();
    const startedAt = performance.now();
    for (let piece = 1; piece <= pieces; piece++) {
      const dueNs = (durationNs * piece) / pieces;
      await delay(Math.max(0, dueNs - (performance.now() - startedAt) * NS_PER_MS), signal);
      if (piece < pieces) beginPiece(piece);
    }
    await finish();
  };
}

/** Into how many pieces a window is cut: as many as it says, of at least 10 ms each. */
export function piecesOf({ durationNs, windows = 1 }: RunWindow): number {
  return Math.max(1, Math.min(windows, Math.floor(durationNs / SHORTEST_PIECE_NS)));
}

/** Measures until somebody wants it to finish. */
export const untilFinished: Conductor = async ({ measure, finish, finishRequested, signal }) => {
  await measure();
  await unlessAborted(finishRequested, signal);
  await finish();
};

function delay(ns: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ns / NS_PER_MS);
  return unlessAborted(promise, signal).finally(() => clearTimeout(timer));
}

/** As the promise, but rejects with the signal's reason when that is aborted. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
