// Single operations of QEMU's block layer, each with what must be on the disk afterwards.
import assert from "node:assert/strict";
import { testUnless } from "../../helpers/test_unless.ts";
import { withDirectory } from "../command.ts";
import { client, clientRefusal, describe, serve, SETUPS, succeed } from "./served.ts";

const refusal = clientRefusal("qemu-io");

function commands(...lines: readonly string[]): string[] {
  return ["-f", "raw", ...lines.flatMap((line) => ["-c", line])];
}

for (const setup of SETUPS) {
  testUnless(refusal, `qemu-io reads what it wrote, zeroed and left alone: ${describe(setup)}`, async () => {
    await withDirectory(async (directory) => {
      await using served = await serve(directory, { parts: setup });
      await succeed(
        "qemu-io",
        ...commands(
          "write -P 0xa5 0 1M",
          "write -P 0x5a 512 512",
          "write -f -P 0x11 1536 1k",
          "write -z 4k 8k",
          "write -z -u 64k 64k",
          "aio_write -P 0x22 1M 700k",
          "aio_write -P 0x33 2M 700k",
          "aio_write -P 0x44 3M 512",
          "aio_flush",
          "flush",
        ),
        served.uri,
      );
      await succeed(
        "qemu-io",
        ...commands(
          "read -P 0xa5 0 512",
          "read -P 0x5a 512 512",
          "read -P 0xa5 1k 512",
          "read -P 0x11 1536 1k",
          "read -P 0xa5 2560 1536",
          "read -P 0 4k 8k",
          "read -P 0xa5 12k 52k",
          "read -P 0 64k 64k",
          "read -P 0xa5 128k 896k",
          "read -P 0x22 1M 700k",
          "read -P 0 1724k 324k",
          "read -P 0x33 2M 700k",
          "read -P 0x44 3M 512",
          "read -P 0 3146240 512",
        ),
        served.uri,
      );
    });
  });

  testUnless(refusal, `a discard leaves its neighbours alone: ${describe(setup)}`, async () => {
    await withDirectory(async (directory) => {
      await using served = await serve(directory, { parts: setup });
      await succeed(
        "qemu-io",
        ...commands(
          "write -P 0xa5 0 1M",
          "discard 256k 512k",
          "read -P 0xa5 0 256k",
          "read -P 0xa5 768k 256k",
          "write -P 0x77 512k 4k",
          "read -P 0x77 512k 4k",
        ),
        served.uri,
      );
    });
  });
}

testUnless(refusal, "qemu-io says so where the disk holds something else, so the tests above can fail", async () => {
  await withDirectory(async (directory) => {
    await using served = await serve(directory);
    const { code, stdout } = await client("qemu-io", ...commands("write -P 1 0 4k", "read -P 2 0 4k"), served.uri);
    assert.equal(code, 1);
    assert.match(stdout, /Pattern verification failed/);
  });
});
