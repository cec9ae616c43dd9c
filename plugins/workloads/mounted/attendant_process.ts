/**
 * The conductor's end of the attendant: starts it in namespaces of its own, and makes sure that it ends.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { WorkloadError } from "../../../core/errors.ts";
import { unlessAborted } from "../../../core/phases.ts";
import type { AttendantJob, AttendantMessage, AttendantOrder } from "./job.ts";
import { linesOf } from "./lines.ts";

/** How long the attendant may take to put everything back, once it was told to give up. */
const UNDO_MS = 20_000;
/** How much of what the attendant says besides its messages is kept for a message. */
const TOLD_CHARACTERS = 1000;

/** Namespaces of its own; and it does not outlive `unshare`. Mounts made there are seen nowhere else. */
const UNSHARE = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** The program by which the attendant is started. */
export const UNSHARE_PROGRAM = "unshare";

/** An attendant at work. */
export class AttendantProcess {
  readonly #child: Deno.ChildProcess;
  readonly #messages: AsyncGenerator<string, void>;
  readonly #errors: Promise<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  /**
   * Starts it and gives it its job.
   *
   * @throws {WorkloadError} when there is no `unshare`
   */
  constructor(job: AttendantJob) {
    const script = fileURLToPath(import.meta.resolve("./attendant.ts"));
    // It is allowed everything: it opens devices, and runs programs that are allowed everything anyhow.
    const deno = [Deno.execPath(), "run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--allow-all", script];
    try {
      this.#child = new Deno.Command(UNSHARE_PROGRAM, {
        args: [...UNSHARE, ...deno],
        detached: true, // Ctrl-C in a terminal is for the runner, which tells all others what it means.
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
    } catch (cause) {
      if (!(cause instanceof Deno.errors.NotFound)) throw cause;
      throw new WorkloadError(
        "The device cannot be attached: there is no program unshare; on Debian, install util-linux",
      );
    }
    this.#messages = linesOf(this.#child.stdout);
    this.#errors = new Response(this.#child.stderr).text();
    this.#input = this.#child.stdin.getWriter();
    this.#write(JSON.stringify(job));
  }

  /** The process that all of it ends with. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Tells it what to do next. */
  order(order: AttendantOrder): void {
    this.#write(order);
  }

  /**
   * What it says next, which must be of one type.
   *
   * @throws {WorkloadError} when it has failed or ended
   * @throws the signal's reason when that is aborted
   */
  async next<Type extends AttendantMessage["type"]>(
    type: Type,
    signal: AbortSignal,
  ): Promise<Extract<AttendantMessage, { type: Type }>> {
    const { value, done } = await unlessAborted(this.#messages.next(), signal);
    if (done) throw await this.#death();
    const message: AttendantMessage = JSON.parse(value);
    if (message.type === "failed") throw new WorkloadError(message.message);
    if (message.type !== type) throw new WorkloadError(`The attendant said ${message.type} where ${type} is due`);
    return message as Extract<AttendantMessage, { type: Type }>;
  }

  /** Waits for its end; if it has not done all that it should, it is told to put everything back first. */
  async close(): Promise<void> {
    this.order("abort");
    const timer = setTimeout(() => this.#kill(), UNDO_MS);
    try {
      // What it says now is not heard any more, but must not keep it from ending.
      while (!(await this.#messages.next()).done);
      await this.#child.status;
      await this.#input.close().catch(() => {});
      await this.#errors;
    } finally {
      clearTimeout(timer);
    }
  }

  async #death(): Promise<WorkloadError> {
    const [{ code, signal }, errors] = await Promise.all([this.#child.status, this.#errors]);
    if (/Operation not permitted|Permission denied/.test(errors)) {
      return new WorkloadError(
        `The device cannot be attached: it takes root to mount and to attach (${errors.trim()})`,
      );
    }
    const how = signal === null ? `ended with status ${code}` : `was killed by ${signal}`;
    const said = errors.trim().slice(-TOLD_CHARACTERS);
    return new WorkloadError(`The attendant, which mounts the device, ${how}${said === "" ? "" : `: ${said}`}`);
  }

  #write(line: string): void {
    // It may have ended; that is found when it is listened to.
    this.#input.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }
}
