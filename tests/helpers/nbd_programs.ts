/**
 * NBD servers that others have written, on Unix sockets: nbdkit and qemu-nbd.
 *
 * @module
 */

/** Why tests that need a program are skipped, or null. */
export function programRefusal(program: string): string | null {
  try {
    new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
    return null;
  } catch {
    return `${program} is not installed`;
  }
}

/** A server, which listens soon after it was made: a client must wait for it. */
export class NbdProgram {
  /** What to connect to. */
  readonly uri: string;
  readonly #directory: string;
  readonly #program: string;
  readonly #args: readonly string[];
  #child: Deno.ChildProcess | null = null;

  private constructor(program: string, argsOf: (socket: string) => readonly string[]) {
    this.#directory = Deno.makeTempDirSync({ prefix: "iddr-nbd-client-" });
    const socket = `${this.#directory}/socket`;
    this.uri = `nbd+unix:///?socket=${encodeURIComponent(socket)}`;
    this.#program = program;
    this.#args = argsOf(socket);
    this.start();
  }

  /** nbdkit. */
  static nbdkit(...args: readonly string[]): NbdProgram {
    return new NbdProgram("nbdkit", (socket) => ["--foreground", "-U", socket, ...args]);
  }

  /** qemu-nbd of a raw file, for client after client. */
  static qemuNbd(path: string, ...args: readonly string[]): NbdProgram {
    return new NbdProgram("qemu-nbd", (socket) => ["--persistent", "-f", "raw", "-k", socket, ...args, path]);
  }

  /** Starts it, again after {@link kill}. */
  start(): void {
    for (const { name } of Deno.readDirSync(this.#directory)) Deno.removeSync(`${this.#directory}/${name}`);
    const args = [...this.#args];
    this.#child = new Deno.Command(this.#program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  }

  /** Sends it a signal. */
  signal(signal: Deno.Signal): void {
    this.#child?.kill(signal);
  }

  /** Kills it, and waits until it is dead. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}
