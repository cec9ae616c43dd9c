/**
 * Programs, run to their end.
 *
 * @module
 */

import { WorkloadError } from "../../../core/errors.ts";

/** What a program printed. */
export interface CommandOutput {
  /** The end of what it printed on its standard output. */
  readonly stdout: string;
  /** The end of what it printed on its standard error. */
  readonly stderr: string;
}

/** How long a program may take to end in order once it was told to. */
const GRACE_MS = 2000;
/** How much of what a program prints is kept: its end. */
const KEPT_BYTES = 1 << 20;
/** How much of that is in a message, when it failed. */
const TOLD_CHARACTERS = 500;

/**
 * Goes into a folder and becomes a program whose output goes to files: a pipe would be open for as long as any program
 * is that the first one leaves behind. The folder may be one on which a file-system call never returns.
 */
const IN_FOLDER = 'exec >"$1" 2>"$2"; cd -- "$3" || exit; shift 3; exec "$@"';

/** How a program runs. */
export interface ProgramOptions {
  /** Ends it early, with all that it has started. */
  readonly signal: AbortSignal;
}

/**
 * Runs a program of ours, whose output is short.
 *
 * @returns what it printed on its standard output
 * @throws {WorkloadError} when it fails
 * @throws the signal's reason when that is aborted
 */
export async function runProgram(argv: readonly string[], { signal }: ProgramOptions): Promise<string> {
  const child = spawn(argv, "piped");
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  const status = await statusOf(child, signal);
  const [stdout, stderr] = await output;
  if (!status.success) throw failure(argv, status, { stdout, stderr });
  return stdout;
}

/** Where a {@link runCommand} happens. */
export interface CommandOptions extends ProgramOptions {
  /** Its working directory. */
  readonly directory: string;
  /** A folder for its output. */
  readonly folder: string;
}

/**
 * Runs somebody's command, in a language in which its figures can be read.
 *
 * @returns what it printed
 * @throws {WorkloadError} when it fails
 * @throws the signal's reason when that is aborted
 */
export async function runCommand(
  argv: readonly string[],
  { signal, directory, folder }: CommandOptions,
): Promise<CommandOutput> {
  const [stdoutFile, stderrFile] = [`${folder}/stdout`, `${folder}/stderr`];
  const child = spawn(["sh", "-c", IN_FOLDER, "sh", stdoutFile, stderrFile, directory, ...argv], "null");
  const status = await statusOf(child, signal);
  const output = { stdout: await endOf(stdoutFile), stderr: await endOf(stderrFile) };
  if (!status.success) throw failure(argv, status, output);
  return output;
}

/** Each program leads a group of its own, and has no terminal: Ctrl-C there is not for it. */
function spawn([program, ...args]: readonly string[], output: "piped" | "null"): Deno.ChildProcess {
  const streams = { stdin: "null", stdout: output, stderr: output } as const;
  return new Deno.Command(program, { args, env: { LC_ALL: "C" }, detached: true, ...streams }).spawn();
}

/** How a program ended. When the signal is aborted it ends with its group, in order if it can. */
async function statusOf(child: Deno.ChildProcess, signal: AbortSignal): Promise<Deno.CommandStatus> {
  const timers: ReturnType<typeof setTimeout>[] = [];
  const end = (): void => {
    signalGroup(child.pid, "SIGTERM");
    timers.push(setTimeout(() => signalGroup(child.pid, "SIGKILL"), GRACE_MS));
  };
  if (signal.aborted) end();
  else signal.addEventListener("abort", end);
  try {
    const status = await child.status;
    signal.throwIfAborted();
    return status;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

function signalGroup(leader: number, name: Deno.Signal): void {
  try {
    Deno.kill(-leader, name);
  } catch {
    // It has ended already.
  }
}

function failure(argv: readonly string[], { code, signal }: Deno.CommandStatus, output: CommandOutput): WorkloadError {
  const how = signal === null ? `failed with status ${code}` : `was killed by ${signal}`;
  const said = `${output.stdout.trim()}\n${output.stderr.trim()}`.trim().slice(-TOLD_CHARACTERS).trim();
  return new WorkloadError(`${argv.join(" ")} ${how}${said === "" ? ", and said nothing" : `: ${said}`}`);
}

async function text(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  return (await new Response(stream).text()).slice(-KEPT_BYTES);
}

/** The end of a file; empty where there is none, as the program could not begin. */
async function endOf(path: string): Promise<string> {
  using file = await Deno.open(path).catch(() => null);
  if (file === null) return "";
  const { size } = await file.stat();
  await file.seek(Math.max(0, size - KEPT_BYTES), Deno.SeekMode.Start);
  return await new Response(file.readable).text();
}
