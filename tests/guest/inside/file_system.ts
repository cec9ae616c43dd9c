/**
 * A step of the guest: makes an ext4 file system on a disk, writes files with known content, deletes one, gives its space
 * back to the disk, and reads the others after they had left the page cache. What is on the disk then is for the host to
 * look at.
 *
 * @module
 */

import assert from "node:assert/strict";
import { contentOf, DELETED, FILES } from "./known_files.ts";

const FOLDER = Deno.makeTempDirSync();

const [disk] = Deno.args;

command("mkfs.ext4", "-q", "-F", "-L", "iddr", disk);
whileMounted(() => {
  for (const name of [DELETED, ...FILES]) Deno.writeFileSync(`${FOLDER}/${name}`, contentOf(name));
  command("sync");
  Deno.removeSync(`${FOLDER}/${DELETED}`);
  command("sync");
  command("fstrim", "-v", FOLDER);
});
Deno.writeTextFileSync("/proc/sys/vm/drop_caches", "3");
whileMounted(() => {
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) => name !== "lost+found");
  assert.deepEqual(names.sort(), [...FILES].sort());
  for (const name of FILES) assert.deepEqual(Deno.readFileSync(`${FOLDER}/${name}`), contentOf(name), name);
});
console.log(`${FILES.length} files were written to ${disk} and read back`);

/** It must be possible to unmount it afterwards, too. */
function whileMounted(work: () => void): void {
  command("mount", "-t", "ext4", disk, FOLDER);
  try {
    work();
  } finally {
    command("umount", FOLDER);
  }
}

function command(name: string, ...args: readonly string[]): void {
  const { success } = new Deno.Command(name, { args: [...args], stdout: "inherit", stderr: "inherit" }).outputSync();
  assert(success, `${name} ${args.join(" ")}`);
}
