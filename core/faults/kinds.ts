/**
 * The faults of a campaign: what is done, where, and what must come of it.
 *
 * @module
 */

/** Where in the protocol a driver is when a fault happens to it. */
export const Step = {
  /** Anywhere: nothing waits for the driver to come to it. */
  Any: 0,
  /** Everything is made, and nothing offered. */
  Setup: 1,
  /** It has offered the device: it is InitWait. */
  Offered: 2,
  /** The frontend is Initialised, and the driver not yet Connected. */
  Initialised: 3,
  /** It is Connected, and the frontend has not been told. */
  Connected: 4,
  /** It has nothing to do and is about to wait. */
  Idle: 5,
  /** A request was taken from the ring, and the device has seen nothing of it. */
  Taken: 6,
  /** The device has done half of a request; one that completes later has it. */
  Device: 7,
  /** The device has done a request, and nothing is answered. */
  Done: 8,
  /** An answer is published, and the frontend not yet notified. */
  Published: 9,
  /** The frontend was notified. */
  Notified: 10,
  /** The frontend is Closing. */
  Closing: 11,
  /** The driver is Closed, and the frontend has not been told. */
  Closed: 12,
} as const;

/** One of {@link Step}'s values. */
export type Step = typeof Step[keyof typeof Step];

/** The steps of a driver that connects: to be there, it must be started anew first. */
const HANDSHAKE: readonly Step[] = [Step.Setup, Step.Offered, Step.Initialised, Step.Connected];
/** The steps at which it has requests. */
const WORK: readonly Step[] = [Step.Idle, Step.Taken, Step.Device, Step.Done, Step.Published, Step.Notified];
const CLOSING: readonly Step[] = [Step.Closing, Step.Closed];
const ALL: readonly Step[] = [...HANDSHAKE, ...WORK, ...CLOSING];

/** What a saboteur does in its domain, as a word of its page. */
export const Deed = {
  /** Holds the driver where it is, for what is done to it from outside. */
  Hold: 1,
  Throw: 2,
  Exit: 3,
  Loop: 4,
  Grow: 5,
  /** The request fails. */
  Fail: 6,
  Delay: 7,
  ResponseId: 8,
  ResponseSequence: 9,
  ResponseOperation: 10,
  ResponseStatus: 11,
  ResponseRepeated: 12,
  ResponseIndex: 13,
  RequestReference: 14,
  RequestSegments: 15,
  RequestId: 16,
  RequestOperation: 17,
  RequestIndex: 18,
  LoseNotification: 19,
  RepeatNotification: 20,
} as const;

/** One of {@link Deed}'s values. */
export type Deed = typeof Deed[keyof typeof Deed];

/** What is done from the hypervisor's process, to a process or to words that are shared. */
export type OutsideDeed =
  | ("SIGKILL" | "SIGSTOP" | "kill-standby" | "mask" | "ring")
  | ("backend-state" | "frontend-state" | "frontend-leaves");

/**
 * What must come of a fault, which is how it is known to have been detected:
 *
 * | outcome | means |
 * |---|---|
 * | `recovered` | the driver's failure was noticed, another took over and answered |
 * | `failed` | exactly one operation failed in the workload, and no driver did |
 * | `absorbed` | operations went on to be answered, and none failed |
 * | `ended` | the connection ended with an error that says why, and with it the machine |
 */
export type Outcome = "recovered" | "failed" | "absorbed" | "ended";

/** One kind of fault. */
export interface FaultKind {
  /** Its name. */
  readonly name: string;
  /** What the driver does to itself; null where that is done from outside alone. */
  readonly deed: Deed | null;
  /** What is done from outside, once the driver is held or at any time. */
  readonly outside: OutsideDeed | null;
  /** Where. */
  readonly steps: readonly Step[];
  /** What must come of it. */
  readonly outcome: Outcome;
  /** How often it is drawn, beside the others. */
  readonly weight: number;
  /** What the machine must have for it. */
  readonly needs?: keyof FaultNeeds;
}

/** What not every machine has that some faults need. */
export interface FaultNeeds {
  /** Whether the next driver's process is kept ready. */
  readonly standby: boolean;
}

function kind(
  name: string,
  how: Deed | OutsideDeed | readonly [Deed, OutsideDeed],
  steps: readonly Step[],
  outcome: Outcome,
  weight = 4,
  needs?: keyof FaultNeeds,
): FaultKind {
  const both = typeof how === "object" ? how : null;
  const deed = both?.[0] ?? (typeof how === "number" ? how : null);
  const outside = both?.[1] ?? (typeof how === "string" ? how : null);
  return { name, deed, outside, steps, outcome, weight, needs };
}

const AT_A_REQUEST: readonly Step[] = [Step.Taken, Step.Device, Step.Done];
const NOT_AT_A_REQUEST: readonly Step[] = ALL.filter((step) => !AT_A_REQUEST.includes(step));
const ANY: readonly Step[] = [Step.Any];

