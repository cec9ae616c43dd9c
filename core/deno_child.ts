/**
 * How a Deno process of this package's own is started: a machine process, or a domain that is a process.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { cLibraryPath } from "./measure/thread.ts";
import { permissionFlags, permissionsOf } from "./permissions.ts";
import type { PermissionNeeds } from "./plugin.ts";

/**
 * V8 without helper threads. They collect garbage and compile beside the thread whose work it is; but where every core
 * is taken by a domain that spins, they take it away from one (twice as many involuntary switches were counted).
 */
const WITHOUT_HELPERS = "--single-threaded";
/**
 * The same as far as it goes for a device that completes requests by events. `--single-threaded` also takes V8's
 * platform another way, on which `Atomics.waitAsync` is never settled, by which such a device's thread sleeps.
 */
const WITH_EVENTS = "--single-threaded-gc,--no-concurrent-recompilation,--no-concurrent-sparkplug";

/** What a domain may import of this package: the machine, the built-in plugins, and the entry for plugin authors. */
const OWN_MODULES = ["./", "../plugins/", "../mod.ts", "../deno.json", "../deno.lock"].map((path) =>
  new URL(path, import.meta.url)
);

/** A process to start. */
export interface DenoChild {
  /** URL of its main module. */
  readonly entry: string;
  /** URLs of the plugins that it imports. */
  readonly plugins: readonly string[];
  /** What they need to touch. */
  readonly needs: PermissionNeeds;
  /** The folder of the run that it may read and write; null for none. */
  readonly scratchDirectory: string | null;
  /** Whether a device of it may complete requests by events. */
  readonly events: boolean;
  /** Whether it may do everything. */
  readonly unconfined?: boolean;
  /** More options of V8. */
  readonly v8Flags?: readonly string[];
}

/** The arguments with which Deno runs it, with the fewest permissions that it can do with. */
export function denoArguments(child: DenoChild): string[] {
  const threads = child.events ? WITH_EVENTS : WITHOUT_HELPERS;
  return [
    ...["run", "--quiet", "--no-prompt"],
    ...(child.unconfined ? ["--allow-all"] : grantedFlags(child)),
    ...lockFlags(child.plugins),
    `--v8-flags=${[threads, ...(child.v8Flags ?? [])].join(",")}`,
    child.entry,
  ];
}

/** The folders and files whose modules it may import. */
export function importedPaths({ plugins }: Pick<DenoChild, "plugins">): string[] {
  const folders = plugins.filter((url) => !url.startsWith("npm:")).map((url) => new URL(".", url));
  return [...new Set([...OWN_MODULES, ...folders].map((url) => fileURLToPath(url)))];
}

function grantedFlags({ plugins, needs, scratchDirectory }: DenoChild): string[] {
  const scratch = scratchDirectory === null ? [] : [scratchDirectory];
  const library = cLibraryPath();
  return permissionFlags(permissionsOf({
    ...needs,
    read: [...importedPaths({ plugins }), ...scratch, ...(needs.read ?? [])],
    write: [...scratch, ...(needs.write ?? [])],
    ffi: [...(library === null ? [] : [library]), ...(needs.ffi ?? [])],
  }));
}

/**
 * What somebody else's plugin imports from npm is not in this package's lock file. The runner has fetched it when it read
 * what the plugin says of itself, so the process takes it out of the cache.
 */
function lockFlags(plugins: readonly string[]): string[] {
  return plugins.every((url) => OWN_MODULES.some(({ href }) => url.startsWith(href)))
    ? []
    : ["--no-lock", "--cached-only"];
}

/** How much of what a process says of its own is kept for a message. */
const KEPT_CHARACTERS = 2000;

/** How a process ended that should not have: `was killed by SIGKILL`, with what it said last. */
export function describeEnd({ code, signal }: Deno.CommandStatus, before: string, said: string): string {
  const how = signal === null ? `ended with status ${code}` : `was killed by ${signal}`;
  const last = said.trim().slice(-KEPT_CHARACTERS);
  return `${how} ${before}${last === "" ? "" : `: ${last}`}`;
}

/** Reads a stream to its end, and keeps what may be needed of it. */
export async function readLast(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text = (text + chunk).slice(-2 * KEPT_CHARACTERS);
  }
  return text;
}

/** Longest line of a machine process: 64 samples with all buckets of their latencies have a tenth of that. */
const MAX_LINE_CHARACTERS = 1 << 25;

/**
 * Takes the lines of a stream as they come, those alone that begin with `mark`. The last line of a process that was killed
 * may be half a line: it is left out. Of a line that does not end, no more is kept than the longest that anybody means.
 *
 * @param take given a line without its mark
 * @param maxCharacters the longest line
 */
export async function readMarkedLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  mark: string,
  take: (line: string) => void,
  maxCharacters: number = MAX_LINE_CHARACTERS,
): Promise<void> {
  let unfinished = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const [first, ...others] = chunk.split("\n");
    // What is there already is not looked at again with each chunk: a long line would cost more than it is long.
    if (unfinished.length < maxCharacters) unfinished = (unfinished + first).slice(0, maxCharacters);
    for (const next of others) {
      if (unfinished.startsWith(mark)) take(unfinished.slice(mark.length));
      unfinished = next.slice(0, maxCharacters);
    }
  }
}

/** Writes a line to standard output, whole: what is printed by a plugin does not run into it. */
export function printMarkedLine(mark: string, text: string): void {
  let bytes = new TextEncoder().encode(`\n${mark}${text}\n`);
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}

/** Reads lines one by one, and leaves the stream open. */
export class LineReader {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #unread = "";

  /** A reader at the stream's beginning. */
  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next line; what is left at the end of the stream counts as one. */
  async read(): Promise<string> {
    while (!this.#unread.includes("\n")) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      this.#unread += value;
    }
    const [line, ...rest] = this.#unread.split("\n");
    this.#unread = rest.join("\n");
    return line;
  }
}
