/**
 * The measured window of one domain.
 *
 * The domain's loop asks {@link MeasurementWindow.observe} for its command at every turn; when the command changes to
 * Measure the window notes all counters, and when it changes to Finish it reports by how much they grew. So the window
 * is cut by the domain's own thread, at a known point of its loop, and by its own clock. Its pieces are cut in the same way:
 * their number is part of the word that is looked at anyway, so they cost the loop nothing.
 *
 * @module
 */

import { Command, commandIn, type DomainControl, pieceIn } from "./control.ts";
import type { DomainReport, DomainSample, OperationSample } from "./report.ts";
import type { PushCounters } from "../link_end.ts";
import type { OperationMeter } from "../measure/meter.ts";
import { MAX_PIECES, PieceRecorder } from "../measure/pieces.ts";
import { type ThreadUsage, threadUsage } from "../measure/thread.ts";
import type { WaitCounters } from "../waiter.ts";

const NS_PER_MS = 1e6;

/** What is measured. */
export interface Measured {
  /** The domain's waits. */
  readonly waits: WaitCounters;
  /** The pushes of its ends of links. */
  readonly pushes: readonly PushCounters[];
  /** The operations of its workload; null for a driver. */
  readonly meter: OperationMeter | null;
  /** The cores that the thread was confined to. */
  readonly confinedTo: readonly number[] | null;
}

interface Snapshot {
  readonly at: number;
  readonly usage: ThreadUsage;
  readonly waits: WaitCounters;
  readonly sent: number;
  readonly suppressed: number;
  readonly heapBytes: number;
}

/** Cuts the window of one domain. */
export class MeasurementWindow {
  readonly #control: DomainControl;
  readonly #measured: Measured;
  readonly #report: (report: DomainReport) => void;
  readonly #pieces: PieceRecorder;
  /** The word that was seen last: the command, and the piece of the window. */
  #word: number = Command.Boot;
  #command: number = Command.Boot;
  #start: Snapshot | undefined;

  /** A window that has not begun. What it measures is given to `report` when it is over. */
  constructor(control: DomainControl, measured: Measured, report: (report: DomainReport) => void) {
    this.#control = control;
    this.#measured = measured;
    this.#report = report;
    this.#pieces = new PieceRecorder(measured.waits, measured.meter);
  }

  /** The current command. Shows a sign of life. On the hot path. */
  observe(): number {
    this.#control.beat();
    const word = this.#control.peekCommandWord();
    if (word !== this.#word) this.#changed(word);
    return this.#command;
  }

  #changed(word: number): void {
    const command = commandIn(word);
    const begins = command !== this.#command;
    this.#word = word;
    this.#command = command;
    if (!begins) {
      this.#pieces.cut(pieceIn(word));
    } else if (command === Command.WarmUp) {
      this.#measured.meter?.restart(true);
    } else if (command === Command.Measure) {
      this.#measured.meter?.restart();
      this.#start = this.#snapshot();
      this.#pieces.begin();
      this.#report({ type: "measuring" });
    } else if (command === Command.Finish && this.#start !== undefined) {
      this.#pieces.cut(MAX_PIECES);
      this.#report({ type: "sample", sample: this.#sample(this.#start, this.#snapshot()) });
      this.#start = undefined;
    }
  }

  #snapshot(): Snapshot {
    let sent = 0;
    let suppressed = 0;
    for (const pushes of this.#measured.pushes) {
      sent += pushes.sent;
      suppressed += pushes.suppressed;
    }
    const heapBytes = Deno.memoryUsage().heapUsed;
    return {
      at: performance.now(),
      usage: threadUsage(),
      waits: { ...this.#measured.waits },
      sent,
      suppressed,
      heapBytes,
    };
  }

  #sample(start: Snapshot, end: Snapshot): DomainSample {
    const linked = this.#measured.pushes.length > 0;
    const grown = (key: keyof WaitCounters): number => end.waits[key] - start.waits[key];
    const voluntary = difference(start.usage.voluntarySwitches, end.usage.voluntarySwitches);
    const involuntary = difference(start.usage.involuntarySwitches, end.usage.involuntarySwitches);
    const { meter } = this.#measured;
    return {
      durationNs: Math.round((end.at - start.at) * NS_PER_MS),
      cpuNs: difference(start.usage.cpuNs, end.usage.cpuNs),
      contextSwitches: voluntary === null || involuntary === null ? null : { voluntary, involuntary },
      cpus: start.usage.cpu === null || end.usage.cpu === null
        ? null
        : [...new Set([start.usage.cpu, end.usage.cpu])].sort((a, b) => a - b),
      confinedTo: this.#measured.confinedTo,
      heapGrowthBytes: end.heapBytes - start.heapBytes,
      notifications: linked ? { sent: end.sent - start.sent, suppressed: end.suppressed - start.suppressed } : null,
      waits: linked
        ? {
          spinHits: grown("spinHits"),
          spinMisses: grown("spinMisses"),
          sleeps: grown("sleeps"),
          spunNs: Math.round(grown("spunNs")),
          lostNs: Math.round(grown("lostNs")),
          sleptNs: Math.round(grown("sleptNs")),
        }
        : null,
      operations: meter === null ? null : operationSample(meter),
      pieces: this.#pieces.recorded(),
    };
  }
}

function operationSample(meter: OperationMeter): OperationSample {
  const { operations, bytes, errors, flushes } = meter;
  const [latencies, lateness] = [meter.latencies.recorded(), meter.lateness.recorded()];
  return { operations, bytes, errors, flushes, latencies, lateness };
}

function difference(start: number | null, end: number | null): number | null {
  return start === null || end === null ? null : end - start;
}
