/** How a driver harms itself, by libc where that may be called, and else as well as Deno can. */

import { DeviceError } from "../../../../core/errors.ts";
import { openCLibrary } from "../../../../core/libc.ts";

const SIGKILL = 9;
const SIGSTOP = 19;

/** What a driver can do to itself and its process. */
export interface Deeds {
  /** Ends its thread, or its process where it is the only one, in order. */
  exit(): never;
  /** Touches memory that nobody has (SIGSEGV). Without libc, it exits. */
  crash(): never;
  /** Kills its process (SIGKILL). Without libc and `--allow-run`, it exits. */
  kill(): never;
  /**
   * Stops its process (SIGSTOP), until somebody lets it go on (SIGCONT).
   *
   * @throws {DeviceError} where it may not
   */
  stop(): void;
  /** Takes memory until there is none. V8's heap has a limit (`--max-old-space-size`), at which it aborts the process. */
  grow(): never;
}

/** The deeds themselves. */
export const DEEDS: Deeds = {
  exit: () => Deno.exit(3),
  crash(): never {
    const library = openCLibrary({ memcpy: { parameters: ["usize", "buffer", "usize"], result: "usize" } });
    library?.symbols.memcpy(8n, new Uint8Array(8), 8n);
    Deno.exit(1);
  },
  kill(): never {
    signal(SIGKILL, "SIGKILL");
    Deno.exit(1);
  },
  stop(): void {
    if (!signal(SIGSTOP, "SIGSTOP")) throw new DeviceError("It may not stop itself: allow --allow-ffi or --allow-run");
  },
  grow(): never {
    const kept: number[][] = [];
    for (;;) kept.push(new Array<number>(1 << 16).fill(0.5));
  },
};

/** Sends itself a signal. Whether it could. */
function signal(number: number, name: Deno.Signal): boolean {
  const library = openCLibrary({
    getpid: { parameters: [], result: "i32" },
    kill: { parameters: ["i32", "i32"], result: "i32" },
  });
  if (library !== null) {
    const { getpid, kill } = library.symbols;
    const sent = kill(getpid(), number) === 0;
    library.close();
    return sent;
  }
  try {
    Deno.kill(Deno.pid, name);
    return true;
  } catch {
    return false;
  }
}