/** All kinds. Those that hang the driver cost a `recovery.hangTimeout` each, and are drawn more rarely. */
export const FAULT_KINDS: readonly FaultKind[] = [
  kind("kill", [Deed.Hold, "SIGKILL"], ALL.filter((step) => step !== Step.Device), "recovered", 16),
  kind("kill-any-time", "SIGKILL", ANY, "recovered", 8),
  kind("kill-standby", "kill-standby", ANY, "absorbed", 4, "standby"),
  kind("torn-transfer", [Deed.Hold, "SIGKILL"], [Step.Device], "recovered", 6),
  kind("stop", [Deed.Hold, "SIGSTOP"], ALL, "recovered", 2),
  kind("stop-any-time", "SIGSTOP", ANY, "recovered", 1),
  kind("loop", Deed.Loop, ALL, "recovered", 2),
  kind("grow", Deed.Grow, [Step.Idle, Step.Taken], "recovered", 1),
  kind("throw", Deed.Throw, NOT_AT_A_REQUEST, "recovered", 8),
  kind("exit", Deed.Exit, ALL, "recovered", 10),
  kind("device-throws", Deed.Throw, AT_A_REQUEST, "failed"),
  kind("device-error", Deed.Fail, [Step.Taken, Step.Done], "failed"),
  kind("short-transfer", Deed.Fail, [Step.Device], "failed"),
  kind("delay", Deed.Delay, ALL, "absorbed"),
  kind("response-id", Deed.ResponseId, [Step.Done], "recovered"),
  kind("response-sequence", Deed.ResponseSequence, [Step.Done], "recovered"),
  kind("response-operation", Deed.ResponseOperation, [Step.Done], "recovered"),
  kind("response-status", Deed.ResponseStatus, [Step.Done], "recovered"),
  kind("response-repeated", Deed.ResponseRepeated, [Step.Done], "recovered"),
  kind("response-index", Deed.ResponseIndex, [Step.Done], "recovered"),
  kind("request-reference", Deed.RequestReference, [Step.Idle], "failed"),
  kind("request-segments", Deed.RequestSegments, [Step.Idle], "failed"),
  kind("request-id", Deed.RequestId, [Step.Idle], "recovered"),
  kind("request-operation", Deed.RequestOperation, [Step.Idle], "recovered"),
  kind("request-index", Deed.RequestIndex, [Step.Idle], "ended", 1),
  kind("frontend-state", "frontend-state", ANY, "ended", 1),
  kind("frontend-leaves", "frontend-leaves", ANY, "recovered", 2),
  kind("backend-state", "backend-state", ANY, "recovered"),
  kind("lost-notification", Deed.LoseNotification, [Step.Published], "absorbed"),
  kind("lost-doorbell", "mask", ANY, "absorbed"),
  kind("repeated-notification", Deed.RepeatNotification, [Step.Notified], "absorbed"),
  kind("spurious-notification", "ring", ANY, "absorbed"),
];

/** One fault to do. */
export interface Fault {
  /** Of which kind. */
  readonly kind: FaultKind;
  /** Where. */
  readonly step: Step;
  /** How often the driver passes that step before. */
  readonly skip: number;
  /** A number of 31 random bits, of which the deed makes what it needs. */
  readonly value: number;
}

/** Whether a driver must be started anew to come to a step. */
export function isHandshake(step: Step): boolean {
  return HANDSHAKE.includes(step);
}

/** Whether a driver comes to a step only when the machine ends. */
export function isClosing(step: Step): boolean {
  return CLOSING.includes(step);
}

/** A step's name, as reports have it. */
export function stepName(step: Step): string {
  const [name = ""] = Object.entries(Step).find(([, value]) => value === step) ?? [];
  return name.replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}

/** How often a step is passed before a fault at most: work is passed all the time, the handshake once. */
const MAX_SKIP: Readonly<Partial<Record<Step, number>>> = {
  [Step.Idle]: 30,
  [Step.Taken]: 100,
  [Step.Device]: 100,
  [Step.Done]: 100,
  [Step.Published]: 10,
  [Step.Notified]: 10,
};

/** Draws faults by a generator of numbers from 0 to 1. */
export class FaultSource {
  readonly #random: () => number;
  readonly #kinds: readonly FaultKind[];

  /** The same generator gives the same faults of the same machine. */
  constructor(random: () => number, machine: FaultNeeds) {
    this.#random = random;
    this.#kinds = FAULT_KINDS.filter(({ needs }) => needs === undefined || machine[needs]);
  }

  /** Draws a fault. */
  next(): Fault {
    return this.#draw((step) => !isClosing(step));
  }

  /** Draws a fault of a driver that ends. */
  nextAtEnd(): Fault {
    return this.#draw(isClosing);
  }

  #draw(at: (step: Step) => boolean): Fault {
    const among = this.#kinds.filter(({ steps }) => steps.some(at));
    let left = this.#random() * among.reduce((sum, { weight }) => sum + weight, 0);
    const kind = among.find(({ weight }) => (left -= weight) < 0) ?? among[0];
    const steps = kind.steps.filter(at);
    const step = steps[this.#below(steps.length)];
    return { kind, step, skip: this.#below((MAX_SKIP[step] ?? 0) + 1), value: this.#below(2 ** 31) };
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}
