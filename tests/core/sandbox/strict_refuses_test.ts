import assert from "node:assert/strict";
import type { Targets } from "../../helpers/sandbox/attempts.ts";
import { DONE, type Findings } from "../../helpers/sandbox/prober.ts";
import { type Ended, runConfined, runFree } from "../../helpers/sandbox/confined.ts";

/** Something for the attempts to try. */
async function withTargets(body: (targets: Targets) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "iddr-foreign-" });
  await Deno.mkdir(`${folder}/empty`);
  await Deno.writeTextFile(`${folder}/file`, "a secret");
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
      ...{ pids: victims.map(({ pid }) => pid), port: listener.addr.port },
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

function findings({ code, stdout, stderr }: Ended): Findings {
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("what an unconfined process does, a confined one does not: by Deno, by libc, from every thread", async () => {
  await withTargets(async (targets) => {
    const free = findings(await runFree("./prober.ts", [JSON.stringify(targets)]));
    const notDone = Object.entries(free).filter(([, found]) => found !== DONE);
    assert.deepEqual(notDone, [], "what fails unconfined proves nothing");
    await Deno.writeTextFile(targets.file, "a secret");

    const bound = findings(await runConfined("./prober.ts", [JSON.stringify(targets)]));
    assert.deepEqual(Object.keys(bound).sort(), Object.keys(free).sort());
    assert.deepEqual(Object.entries(bound).filter(([, found]) => found === DONE), []);
    assert.equal(await Deno.readTextFile(targets.file), "a secret");
    assert.deepEqual([...Deno.readDirSync(targets.folder)], []);
  });
});
