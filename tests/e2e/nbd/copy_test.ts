// Whole disks go in and out: by nbdcopy, over several connections, and by qemu-img.
import assert from "node:assert/strict";
import { join } from "node:path";
import { testUnless } from "../../helpers/test_unless.ts";
import { withDirectory } from "../command.ts";
import { assertSameBytes, clientRefusal, describe, noise, serve, SETUPS, succeed } from "./served.ts";

const SIZE = 4 * 2 ** 20;

for (const setup of SETUPS) {
  testUnless(clientRefusal("nbdcopy"), `nbdcopy copies a disk in and out: ${describe(setup)}`, async () => {
    await withDirectory(async (directory) => {
      await using served = await serve(directory, { parts: setup });
      const [source, copy] = ["source", "copy"].map((name) => join(directory, name));
      await Deno.writeFile(source, noise(SIZE));
      await succeed("nbdcopy", "--connections=4", "--flush", source, served.uri);
      await succeed("nbdcopy", "--connections=4", served.uri, copy);
      assertSameBytes(await Deno.readFile(copy), noise(SIZE), "the copy");
      // One request at a time, which is another way through the queue.
      await succeed("nbdcopy", "--synchronous", served.uri, copy);
      assertSameBytes(await Deno.readFile(copy), noise(SIZE), "the second copy");
    });
  });

  testUnless(clientRefusal("qemu-img"), `qemu-img converts and compares: ${describe(setup)}`, async () => {
    await withDirectory(async (directory) => {
      await using served = await serve(directory, { parts: setup });
      const source = join(directory, "source.raw");
      // Holes between the data: qemu-img writes zeroes there, or discards.
      const bytes = noise(SIZE);
      bytes.fill(0, SIZE / 4, SIZE / 2);
      await Deno.writeFile(source, noise(SIZE, 2));
      const convert = ["convert", "-n", "-f", "raw", "-O", "raw"];
      await succeed("qemu-img", ...convert, source, served.uri);
      await Deno.writeFile(source, bytes);
      await succeed("qemu-img", ...convert, source, served.uri);
      await succeed("qemu-img", "compare", "-f", "raw", "-F", "raw", source, served.uri);
      const map = JSON.parse(await succeed("qemu-img", "map", "--output=json", served.uri));
      const mapped = map.reduce((total: number, { length }: { length: number }) => total + length, 0);
      assert.equal(mapped, SIZE);
      const qcow = join(directory, "copy.qcow2");
      await succeed("qemu-img", "convert", "-f", "raw", "-O", "qcow2", served.uri, qcow);
      await succeed("qemu-img", "compare", "-f", "raw", "-F", "qcow2", source, qcow);
    });
  });
}

for (const host of ["127.0.0.1", "[::1]"]) {
  testUnless(clientRefusal("nbdcopy") ?? noAddress(host), `nbdcopy copies over TCP: ${host}`, async () => {
    await withDirectory(async (directory) => {
      await using served = await serve(directory, { nbd: `tcp:${host}:0` });
      const [source, copy] = ["source", "copy"].map((name) => join(directory, name));
      await Deno.writeFile(source, noise(SIZE));
      await succeed("nbdcopy", "--connections=4", source, served.uri);
      await succeed("nbdcopy", "--connections=4", served.uri, copy);
      assertSameBytes(await Deno.readFile(copy), noise(SIZE), "the copy");
    });
  });
}

/** Not every machine has IPv6. */
function noAddress(host: string): string | null {
  try {
    Deno.listen({ hostname: host.replaceAll(/[\[\]]/g, ""), port: 0 }).close();
    return null;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}
