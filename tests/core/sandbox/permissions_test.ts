import assert from "node:assert/strict";
import { cLibraryNeed } from "../../../core/libc.ts";
import { MODULES, runFree } from "../../helpers/sandbox/confined.ts";
import { DONE } from "../../helpers/sandbox/prober.ts";
import { findingsOf, withTargets } from "../../helpers/sandbox/targets.ts";

const FFI = `--allow-ffi=${cLibraryNeed()}`;
const READ = `--allow-read=${MODULES.join(",")}`;

Deno.test("under Deno's permissions, what is not declared is refused to Deno's functions, and with FFI to nothing else", async () => {
  await withTargets(async (targets) => {
    const found = findingsOf(await runFree("./prober.ts", [JSON.stringify(targets)], [FFI, READ]));
    for (const [attempt, outcome] of Object.entries(found)) {
      // The documented limit: FFI is all of the C library, whatever the other permissions say.
      if (attempt.startsWith("Deno: ")) assert.match(outcome, /^Requires/, attempt);
      else assert.equal(outcome, DONE, attempt);
    }
  });
});

for (const flag of [FFI, "--allow-ffi"]) {
  Deno.test(`after FFI was revoked (${flag}) libraries cannot be opened; functions that are open go on working`, async () => {
    const { code, stdout, stderr } = await runFree("./revoker.ts", [cLibraryNeed()], [flag, READ]);
    assert.equal(code, 0, stderr);
    const { before, after } = JSON.parse(stdout);
    assert.deepEqual(Object.values(before), Object.values(before).map(() => true), JSON.stringify(before));
    const possible = Object.keys(after).filter((name) => after[name]);
    assert.deepEqual(possible, ["call what is open"]);
  });
}
