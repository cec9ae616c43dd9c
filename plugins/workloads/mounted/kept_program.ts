/**
 * A program that runs beside others, such as one that presents an export.
 *
 * @module
 */

import { WorkloadError } from "../../../core/errors.ts";

const LOOK_MS = 5;
/** How long it may take to begin. */
const START_MS = 30_000;
/** How long it may take to end. */
const END_MS = 5000;
/** How much of what it says is kept for a message. */
const TOLD_CHARACTERS = 500;

/** A program at work. */
export class KeptProgram {
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #said: Promise<void>;
  #errors = "";
  #status: Deno.CommandStatus | undefined;

  /** Starts it, in a group of its own: Ctrl-C in a terminal is not for it. */
  constructor([name, ...args]: readonly string[]) {
    this.#name = name;
    const streams = { stdin: "null", stdout: "null", stderr: "piped" } as const;
    this.#child = new Deno.Command(name, { args, detached: true, ...streams }).spawn();
    this.#said = this.#listen();
    this.#child.status.then((status) => this.#status = status);
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#status !== undefined;
  }

  /** What it has said of what went wrong, and how it ended if it has; empty if nothing. */
  async lastWords(): Promise<string> {
    if (this.#status !== undefined) await this.#said;
    const told = this.#errors.trim().slice(-TOLD_CHARACTERS);
    if (this.#status === undefined) return told === "" ? "" : `${this.#name} said: ${told}`;
    const { code, signal } = this.#status;
    const how = signal === null ? `ended with status ${code}` : `was killed by ${signal}`;
    return `${this.#name} ${how}${told === "" ? "" : `: ${told}`}`;
  }

  /**
   * Waits until it has begun.
   *
   * @returns false when it ended instead
   * @throws {WorkloadError} when it does neither
   * @throws the signal's reason when that is aborted
   */
  async begins(hasBegun: () => boolean, signal: AbortSignal): Promise<boolean> {
    const until = performance.now() + START_MS;
    for (;;) {
      signal.throwIfAborted();
      if (this.ended) return false;
      if (hasBegun()) return true;
      if (performance.now() > until) throw new WorkloadError(`${this.#name} did not begin within ${START_MS / 1000} s`);
      await delay();
    }
  }

  /**
   * Waits until it has ended.
   *
   * @throws {WorkloadError} when it does not
   */
  async ends(): Promise<void> {
    const until = performance.now() + END_MS;
    while (!this.ended) {
      if (performance.now() > until) throw new WorkloadError(`${this.#name} did not end within ${END_MS / 1000} s`);
      await delay();
    }
  }

  async #listen(): Promise<void> {
    for await (const chunk of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#errors = (this.#errors + chunk).slice(-2 * TOLD_CHARACTERS);
    }
  }
}

function delay(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
