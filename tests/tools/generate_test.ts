import assert from "node:assert/strict";
import { generate } from "./generate.ts";

Deno.test("generated files are current: deno task generate changes nothing", async () => {
  for (const [file, text] of await generate()) {
    assert.equal(await Deno.readTextFile(file), text, `${file} is not current; run deno task generate`);
  }
});
