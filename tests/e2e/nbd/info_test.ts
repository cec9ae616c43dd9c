// What an export says of itself, asked by nbdinfo.
import assert from "node:assert/strict";
import { testUnless } from "../../helpers/test_unless.ts";
import { withDirectory } from "../command.ts";
import { clientRefusal, describe, serve, SETUPS, succeed } from "./served.ts";

const refusal = clientRefusal("nbdinfo");
const SIZE = 4 * 2 ** 20;

for (const setup of SETUPS) {
  testUnless(refusal, `nbdinfo learns what the export is: ${describe(setup)}`, async () => {
    await withDirectory(async (directory) => {
      await using served = await serve(directory, { parts: setup });
      assert.equal(await succeed("nbdinfo", "--size", served.uri), `${SIZE}\n`);
      const { exports: [told, ...others], structured } = JSON.parse(await succeed("nbdinfo", "--json", served.uri));
      assert.equal(structured, true);
      assert.deepEqual(others, []);
      assert.deepEqual(told.contexts, ["base:allocation"]);
      assert.equal(told["export-size"], SIZE);
      assert.equal(told.block_size_minimum, 512);
      assert.equal(told.is_read_only, false);
      for (const ability of ["df", "flush", "fua", "multi_conn", "trim", "zero"]) {
        assert.equal(told[`can_${ability}`], true, ability);
      }
      const map = JSON.parse(await succeed("nbdinfo", "--map", "--json", served.uri));
      const covered = map.reduce((end: number, { offset, length }: { offset: number; length: number }) => {
        assert.equal(offset, end);
        return end + length;
      }, 0);
      assert.equal(covered, SIZE);
      assert.equal((await served.end()).code, 0);
    });
  });
}

testUnless(refusal, "an export with a name is listed, and is found by that name and no wrong one", async () => {
  await withDirectory(async (directory) => {
    await using served = await serve(directory, { args: ["--name", "disk one/ü"] });
    const list = JSON.parse(await succeed("nbdinfo", "--list", "--json", served.uri));
    assert.deepEqual(list.exports.map((each: Record<string, unknown>) => each["export-name"]), ["disk one/ü"]);
    assert.equal(await succeed("nbdinfo", "--size", served.uri), `${SIZE}\n`);
    const wrong = served.uri.replace(/disk.*\?/, "another?");
    assert.notEqual(wrong, served.uri);
    await assert.rejects(succeed("nbdinfo", "--size", wrong));
  });
});

testUnless(
  refusal,
  "an export of TCP is found on the loopback, over IPv4 and on a port that the kernel chose",
  async () => {
    await withDirectory(async (directory) => {
      await using served = await serve(directory, { nbd: "tcp:127.0.0.1:0" });
      assert.match(served.uri, /^nbd:\/\/127\.0\.0\.1:[1-9]\d+\/?$/);
      assert.equal(await succeed("nbdinfo", "--size", served.uri), `${SIZE}\n`);
    });
  },
);
