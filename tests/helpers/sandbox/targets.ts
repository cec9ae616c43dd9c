/**
 * Something for the attempts to try: files, processes and a port that are somebody else's.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Targets } from "./attempts.ts";
import type { Ended } from "./confined.ts";
import type { Findings } from "./prober.ts";

/** What the file says. */
export const SECRET = "a secret";

/** Makes targets for the time of `body`. */
export async function withTargets(body: (targets: Targets) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "iddr-foreign-" });
  await Deno.mkdir(`${folder}/empty`);
  await Deno.writeTextFile(`${folder}/file`, SECRET);
  const victims = Array.from({ length: 3 }, () => {
    return new Deno.Command("sleep", { args: ["600"], stdin: "null", stdout: "null", stderr: "null" }).spawn();
  });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = (async () => {
    for await (const connection of listener) connection.close();
  })();
  try {
    await body({
      ...{ home: Deno.env.get("HOME") ?? "/root", file: `${folder}/file`, folder: `${folder}/empty` },
      ...{ pids: victims.map(({ pid }) => pid), port: listener.addr.port, root: Deno.uid() === 0 },
    });
  } finally {
    listener.close();
    await accepted;
    for (const victim of victims) {
      victim.kill("SIGKILL");
      await victim.status;
    }
    await Deno.remove(folder, { recursive: true });
  }
}

/** What a prober found. */
export function findingsOf({ code, stdout, stderr }: Ended): Findings {
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}
