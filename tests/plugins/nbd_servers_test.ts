// The device nbd on the servers that people have.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { builtins } from "../../plugins/mod.ts";
import nbd from "../../plugins/devices/nbd.ts";
import type { DevicePlugin } from "../../core/plugin.ts";
import { type DeviceExpectation, testDevice, withDevice } from "../conformance/device.ts";
import { fillPattern } from "../helpers/devices.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { NbdProgram, programRefusal } from "../helpers/nbd_programs.ts";
import { openPlugin } from "../helpers/opened_device.ts";
import { testUnless } from "../helpers/test_unless.ts";

const { Read, Write, Flush } = Operation;
const SIZE = 128 * 1024;
const nbdkit = programRefusal("nbdkit");
const qemuNbd = programRefusal("qemu-nbd");

/** A server for one test, and the options that name it. */
type Made = (directory: string) => NbdProgram;
const on = (make: Made, more: Record<string, unknown> = {}) => (directory: string) => {
  const server = make(directory);
  return { uri: server.uri, ...more, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
};
const memory = (...args: string[]): Made => () => NbdProgram.nbdkit(...args, "memory", String(SIZE));
const file = (directory: string): string => {
  Deno.writeFileSync(`${directory}/disk`, new Uint8Array(SIZE));
  return `${directory}/disk`;
};

const servers: Readonly<Record<string, [refusal: string | null, make: Made, more?: Record<string, unknown>]>> = {
  "nbdkit memory": [nbdkit, memory()],
  "nbdkit memory, simple replies": [nbdkit, memory("--no-sr")],
  "nbdkit memory, five connections": [nbdkit, memory(), { connections: 5 }],
  "nbdkit memory, without fixed newstyle's zeroes": [nbdkit, memory("--mask-handshake=1")],
  "nbdkit memory, answers late and out of order": [nbdkit, () => {
    return NbdProgram.nbdkit("--filter=delay", "memory", String(SIZE), "rdelay=3ms", "wdelay=1ms");
  }],
  "nbdkit memory, one at a time": [nbdkit, () => {
    return NbdProgram.nbdkit("--filter=noparallel", "memory", String(SIZE), "serialize=all-requests");
  }],
  "nbdkit memory, sectors of 4 KiB and requests of 16 KiB": [nbdkit, () => {
    const sizes = ["blocksize-minimum=4096", "blocksize-preferred=4096", "blocksize-maximum=16384"];
    return NbdProgram.nbdkit(
      "--filter=blocksize-policy",
      "memory",
      String(SIZE),
      ...sizes,
      "blocksize-error-policy=error",
    );
  }],
  "nbdkit file": [nbdkit, (directory) => NbdProgram.nbdkit("file", file(directory))],
  "qemu-nbd": [qemuNbd, (directory) => NbdProgram.qemuNbd(file(directory), "--discard=unmap", "--shared=2")],
  "qemu-nbd, three connections": [
    qemuNbd,
    (directory) => NbdProgram.qemuNbd(file(directory), "--discard=unmap", "--shared=6"),
    { connections: 3 },
  ],
};

for (const [name, [refusal, make, more]] of Object.entries(servers)) {
  if (refusal !== null) {
    testUnless(refusal, `nbd (${name}): what every device is held to`, () => {});
    continue;
  }
  const expectation: DeviceExpectation = {
    variant: name,
    options: on(make, more),
    sizeBytes: SIZE,
    readOnlyOptions: on(make, { ...more, readOnly: true }),
  };
  testDevice("nbd", builtins.device.nbd, expectation);
}

if (nbdkit === null) {
  testDevice("nbd", builtins.device.nbd, {
    options: on(memory()),
    readOnlyOptions: on(memory("--readonly")),
  });
}

testUnless(nbdkit, "nbd: a server's error is the request's, whatever the server's replies are like", async () => {
  for (const how of [[], ["--no-sr"]]) {
    const make: Made = () => {
      return NbdProgram.nbdkit(...how, "--filter=error", "memory", "1M", "error=ENOSPC", "error-pwrite-rate=100%");
    };
    await withDevice(nbd as unknown as DevicePlugin, on(make), async ({ run, reports }) => {
      assert.equal(await run(Write, 4096, 1024), Status.Error);
      assert.match(reports[0], /failed to write 1024 bytes at byte 4096: ENOSPC/);
      assert.equal(await run(Read, 4096, 1024), Status.Okay);
      assert.equal(reports.length, 1);
    });
  }
});

testUnless(nbdkit, "nbd: an export that is not there, or wants TLS, is refused in the server's words", async () => {
  await using server = NbdProgram.nbdkit(
    "--filter=exportname",
    "memory",
    "1M",
    "exportname-strict=true",
    "exportname=here",
  );
  const open = (name: string) => openPlugin(nbd, { uri: server.uri.replace("///", `///${name}`) });
  assert.throws(() => open("nosuch"), /(has no|refuses the) export "nosuch"/);
  using device = open("here");
  assert.equal(device.info.sizeBytes, 1 << 20);
});

testUnless(qemuNbd, "nbd: a size that is no whole number of sectors is rounded down, and said so", async () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, new Uint8Array(4 * 512 + 100));
    await using server = NbdProgram.qemuNbd(path);
    const notes: string[] = [];
    const context = mediumContext({ note: (text) => void notes.push(text) });
    const options = nbd.options.parse({ uri: server.uri });
    const device = nbd.create(options, nbd.openMedium(options, context), context);
    const { sizeBytes } = device.info;
    device.close?.();
    // Some versions of the server round it up instead.
    assert(sizeBytes === 4 * 512 || sizeBytes === 5 * 512, String(sizeBytes));
    assert.equal(notes.length, sizeBytes === 4 * 512 ? 1 : 0);
  } finally {
    Deno.removeSync(path);
  }
});

testUnless(nbdkit, "nbd: pieces of memory of any kind are read and written over many connections at once", async () => {
  await using server = NbdProgram.nbdkit("--filter=delay", "memory", "8M", "rdelay=1ms");
  using device = openPlugin(nbd, { uri: server.uri, connections: 4 });
  const { bytes } = device.memory;
  const pieces = Array.from({ length: 60 }, (_, i) => [i * 1024, i * 1024 + 512] as const);
  fillPattern(bytes, 5);
  const written = pieces.map(([start, end]) => bytes.slice(start, end));
  assert.equal(device.run(Write, 8192, ...pieces), Status.Okay);
  assert.equal(device.runDataless(Flush), Status.Okay);
  bytes.fill(0);
  assert.equal(device.run(Read, 8192, ...pieces), Status.Okay);
  assert.deepEqual(pieces.map(([start, end]) => bytes.slice(start, end)), written);
  assert(pieces.every(([, end]) => bytes.subarray(end, end + 512).every((byte) => byte === 0)), "nothing beside them");
});

testUnless(nbdkit, "nbd: a server is found by TCP, too, by whichever address of its name it listens on", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const child = new Deno.Command("nbdkit", {
    args: ["--foreground", "--ipaddr=127.0.0.1", `--port=${port}`, "memory", "1M"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    for (const host of ["127.0.0.1", "localhost"]) {
      using device = openPlugin(nbd, { uri: `nbd://${host}:${port}/`, connections: 2 });
      fillPattern(device.memory.bytes, 9);
      const before = device.memory.bytes.slice(0, 65_536);
      assert.equal(device.run(Write, 512, [0, 65_536]), Status.Okay);
      device.memory.bytes.fill(0);
      assert.equal(device.run(Read, 512, [0, 65_536]), Status.Okay);
      assert.deepEqual(device.memory.bytes.slice(0, 65_536), before);
    }
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
});
