/**
 * The program in C over Xen's own headers (`peer.c` and what it includes): compiles it, and runs it at the other end of a
 * link.
 *
 * @module
 */

import { handingOn } from "../../core/descriptor.ts";
import { EventFd } from "../../core/event_fd.ts";
import { FRAME_SIZE } from "../../core/memory.ts";
import { MemoryFile } from "../../core/memory_file.ts";

const SOURCES = ["abi", "backend", "both", "end", "fileio", "frontend", "grants", "peer", "probe", "stamp", "verify"];
/** Xen's headers look at memory through several types, as the kernels that use them do. */
const FLAGS = ["-std=gnu11", "-O2", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Werror", "-pthread"];

/** Why there can be no such program here, or null. */
export function refusal(): string | null {
  try {
    const { success } = new Deno.Command("cc", {
      args: ["-fsyntax-only", "-include", "xen/xen-compat.h", "-x", "c", "/dev/null"],
      stderr: "null",
    }).outputSync();
    if (!success) return "there are no headers of Xen: install libxen-dev";
  } catch {
    return "there is no C compiler: install gcc and libc6-dev";
  }
  const doorbell = EventFd.create();
  doorbell?.close();
  return doorbell === null ? "the C library may not be called: allow --allow-ffi" : null;
}

/**
 * Compiles the program.
 *
 * @param folder where to put it
 * @returns its path
 * @throws {Error} with what the compiler says
 */
export function compile(folder: string): string {
  const program = `${folder}/xen-peer`;
  const sources = SOURCES.map((name) => new URL(`./${name}.c`, import.meta.url).pathname);
  const { success, stderr } = new Deno.Command("cc", { args: [...FLAGS, "-o", program, ...sources] }).outputSync();
  if (!success) throw new Error(`cc: ${new TextDecoder().decode(stderr)}`);
  return program;
}

/** The program for the tests of a file, which is gone after the last of them. */
export function programForTests(): { readonly missing: string | null; readonly program: string } {
  const missing = refusal();
  if (missing !== null) return { missing, program: "" };
  const folder = Deno.makeTempDirSync();
  Deno.test.afterAll(() => Deno.removeSync(folder, { recursive: true }));
  return { missing, program: compile(folder) };
}

/** What the program is told: the keys of `peer.c`. */
export type Settings = Readonly<Record<string, number>>;

function argumentsOf(role: string, settings: Settings): string[] {
  return [role, ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)];
}

/**
 * Runs the program to its end.
 *
 * @returns what it prints, a line of JSON
 * @throws {Error} with what it says on its standard error, when it fails
 */
export async function runProgram<Outcome>(program: string, role: string, settings: Settings = {}): Promise<Outcome> {
  return parse(await new Deno.Command(program, { args: argumentsOf(role, settings) }).output());
}

function parse<Outcome>({ success, stdout, stderr, signal }: Deno.CommandOutput): Outcome {
  const [printed, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(said.trim() || `the C program was ended by ${signal}`);
  return JSON.parse(printed);
}

/** The program, running at the other end of a link. */
export interface RunningPeer<Outcome> extends AsyncDisposable {
  /** What it prints in the end. */
  outcome(): Promise<Outcome>;
}

/** What a link to another process consists of: the region, both event pages and both doorbells. */
export class SharedLink implements Disposable {
  readonly region: MemoryFile;
  readonly events: MemoryFile;
  readonly peerEvents: MemoryFile;
  readonly doorbell: EventFd;
  readonly peerDoorbell: EventFd;

  /** @param frameCount frames of the region */
  constructor(frameCount: number) {
    this.region = MemoryFile.create(frameCount * FRAME_SIZE);
    this.events = MemoryFile.create(FRAME_SIZE);
    this.peerEvents = MemoryFile.create(FRAME_SIZE);
    this.doorbell = EventFd.create() as EventFd;
    this.peerDoorbell = EventFd.create() as EventFd;
  }

  /**
   * Starts the program at the other end.
   *
   * @param descriptors keys whose values are descriptors that it is handed besides
   */
  start<Outcome>(
    program: string,
    role: string,
    settings: Settings,
    descriptors: Settings = {},
  ): RunningPeer<Outcome> {
    const shared = {
      region: this.region.descriptor,
      events: this.peerEvents.descriptor,
      peer_events: this.events.descriptor,
      doorbell: this.peerDoorbell.descriptor,
      peer_doorbell: this.doorbell.descriptor,
      ...descriptors,
    };
    const args = argumentsOf(role, { ...shared, ...settings });
    const command = new Deno.Command(program, { args, stdout: "piped", stderr: "piped" });
    const child = handingOn(Object.values(shared), () => command.spawn());
    const ended = child.output();
    return {
      outcome: async () => parse(await ended),
      async [Symbol.asyncDispose]() {
        try {
          child.kill("SIGKILL");
        } catch {
          // It has ended.
        }
        await ended;
      },
    };
  }

  [Symbol.dispose](): void {
    for (const each of [this.region, this.events, this.peerEvents, this.doorbell, this.peerDoorbell]) each.close();
  }
}
