import assert from "node:assert/strict";
import { DeviceError } from "../../../core/errors.ts";
import { attachLoopDevice } from "../../../plugins/workloads/mounted/loop_device.ts";
import { loopDeviceRefusal } from "../../helpers/loop_device.ts";
import { exists, leftIn, waitFor } from "../../helpers/mounted.ts";
import { testUnless } from "../../helpers/test_unless.ts";

const refusal = loopDeviceRefusal();

async function withImage(body: (file: string, folder: string) => void | Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "iddr-loop-" });
  const file = `${folder}/disk.img`;
  Deno.writeTextFileSync(file, "");
  Deno.truncateSync(file, 1 << 20);
  try {
    await body(file, folder);
  } finally {
    await waitFor(() => leftIn(folder).length === 0);
    Deno.removeSync(folder, { recursive: true });
  }
}

function attribute(path: string, name: string): string {
  return Deno.readTextFileSync(`/sys/block/${path.slice("/dev/".length)}/${name}`).trim();
}

for (const sectorSize of [512, 4096]) {
  for (const readOnly of [false, true]) {
    testUnless(refusal, `a loop device with sectors of ${sectorSize}${readOnly ? ", read-only" : ""}`, async () => {
      await withImage(async (file) => {
        const device = attachLoopDevice({ file, sectorSize, readOnly });
        assert.equal(attribute(device.path, "loop/backing_file"), file);
        assert.equal(attribute(device.path, "loop/autoclear"), "1");
        assert.equal(attribute(device.path, "loop/dio"), "1");
        assert.equal(attribute(device.path, "queue/logical_block_size"), String(sectorSize));
        assert.equal(attribute(device.path, "ro"), readOnly ? "1" : "0");
        device.close();
        await waitFor(() => !exists(`/sys/block/${device.path.slice("/dev/".length)}/loop/backing_file`));
      });
    });
  }
}

testUnless(refusal, "a loop device goes when the process that holds it is killed", async () => {
  await withImage(async (file, folder) => {
    const module = import.meta.resolve("../../../plugins/workloads/mounted/loop_device.ts");
    const code = `import { attachLoopDevice } from ${JSON.stringify(module)};
      console.log(attachLoopDevice({ file: ${JSON.stringify(file)}, sectorSize: 512, readOnly: false }).path);
      setInterval(() => {}, 1000);`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-lock", code],
      ...{ stdin: "null", stdout: "piped", stderr: "null" },
    }).spawn();
    const output = child.stdout.getReader();
    const path = new TextDecoder().decode((await output.read()).value).trim();
    assert.equal(attribute(path, "loop/backing_file"), file);
    child.kill("SIGKILL");
    await child.status;
    await output.cancel();
    assert.ok(leftIn(folder).every((line) => !line.startsWith("process")));
  });
});

testUnless(refusal, "what cannot be a loop device is named", async () => {
  const folder = Deno.makeTempDirSync();
  assert.throws(
    () => attachLoopDevice({ file: `${folder}/none`, sectorSize: 512, readOnly: false }),
    (thrown) => thrown instanceof DeviceError && thrown.message.startsWith(`Cannot open ${folder}/none: ENOENT`),
  );
  Deno.removeSync(folder);
  await withImage((file) => {
    assert.throws(() => attachLoopDevice({ file, sectorSize: 7, readOnly: false }), /Linux cannot attach .*EINVAL/);
  });
});
