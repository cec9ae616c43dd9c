// What becomes of the openings of a medium, one for each driver that it has.
import assert from "node:assert/strict";
import { closeOnExec } from "../../core/descriptor.ts";
import { MachineMedia } from "../../core/machine_media.ts";
import { MachineMemory } from "../../core/machine_memory.ts";
import { NO_CONSENT } from "../../core/plugin.ts";
import { mayCallLibc } from "../../core/libc.ts";
import { testUnless } from "../helpers/test_unless.ts";

function isOpen(descriptor: number): boolean {
  try {
    closeOnExec(descriptor, true);
    return true;
  } catch {
    return false;
  }
}

function plan(name: string, options: unknown): Parameters<MachineMedia["open"]>[0] {
  const url = import.meta.resolve(`../../plugins/devices/${name}.ts`);
  return { name: "disk", domains: ["driver"], plugin: { url, options } };
}

const withoutLibc = mayCallLibc() ? null : "libc may not be called";

testUnless(
  withoutLibc,
  "the opening of a driver that is dead is closed, and that of its successor is not",
  async () => {
    const directory = await Deno.makeTempDir({ prefix: "iddr-test-" });
    const memory = new MachineMemory(true);
    const media = new MachineMedia({ ...NO_CONSENT, scratchDirectory: directory, note: assert.fail }, memory);
    try {
      const { default: loopFile } = await import("../../plugins/devices/loop_file.ts");
      const device = plan("loop_file", loopFile.options.parse({ size: "64KiB" }));
      const first = await media.open(device);
      const second = await media.openAgain(device, first);
      const [[ofFirst], [ofSecond]] = [first.descriptors, second.descriptors];
      assert.deepEqual([isOpen(ofFirst), isOpen(ofSecond)], [true, true]);
      media.release(first, second);
      assert.deepEqual([isOpen(ofFirst), isOpen(ofSecond)], [false, true]);
      const third = await media.openAgain(device, second);
      media.release(second, third);
      media.close();
      assert.deepEqual([ofSecond, third.descriptors[0]].map(isOpen), [false, false]);
    } finally {
      media.close();
      memory.close();
      await Deno.remove(directory, { recursive: true });
    }
  },
);

testUnless(withoutLibc, "a medium that is opened again as it is stays open for the successor", async () => {
  const memory = new MachineMemory(true);
  const media = new MachineMedia({ ...NO_CONSENT, scratchDirectory: null, note: assert.fail }, memory);
  const device = plan("ramdisk", { size: 4096 });
  const first = await media.open(device);
  const second = await media.openAgain(device, first);
  media.release(first, second);
  assert.equal(second.medium, first.medium);
  assert.notEqual(memory.descriptorOf(second.medium as SharedArrayBuffer), undefined);
  media.close();
  memory.close();
});
