import assert from "node:assert/strict";
import { linesOf } from "./lines.ts";
import { Qmp } from "./qmp.ts";

/** A socket that answers each command by what `answers` has for it, the events in it first; "end" ends the connection. */
async function withQemu(
  answers: Readonly<Record<string, readonly unknown[]>>,
  body: (qmp: Qmp, heard: readonly unknown[]) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/qmp`;
  const listener = Deno.listen({ transport: "unix", path });
  const heard: unknown[] = [];
  const served = (async () => {
    const connection = await listener.accept();
    const writer = connection.writable.getWriter();
    const say = (message: unknown) => writer.write(new TextEncoder().encode(`${JSON.stringify(message)}\r\n`));
    await say({ QMP: { version: {} } });
    for await (const line of linesOf(connection.readable)) {
      const command = JSON.parse(line);
      heard.push(command);
      const answer = answers[command.execute] ?? [{ return: {} }];
      if (answer[0] === "end") break;
      for (const message of answer) await say(message);
    }
    await writer.close().catch(() => {});
  })();
  try {
    const qmp = await Qmp.connect(path);
    await body(qmp, heard).finally(() => qmp.close());
    await served;
  } finally {
    listener.close();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("QEMU's answers come to those who asked, in their order; what it refuses is thrown", async () => {
  const answers = {
    "query-status": [{ return: { status: "running" } }],
    "device_del": [{ error: { class: "DeviceNotFound", desc: "Device 'x' not found" } }],
  };
  await withQemu(answers, async (qmp, heard) => {
    const refused = assert.rejects(qmp.execute("device_del", { id: "x" }), /^Error: Device 'x' not found$/);
    assert.deepEqual(await qmp.execute("query-status"), { status: "running" });
    await refused;
    assert.deepEqual(heard, [
      { execute: "qmp_capabilities", arguments: {} },
      { execute: "device_del", arguments: { id: "x" } },
      { execute: "query-status", arguments: {} },
    ]);
  });
});

Deno.test("an event is waited for, whether it comes before or after the command's answer", async () => {
  const event = (device: string) => ({ event: "DEVICE_DELETED", data: { device } });
  await withQemu({ device_del: [event("other"), event("x"), { return: {} }] }, async (qmp) => {
    const gone = qmp.waitFor(({ data }) => data?.device === "x", 60_000, "device_del x");
    await qmp.execute("device_del", { id: "x" });
    await gone;
  });
});

Deno.test("an event that does not come is named", async () => {
  await withQemu({}, async (qmp) => {
    await assert.rejects(qmp.waitFor(() => true, 1, "device_del x"), /device_del x: QEMU did not do so in 1 ms/);
  });
});

Deno.test("what waits for an answer or an event when QEMU ends fails, and so does all that comes later", async () => {
  await withQemu({ quit: ["end"] }, async (qmp) => {
    const waiting = assert.rejects(qmp.waitFor(() => true, 60_000, "an event"), /QEMU has ended/);
    await assert.rejects(qmp.execute("quit"), /QEMU has ended/);
    await waiting;
    await assert.rejects(qmp.execute("query-status"), /QEMU has ended/);
    await assert.rejects(qmp.waitFor(() => true, 60_000, "an event"), /an event: QEMU has ended/);
  });
});
