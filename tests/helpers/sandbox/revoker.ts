/**
 * A program that opens the C library, gives up FFI and then tries what is left of it; before, for comparison, too. It
 * prints as JSON what came of each.
 *
 * @module
 */

import process from "node:process";
import { openCLibrary } from "../../../core/libc.ts";
import { revokeFfi } from "../../../core/sandbox/revocation.ts";

const path = Deno.args[0];
const GETPID = { getpid: { parameters: [], result: "i32" } } as const;
const opened = Deno.dlopen(path, GETPID);

const TRIES: Readonly<Record<string, () => unknown>> = {
  "open a library": () => Deno.dlopen(path, GETPID).close(),
  "open it by iddr's function": () => {
    const library = openCLibrary(GETPID);
    if (library === null) throw new Error("null");
    library.close();
  },
  "load a native module": () => {
    try {
      process.dlopen({ exports: {} }, path);
    } catch (thrown) {
      // It is none; but it was loaded to find out.
      if ((thrown as Error).name === "NotCapable") throw thrown;
    }
  },
  "open a library in a worker": async () => {
    const worker = new Worker(import.meta.resolve("./opener.ts"), { type: "module" });
    const refusal = await new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(path);
    });
    worker.terminate();
    if (refusal !== null) throw new Error(String(refusal));
  },
  "be granted it again": () => {
    if (Deno.permissions.requestSync({ name: "ffi", path }).state !== "granted") throw new Error("not granted");
  },
  "call what is open": () => {
    if (opened.symbols.getpid() !== Deno.pid) throw new Error("another process");
  },
};

async function tryAll(): Promise<Record<string, boolean>> {
  const outcomes: Record<string, boolean> = {};
  for (const [name, attempt] of Object.entries(TRIES)) {
    try {
      await attempt();
      outcomes[name] = true;
    } catch {
      outcomes[name] = false;
    }
  }
  return outcomes;
}

const before = await tryAll();
revokeFfi();
console.log(JSON.stringify({ before, after: await tryAll() }));
