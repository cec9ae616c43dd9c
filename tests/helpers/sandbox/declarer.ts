/**
 * A program that does what it is told, one thing for each argument, and prints what came of each as JSON.
 *
 * @module
 */

import { messageOf } from "../../../core/errors.ts";
import { IoUring } from "../../../core/io_uring.ts";
import { openCLibrary } from "../../../core/libc.ts";
import { Kernel } from "../../../core/sandbox/kernel.ts";

const SIGCHLD = 17;
const PR_GET_SECCOMP = 21;
const PR_CAPBSET_READ = 23;
const PR_GET_NO_NEW_PRIVS = 39;
const CAPABILITIES = 41;
const LIMITS = { core: 4, openFiles: 7, fileBytes: 1, lockedBytes: 8 };

const kernel = Kernel.open();
if (kernel === null) throw new Error("It takes the C library");

const ACTIONS: Readonly<Record<string, (value: string) => unknown>> = {
  read: (path) => Deno.readTextFileSync(path),
  write: (path) => Deno.writeTextFileSync(path, "written"),
  make: (path) => {
    Deno.mkdirSync(`${path}/made`);
    Deno.writeTextFileSync(`${path}/made/file`, "made");
    Deno.renameSync(`${path}/made/file`, `${path}/moved`);
    Deno.removeSync(`${path}/made`);
  },
  connect: async (port) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    connection.close();
  },
  unix: async (path) => {
    const connection = await Deno.connect({ transport: "unix", path });
    connection.close();
  },
  uring: () => new IoUring(1).close(),
  env: () => Deno.env.toObject(),
  /** Which descriptors lead to files, and to which. */
  descriptors: () => {
    const numbers = Array.from({ length: 128 }, (_, descriptor) => descriptor);
    return Object.fromEntries(numbers.flatMap((descriptor) => {
      try {
        return [[descriptor, Deno.readLinkSync(`/proc/self/fd/${descriptor}`)]];
      } catch {
        return [];
      }
    }));
  },
  /** The first bytes of a descriptor's file. */
  descriptor: (number) => {
    const place = kernel.place(new Uint8Array(8));
    const words = new BigUint64Array(1);
    const length = kernel.call("read", "read", Number(number), place, words.byteLength);
    kernel.read(place, words);
    return new TextDecoder().decode(new Uint8Array(words.buffer, 0, length));
  },
  worker: async () => {
    const worker = new Worker(import.meta.resolve("./greeter.ts"), { type: "module" });
    const said = await new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
    worker.terminate();
    return said;
  },
  pool: async () => {
    const library = openCLibrary({ getpid: { parameters: [], result: "i32", nonblocking: true } });
    return await library?.symbols.getpid() === Deno.pid;
  },
  /** Were it done, the child would end at once, as V8's memory is not a child's. */
  fork: () => kernel.try("clone", SIGCHLD, 0, 0, 0, 0),
  raise: () => Deno.kill(Deno.pid, "SIGCONT"),
  /** What the kernel says of its confinement. */
  state: () => {
    const words = new BigUint64Array(2);
    const place = kernel.place(new Uint8Array(16));
    const limits = Object.entries(LIMITS).map(([name, resource]) => {
      kernel.call("learn a limit", "prlimit64", 0, resource, 0, place);
      kernel.read(place, words);
      return [name, [...words].map(Number)];
    });
    const bound = Array.from({ length: CAPABILITIES }, (_, number) => number)
      .filter((number) => kernel.call("learn a bound", "prctl", PR_CAPBSET_READ, number, 0, 0, 0) === 1);
    return {
      noNewPrivileges: kernel.call("learn of privileges", "prctl", PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
      seccomp: kernel.call("learn of filters", "prctl", PR_GET_SECCOMP, 0, 0, 0, 0),
      ...{ capabilities: capabilities(kernel), bound, limits: Object.fromEntries(limits) },
    };
  },
};

/** The effective, permitted and inheritable capabilities. */
function capabilities(kernel: Kernel): number[] {
  const header = kernel.place(new Uint8Array(Uint32Array.of(0x2008_0522, 0).buffer));
  const data = kernel.place(new Uint8Array(24));
  kernel.call("learn of capabilities", "capget", header, data);
  const words = new BigUint64Array(3);
  kernel.read(data, words);
  return [...new Uint32Array(words.buffer)];
}

const results: Record<string, unknown> = {};
for (const argument of Deno.args) {
  const [action, ...value] = argument.split("=");
  try {
    results[argument] = await ACTIONS[action](value.join("=")) ?? "done";
  } catch (thrown) {
    results[argument] = `failed: ${messageOf(thrown)}`;
  }
}
console.log(JSON.stringify(results));
