import assert from "node:assert/strict";
import { PROJECT, runDeno } from "../helpers/run_deno.ts";

Deno.test("two workers exchange numbers over a ring, with nothing else of iddr", async () => {
  const example = `${PROJECT}docs/examples/ring/main.ts`;
  const { code, stdout, stderr } = await runDeno(["run", "--quiet", "--no-prompt", "--allow-read", example, "300"], {
    cwd: PROJECT,
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^300 round trips: \d+ a second, \d+ ns each\n$/);
});
