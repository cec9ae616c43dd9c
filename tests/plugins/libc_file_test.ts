// Positioned reads, writes and flushes by libc, on files of Deno's and on what cannot be used so.
import assert from "node:assert/strict";
import fs from "node:fs";
import { DeviceError } from "../../core/errors.ts";
import { LibcFile } from "../../plugins/devices/disk_io/libc_file.ts";
import { fillPattern } from "../helpers/devices.ts";

/** What a {@link LibcFile} on a path says to `body`, which must throw. */
function complaint(path: string, flags: string, body: (file: LibcFile) => void): string {
  const descriptor = fs.openSync(path, flags);
  const file = LibcFile.attach({ name: "the file", descriptor, hint: "try something else" }) as LibcFile;
  try {
    body(file);
  } catch (thrown) {
    assert(thrown instanceof DeviceError, String(thrown));
    return thrown.message;
  } finally {
    file.close();
    fs.closeSync(descriptor);
  }
  return assert.fail("nothing was thrown");
}

Deno.test("what is written by libc is read by it and by others, beyond 4 GiB too", () => {
  const path = Deno.makeTempFileSync();
  const descriptor = fs.openSync(path, "r+");
  const file = LibcFile.attach({ name: "the file", descriptor }) as LibcFile;
  const written = new Uint8Array(1536);
  fillPattern(written, 5);
  for (const place of [0, 2 ** 32 - 512, 5 * 2 ** 31 + 512]) {
    file.write(place, written);
    const byLibc = new Uint8Array(written.length);
    file.read(place, byLibc);
    const byDeno = new Uint8Array(written.length);
    fs.readSync(descriptor, byDeno, 0, byDeno.length, place);
    assert.deepEqual([byLibc, byDeno], [written, written]);
  }
  file.flush();
  assert.equal(fs.fstatSync(descriptor).size, 5 * 2 ** 31 + 512 + 1536);
  file.close();
  fs.closeSync(descriptor);
  Deno.removeSync(path);
});

Deno.test("what the kernel refuses has the file, the place and the cause", () => {
  const bytes = new Uint8Array(512);
  assert.match(complaint("/dev/null", "r+", (file) => file.flush()), /^Cannot flush the file: EINVAL/);
  assert.match(
    complaint("/dev/full", "r+", (file) => file.write(1024, bytes)),
    /^Cannot write 512 bytes at byte 1024 of the file: ENOSPC/,
  );
  assert.match(
    complaint("/dev/null", "r", (file) => file.read(512, bytes)),
    /^Cannot read 512 bytes at byte 512 of the file: it ends at byte 512$/,
  );
  assert.match(complaint("/", "r", (file) => file.read(0, bytes)), /of the file: EISDIR/);
});
