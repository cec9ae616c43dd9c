// What clients wrote is on the device itself, as others see it: a file, looked at from outside.
import assert from "node:assert/strict";
import { join } from "node:path";
import { testUnless } from "../../helpers/test_unless.ts";
import { withDirectory } from "../command.ts";
import { assertSameBytes, client, clientRefusal, describe, noise, serve, SETUPS, succeed } from "./served.ts";

const MIB = 2 ** 20;
const SIZE = 4 * MIB;
const refusal = clientRefusal("nbdcopy", "nbdinfo", "qemu-io");

function loopFile(path: string, options: Readonly<Record<string, unknown>> = {}) {
  return { use: "loop-file", with: { path, ...options } };
}

for (const setup of SETUPS) {
  testUnless(refusal, `a file holds what was copied to its export: ${describe(setup)}`, async () => {
    await withDirectory(async (directory) => {
      const [image, source] = ["image", "source"].map((name) => join(directory, name));
      await Deno.writeFile(image, new Uint8Array(SIZE));
      await Deno.writeFile(source, noise(SIZE));
      await using served = await serve(directory, { parts: { ...setup, device: loopFile(image) } });
      await succeed("nbdcopy", "--flush", source, served.uri);
      assertSameBytes(await Deno.readFile(image), noise(SIZE), "the file, while it is served");
      assert.equal((await served.end()).code, 0);
      assertSameBytes(await Deno.readFile(image), noise(SIZE), "the file, afterwards");
    });
  });
}

testUnless(refusal, "a file past the page cache is served in sectors as it has them", async () => {
  await withDirectory(async (directory) => {
    const [image, source] = ["image", "source"].map((name) => join(directory, name));
    await Deno.writeFile(image, new Uint8Array(SIZE));
    await Deno.writeFile(source, noise(SIZE));
    const device = loopFile(image, { direct: true, sectorSize: "4KiB" });
    await using served = await serve(directory, { parts: { device } });
    const { exports: [told] } = JSON.parse(await succeed("nbdinfo", "--json", served.uri));
    assert.equal(told.block_size_minimum, 4096);
    await succeed("nbdcopy", "--request-size=1048576", source, served.uri);
    await succeed("qemu-io", "-f", "raw", "-c", "write -P 7 4096 1536", served.uri);
    assert.equal((await served.end()).code, 0);
    const expected = noise(SIZE);
    expected.fill(7, 4096, 4096 + 1536);
    assertSameBytes(await Deno.readFile(image), expected, "the file");
  });
});

testUnless(refusal, "a discard gives the file's space back", async () => {
  await withDirectory(async (directory) => {
    const image = join(directory, "image");
    await Deno.writeFile(image, noise(SIZE));
    await using served = await serve(directory, { parts: { device: loopFile(image) } });
    const { exports: [told] } = JSON.parse(await succeed("nbdinfo", "--json", served.uri));
    const allocated = async (): Promise<number> => ((await Deno.stat(image)).blocks ?? 0) * 512;
    const before = await allocated();
    await succeed("qemu-io", "-f", "raw", "-c", "discard 1M 2M", "-c", "flush", served.uri);
    // A file system without holes would have said that it cannot.
    if (told.can_trim) assert.equal(await allocated(), before - 2 * MIB);
    const bytes = await Deno.readFile(image);
    assertSameBytes(bytes.subarray(0, MIB), noise(SIZE).subarray(0, MIB), "before the discarded range");
    assertSameBytes(bytes.subarray(3 * MIB), noise(SIZE).subarray(3 * MIB), "after it");
  });
});

for (const way of ["--read-only", "readOnly"]) {
  testUnless(refusal, `a device is served read-only, and stays as it is: ${way}`, async () => {
    await withDirectory(async (directory) => {
      const image = join(directory, "image");
      await Deno.writeFile(image, noise(SIZE));
      const device = loopFile(image, way === "readOnly" ? { readOnly: true } : {});
      await using served = await serve(directory, { parts: { device }, args: way === "readOnly" ? [] : [way] });
      const { exports: [told] } = JSON.parse(await succeed("nbdinfo", "--json", served.uri));
      assert.equal(told.is_read_only, true);
      const { code } = await client("qemu-io", "-f", "raw", "-c", "write -P 1 0 4k", served.uri);
      assert.notEqual(code, 0);
      const copy = join(directory, "copy");
      await succeed("nbdcopy", served.uri, copy);
      assertSameBytes(await Deno.readFile(copy), noise(SIZE), "the copy");
      assert.equal((await served.end()).code, 0);
      assertSameBytes(await Deno.readFile(image), noise(SIZE), "the file");
    });
  });
}

testUnless(refusal, "a device that needs a file for the run gets one, which is gone afterwards", async () => {
  await withDirectory(async (directory) => {
    const device = { use: "loop-file", with: { size: `${SIZE}B` } };
    await using served = await serve(directory, { parts: { device } });
    const made = [...Deno.readDirSync(join(directory, "results"))].map(({ name }) => name);
    assert.equal(made.length, 1, "a folder for this run");
    await succeed("qemu-io", "-f", "raw", "-c", "write -P 7 0 1M", "-c", "read -P 7 0 1M", served.uri);
    assert.equal((await served.end()).code, 0);
    assert.deepEqual([...Deno.readDirSync(join(directory, "results"))], []);
  });
});
