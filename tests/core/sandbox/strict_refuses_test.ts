import assert from "node:assert/strict";
import { runConfined, runFree } from "../../helpers/sandbox/confined.ts";
import { DONE } from "../../helpers/sandbox/prober.ts";
import { findingsOf, SECRET, withTargets } from "../../helpers/sandbox/targets.ts";

Deno.test("what an unconfined process does, a confined one does not: by Deno, by libc, from every thread", async () => {
  await withTargets(async (targets) => {
    const free = findingsOf(await runFree("./prober.ts", [JSON.stringify(targets)]));
    const notDone = Object.entries(free).filter(([, found]) => found !== DONE);
    assert.deepEqual(notDone, [], "what fails unconfined proves nothing");
    await Deno.writeTextFile(targets.file, SECRET);

    const bound = findingsOf(await runConfined("./prober.ts", [JSON.stringify(targets)]));
    assert.deepEqual(Object.keys(bound).sort(), Object.keys(free).sort());
    assert.deepEqual(Object.entries(bound).filter(([, found]) => found === DONE), []);
    assert.equal(await Deno.readTextFile(targets.file), SECRET);
    assert.deepEqual([...Deno.readDirSync(targets.folder)], []);
  });
});
