// An export that is ended in the midst of load: whatever a client was told to be durable is in the file.
import assert from "node:assert/strict";
import { join } from "node:path";
import { testUnless } from "../../helpers/test_unless.ts";
import { until, withDirectory } from "../command.ts";
import { libnbd, libnbdRefusal } from "./libnbd.ts";
import { describe, serve, SETUPS } from "./served.ts";

const BLOCK = 4096;
const SIZE = 4 * 2 ** 20;

/** Writes batches of blocks, each filled with its number and the batch's, and logs a batch once a flush has followed it. */
const WRITER = `
import random, struct
log = open(log_path, "w")
generation = 0
try:
    while True:
        generation += 1
        blocks = random.sample(range(size // 4096), 16)
        cookies = []
        for block in blocks:
            data = bytearray(struct.pack("<II", block, generation) * 512)
            cookies.append(h.aio_pwrite(nbd.Buffer.from_bytearray(data), block * 4096))
        while cookies:
            cookies = [cookie for cookie in cookies if not h.aio_command_completed(cookie)]
            if cookies:
                h.poll(-1)
        h.flush()
        log.write("".join(f"{block} {generation}\\n" for block in blocks))
        log.flush()
except nbd.Error as e:
    print(f"after {generation} batches: {e}")
`;

for (const setup of SETUPS) {
  testUnless(
    libnbdRefusal,
    `SIGTERM in the midst of load loses nothing that was flushed: ${describe(setup)}`,
    async () => {
      await withDirectory(async (directory) => {
        const [image, log] = ["image", "log"].map((name) => join(directory, name));
        await Deno.writeFile(image, new Uint8Array(SIZE));
        const device = { use: "loop-file", with: { path: image } };
        await using served = await serve(directory, { parts: { ...setup, device } });
        const writer = libnbd(directory, served.uri, `log_path = ${JSON.stringify(log)}\n${WRITER}`);
        await until(async () => (await readLog(log)).size > SIZE / BLOCK / 2);
        const { code, stdout, stderr } = await served.end();
        assert.equal(code, 0, stderr);
        assert.match(stdout, /^served 1 connection, \d+ requests, /m);
        await writer; // It says so if it was ended by anything but the export's end.
        check(await Deno.readFile(image), await readLog(log));
      });
    },
  );
}

/** The last batch that is known to be durable, by block. The last line may be half a line. */
async function readLog(path: string): Promise<Map<number, number>> {
  const text = await Deno.readTextFile(path).catch(() => "");
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).trim().split("\n");
  return new Map(lines.filter((line) => line !== "").map((line) => line.split(" ").map(Number) as [number, number]));
}

function check(image: Uint8Array<ArrayBuffer>, durable: ReadonlyMap<number, number>): void {
  const words = new Uint32Array(image.buffer);
  for (const [block, generation] of durable) {
    const [first, second] = words.subarray((block * BLOCK) / 4);
    assert.equal(first, block, `block ${block} holds another`);
    assert.ok(second >= generation, `block ${block} is of batch ${second}; ${generation} was durable`);
    for (let at = 0; at < BLOCK / 4; at += 2) {
      assert.equal(words[(block * BLOCK) / 4 + at], block, `block ${block} is torn`);
      assert.equal(words[(block * BLOCK) / 4 + at + 1], second, `block ${block} is torn`);
    }
  }
}
