// Devices that fail under their clients: what a client hears, and how the export ends.
import assert from "node:assert/strict";
import { join } from "node:path";
import { testUnless } from "../../helpers/test_unless.ts";
import { processesAlive, until, withDirectory } from "../command.ts";
import { libnbd, libnbdRefusal } from "./libnbd.ts";
import { noise, serve } from "./served.ts";

const SIZE = 4 * 2 ** 20;

for (const placement of ["isolated", "monolithic"]) {
  testUnless(
    libnbdRefusal,
    `a request that the device fails is answered so, and the next is served: ${placement}`,
    async () => {
      await withDirectory(async (directory) => {
        const image = join(directory, "image");
        await Deno.writeFile(image, noise(SIZE));
        const device = { use: "loop-file", with: { path: image } };
        await using served = await serve(directory, { parts: { placement, device } });
        await Deno.truncate(image, SIZE / 2);
        await libnbd(
          directory,
          served.uri,
          `
expect("EIO", lambda: h.pread(65536, size // 2))
assert len(h.pread(65536, 0)) == 65536
h.pwrite(b"a" * 512, 0)
expect("EIO", lambda: h.pread(512, size - 512))
assert h.pread(512, 0) == b"a" * 512
`,
        );
        const { code, stdout } = await served.end();
        assert.equal(code, 0);
        assert.match(stdout, /requests \(2 failed\)/);
      });
    },
  );
}

testUnless(
  libnbdRefusal,
  "a driver that hangs ends the export with 1 and the cause, and its clients with it",
  async () => {
    await withDirectory(async (directory) => {
      const parts = { device: { use: "spins-for-ever" }, recovery: { hangTimeout: "1s" } };
      await using served = await serve(directory, { parts, fixtures: true });
      await libnbd(
        directory,
        served.uri,
        `
try:
    h.pread(512, 0)
    raise AssertionError("nobody can have read that")
except nbd.Error as e:
    assert e.errno in ("ENOTCONN", "ECONNRESET", "EPIPE", "EIO", "ESHUTDOWN"), e
`,
      );
      const { code, stderr } = await served.ended;
      assert.equal(code, 1);
      assert.match(stderr, /^iddr: The domain driver has shown no sign of life for 1000 ms/m);
      await until(async () => (await processesAlive()).length === 0);
    });
  },
);

testUnless(libnbdRefusal, "a driver that dies ends the export with 1 and the cause", async () => {
  await withDirectory(async (directory) => {
    const parts = { device: { use: "ends-its-worker" }, recovery: { hangTimeout: "1s" } };
    await using served = await serve(directory, { parts, fixtures: true });
    await assert.rejects(libnbd(directory, served.uri, "h.pread(512, 0)"));
    const { code, stderr } = await served.ended;
    assert.equal(code, 1);
    assert.match(stderr, /^iddr: The domain driver /m);
    await until(async () => (await processesAlive()).length === 0);
  });
});
