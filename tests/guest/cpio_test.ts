import assert from "node:assert/strict";
import { CpioWriter } from "./cpio.ts";
import { find } from "./tool.ts";
import { testUnless } from "../helpers/test_unless.ts";

function archive(write: (archive: CpioWriter) => void): Uint8Array {
  const path = Deno.makeTempFileSync();
  try {
    {
      using file = Deno.openSync(path, { write: true });
      const archive = new CpioWriter(file);
      write(archive);
      archive.end();
    }
    return Deno.readFileSync(path);
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("an archive of cpio begins each header and each content at a multiple of four bytes", () => {
  const bytes = archive((archive) => archive.file("/a/bc", new TextEncoder().encode("12345"), true));
  const text = new TextDecoder().decode(bytes);
  const headers = [...text.matchAll(/070701[0-9A-Fa-f]{104}/g)].map(({ index, 0: header }) => ({ index, header }));
  assert.deepEqual(headers.map(({ index }) => index % 4), [0, 0, 0]);
  const names = headers.map(({ index }) => text.slice(index + 110, text.indexOf("\0", index + 110)));
  assert.deepEqual(names, ["a", "a/bc", "TRAILER!!!"]);
  const field = (header: string, index: number): number => parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
  assert.deepEqual(headers.map(({ header }) => field(header, 1).toString(8)), ["40755", "100755", "0"]);
  assert.deepEqual(headers.map(({ header }) => field(header, 6)), [0, 5, 0]);
  const content = text.indexOf("12345");
  assert.equal(content, (headers[1].index + 110 + "a/bc".length + 1 + 3) & ~3);
});

testUnless(find("cpio") === null ? "there is no cpio here" : null, "cpio unpacks an archive as it was written", () => {
  const bytes = archive((archive) => {
    archive.file("/bin/tool", new Uint8Array([0, 255, 10]), true);
    archive.file("/etc/text", new TextEncoder().encode("words\n"));
    archive.device("/dev/console", [5, 1]);
  });
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeFileSync(`${folder}/archive`, bytes);
    const { success, stdout } = new Deno.Command("cpio", {
      args: ["--list", "--verbose", "--numeric-uid-gid", "--quiet", "--file", `${folder}/archive`],
    }).outputSync();
    assert(success);
    const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => line.split(/\s+/));
    assert.deepEqual(lines.map((words) => [words[0], words.at(-1)]), [
      ["drwxr-xr-x", "bin"],
      ["-rwxr-xr-x", "bin/tool"],
      ["drwxr-xr-x", "etc"],
      ["-rw-r--r--", "etc/text"],
      ["drwxr-xr-x", "dev"],
      ["crw-------", "dev/console"],
    ]);
    const unpacked = new Deno.Command("cpio", {
      args: ["--extract", "--make-directories", "--quiet", "--file", `${folder}/archive`, "bin/tool", "etc/text"],
      cwd: folder,
    }).outputSync();
    assert(unpacked.success);
    assert.deepEqual(Deno.readFileSync(`${folder}/bin/tool`), new Uint8Array([0, 255, 10]));
    assert.equal(Deno.readTextFileSync(`${folder}/etc/text`), "words\n");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
