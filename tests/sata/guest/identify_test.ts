import { DISKS, pathOf, refusalOf } from "./bench.ts";
import assert from "node:assert/strict";
import { testUnless } from "../../helpers/test_unless.ts";
import { kernelDisks } from "./sysfs.ts";
import { hostStats, isPresent, plug, unplug } from "./bench.ts";

testUnless(refusalOf(DISKS.plain), "the host counts what a disk is asked", async () => {
  const before = await hostStats(DISKS.plain);
  using file = await Deno.open(pathOf(DISKS.plain), { read: true });
  await file.read(new Uint8Array(4096));
  const after = await hostStats(DISKS.plain);
  console.log(before, after, kernelDisks().length);
  assert(after.readOperations >= before.readOperations);
});
for (const disk of [DISKS.unplug, DISKS.unplugScsi]) {
  testUnless(refusalOf(disk), `${disk.serial} can be unplugged and plugged again`, async () => {
    assert(isPresent(disk));
    await unplug(disk);
    assert(!isPresent(disk));
    console.log(await plug(disk));
    assert(isPresent(disk));
  });
}
