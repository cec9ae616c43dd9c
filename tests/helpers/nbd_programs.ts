/**
 * NBD servers that others have written, on Unix sockets: nbdkit and qemu-nbd.
 *
 * @module
 */

import assert from "node:assert/strict";

/** Looks for a server that has ended, of 20 ms each. */
const LOOKS = 1500;

/** Why tests that need a program are skipped, or null. */
export function programRefusal(program: string): string | null {
  try {
    new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
    return null;
  } catch {
    return `${program} is not installed`;
  }
}

/** A server in the background. */
export class NbdProgram {
  /** What to connect to. */
  readonly uri: string;
  readonly #directory: string;
  readonly #start: () => void;
  #pid = 0;

  private constructor(directory: string, start: (socket: string, pidFile: string) => Deno.Command) {
    this.#directory = directory;
    this.uri = `nbd+unix:///?socket=${encodeURIComponent(`${directory}/socket`)}`;
    this.#start = () => {
      Deno.removeSync(directory, { recursive: true });
      Deno.mkdirSync(directory);
      const { success, stderr } = start(`${directory}/socket`, `${directory}/pid`).outputSync();
      assert(success, new TextDecoder().decode(stderr));
      this.#pid = Number(Deno.readTextFileSync(`${directory}/pid`));
    };
    this.#start();
  }

  /** nbdkit; it listens when this returns. */
  static nbdkit(...args: readonly string[]): NbdProgram {
    return new NbdProgram(Deno.makeTempDirSync({ prefix: "iddr-nbd-" }), (socket, pidFile) => {
      // It goes to the background and keeps no pipe of ours open.
      const all = ["-U", socket, "-P", pidFile, ...args];
      return new Deno.Command("nbdkit", { args: all, stdin: "null", stdout: "null", stderr: "null" });
    });
  }

  /** qemu-nbd of a raw file, for any number of clients; it listens when this returns. */
  static qemuNbd(path: string, ...args: readonly string[]): NbdProgram {
    return new NbdProgram(Deno.makeTempDirSync({ prefix: "iddr-nbd-" }), (socket, pidFile) => {
      const all = ["--fork", "--persistent", "-f", "raw", "-k", socket, `--pid-file=${pidFile}`, ...args, path];
      return new Deno.Command("qemu-nbd", { args: all, stdin: "null", stdout: "null", stderr: "null" });
    });
  }

  /** Sends it a signal. */
  signal(signal: Deno.Signal): void {
    Deno.kill(this.#pid, signal);
  }

  /** Kills it, and waits until it is dead. */
  kill(): void {
    this.signal("SIGKILL");
    for (let look = 0; look < LOOKS && this.#isAlive(); look++) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
    assert(!this.#isAlive(), "it was not killed");
    this.#pid = 0;
  }

  /** Starts it again, after {@link kill}. */
  restart(): void {
    this.#start();
  }

  /** Nobody but the first process may reap it: a zombie is as good as dead. */
  #isAlive(): boolean {
    try {
      return !/^State:\s+[ZX]/m.test(Deno.readTextFileSync(`/proc/${this.#pid}/status`));
    } catch {
      return false;
    }
  }

  [Symbol.dispose](): void {
    if (this.#pid !== 0) this.kill();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}
