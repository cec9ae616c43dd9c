// fio's own engine for NBD writes at random with many requests in flight, and checks every block that it wrote.
import { testUnless } from "../../helpers/test_unless.ts";
import { withDirectory } from "../command.ts";
import assert from "node:assert/strict";
import { clientRefusal, describe, serve, SETUPS, succeed } from "./served.ts";

const refusal = clientRefusal("fio") ?? await withoutNbd();

/** fio may be built without libnbd. */
async function withoutNbd(): Promise<string | null> {
  return /\bnbd\b/.test(await succeed("fio", "--enghelp")) ? null : "fio has no engine nbd here";
}

for (const setup of SETUPS) {
  testUnless(refusal, `fio verifies what it wrote at random: ${describe(setup)}`, async () => {
    await withDirectory(async (directory) => {
      await using served = await serve(directory, { parts: setup });
      const printed = await succeed(
        "fio",
        ...["--name=verify", "--ioengine=nbd", `--uri=${served.uri}`, "--size=4M", "--rw=randwrite"],
        ...["--bsrange=512-256k", "--iodepth=16", "--fsync=32", "--randseed=7"],
        ...["--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--verify_state_save=0"],
        "--output-format=json",
      );
      const { jobs: [job] } = JSON.parse(printed.slice(printed.indexOf("{")));
      assert.equal(job.error, 0);
      assert.equal(job.write.io_bytes, 4 * 2 ** 20);
      assert.equal(job.read.io_bytes, 4 * 2 ** 20);
      const { code, stdout } = await served.end();
      assert.equal(code, 0);
      assert.match(stdout, /^served \d+ connections?, \d+ requests, 8\.0 MiB in /m);
    });
  });
}
