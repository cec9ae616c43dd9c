/**
 * Records every request into a file, for `replay` and for one's own programs.
 *
 * @module
 */

import { Status } from "../../core/blkif.ts";
import type { BlockRequest } from "../../core/block_device.ts";
import { DeviceError, messageOf } from "../../core/errors.ts";
import { passThrough } from "../../core/filter.ts";
import { API_VERSION, definePlugin, type FilterPlugin } from "../../core/plugin.ts";
import { z } from "../../core/schema.ts";
import { encodeHeader, RecordBuffer } from "../trace/format.ts";

/** Records that are kept before they are written: 160 KiB, which take some 0.1 ms where the page cache takes them. */
const KEPT_RECORDS = 4096;
/** So many are written when the thread has nothing else to do. */
const IDLE_RECORDS = 1024;
/** Whatever there is is written so long after the last time. */
const IDLE_MS = 1000;
const NS_PER_MS = 1e6;

const options = z.strictObject({
  directory: z.string().min(1).default("traces").describe(
    "The folder for the files, from the folder in which iddr runs. A driver in a strict sandbox needs it to be there.",
  ),
  name: z.string().regex(/^[a-zA-Z0-9][\w.-]*$/, "must be letters, digits, dots, hyphens and underscores").default(
    "trace",
  )
    .describe("How the files are called: NAME-1.trace, NAME-2.trace and so on, one for each driver that is started."),
  limit: z.int().min(1).default(10_000_000).describe("Requests that are recorded in a file, of 40 bytes each."),
});

/** The filter `trace`. */
const plugin: FilterPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "filter",
  name: "trace",
  description: "Records every request with its time, latency and status into a file.",
  options,
  counters: {
    tracedRequests: "Requests that were recorded.",
    untracedRequests: "Requests that were not, as the file has its limit or could not be written.",
  },
  permissions: ({ directory }) => ({ write: [directory] }),

  create({ directory, name, limit }, next, { layer, note }) {
    const file = new TraceFile(directory, name, limit, note);
    const startMs = performance.now();
    file.begin(encodeHeader(next.info, performance.timeOrigin + startMs));
    note(`the requests are recorded in ${file.path}`);

    const record = (request: BlockRequest, status: number): void => {
      const submittedMs = request.marks[layer];
      file.add(
        (submittedMs - startMs) * NS_PER_MS,
        (performance.now() - submittedMs) * NS_PER_MS,
        request.operation,
        request.offsetBytes,
        request.byteLength,
        status,
      );
    };
    return passThrough(next, {
      submit(request) {
        request.marks[layer] = performance.now();
        try {
          const done = next.submit(request);
          if (done) record(request, request.status);
          return done;
        } catch (thrown) {
          record(request, Status.Error);
          throw thrown;
        }
      },
      poll: next.poll && (() => {
        const request = next.poll?.() ?? null;
        if (request !== null) record(request, request.status);
        return request;
      }),
      idle() {
        file.idle();
        next.idle?.();
      },
      counters: () => ({ tracedRequests: file.recorded, untracedRequests: file.left }),
      close: () => file.close(),
    });
  },
});

export default plugin;

/** A trace that is being written. What it keeps is bounded, and so is what it writes. */
class TraceFile {
  readonly path: string;
  recorded = 0;
  left = 0;
  readonly #file: Deno.FsFile;
  readonly #kept = new RecordBuffer(KEPT_RECORDS);
  readonly #limit: number;
  readonly #note: (text: string) => void;
  #writtenAtMs = performance.now();
  /** Whether it can be written no more. */
  #failed = false;

  constructor(directory: string, name: string, limit: number, note: (text: string) => void) {
    this.#limit = limit;
    this.#note = note;
    try {
      Deno.mkdirSync(directory, { recursive: true });
      [this.path, this.#file] = createNext(directory, name);
    } catch (thrown) {
      throw new DeviceError(`Cannot make a trace in ${directory}: ${messageOf(thrown)}`, { cause: thrown });
    }
  }

  /** Writes the header. */
  begin(header: Uint8Array): void {
    this.#write(header);
  }

  /** Adds a record. On the hot path; once in some thousand times it writes them. */
  add(
    timeNs: number,
    latencyNs: number,
    operation: number,
    offsetBytes: number,
    byteLength: number,
    status: number,
  ): void {
    if (this.#failed || this.recorded === this.#limit) {
      this.left++;
      return;
    }
    this.#kept.add(timeNs, latencyNs, operation, offsetBytes, byteLength, status);
    this.recorded++;
    if (this.#kept.isFull) this.#writeKept();
  }

  /** The thread has nothing else to do. */
  idle(): void {
    const { count } = this.#kept;
    if (count >= IDLE_RECORDS || (count > 0 && performance.now() - this.#writtenAtMs >= IDLE_MS)) this.#writeKept();
  }

  close(): void {
    this.#writeKept();
    this.#file.close();
  }

  #writeKept(): void {
    const { count, bytes } = this.#kept;
    this.#kept.count = 0;
    this.#writtenAtMs = performance.now();
    if (count === 0 || this.#write(bytes)) return;
    this.recorded -= count;
    this.left += count;
  }

  /** Whether it was written. A disk that is full ends the trace, and not the driver. */
  #write(bytes: Uint8Array): boolean {
    try {
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(this.#file.writeSync(rest));
      return true;
    } catch (thrown) {
      this.#failed = true;
      this.#note(`${this.path} ends before the requests did: ${messageOf(thrown)}`);
      return false;
    }
  }
}

/** Makes the first file of a name that is not there yet: no trace is ever overwritten. */
function createNext(directory: string, name: string): [path: string, file: Deno.FsFile] {
  for (let number = 1;; number++) {
    const path = `${directory}/${name}-${number}.trace`;
    try {
      return [path, Deno.openSync(path, { write: true, createNew: true })];
    } catch (thrown) {
      if (!(thrown instanceof Deno.errors.AlreadyExists)) throw thrown;
    }
  }
}
