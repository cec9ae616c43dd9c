// Connections that end, exports that change, servers that are away for long or not there at all.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { DeviceError } from "../../core/errors.ts";
import { NbdError, TransmissionFlag } from "../../plugins/nbd/protocol.ts";
import { NbdBench } from "../helpers/nbd_device.ts";
import { diskScript, patterned } from "../helpers/nbd_disk.ts";
import {
  ALL_FLAGS,
  errorChunk,
  type ExportModel,
  greeting,
  message,
  nextRequest,
  optionReply,
  type Script,
  ScriptedServer,
  shakeHands,
  simpleReply,
} from "../helpers/nbd_script.ts";

const { Read, Write } = Operation;
const SIZE = 256 * 1024;
const NONE = new Uint8Array();

Deno.test("nbd: a server that shuts down is waited for, and what it refused for that goes out again", () => {
  for (const structured of [false, true]) {
    const disk = patterned(2);
    const honest = diskScript(disk, { structured });
    const script: Script = function* (server) {
      if (server.number > 1) return yield* honest(server);
      yield* shakeHands(server, { sizeBytes: SIZE, structured });
      const { cookie } = yield* nextRequest();
      server.send(structured ? errorChunk(cookie, NbdError.Shutdown, "later") : simpleReply(cookie, NbdError.Shutdown));
      yield 1;
    };
    using server = new ScriptedServer(script);
    using bench = new NbdBench(server);
    assert.equal(bench.run(Read, 0, [512]), Status.Okay);
    assert.match(bench.notes[0], /the server is shutting down/);
    assert.deepEqual(bench.device.counters(), { nbdReconnects: 1, nbdReissued: 1 });
  }
});

Deno.test("nbd: a connection that ends, or speaks out of turn, while there is nothing to do is made again by then", () => {
  for (const spontaneous of [true, false]) {
    const disk = patterned(2);
    const honest = diskScript(disk, {});
    const script: Script = function* (server) {
      if (server.number === 1) {
        yield* shakeHands(server, { sizeBytes: SIZE });
        yield 1;
      } else yield* honest(server);
    };
    using server = new ScriptedServer(script);
    using bench = new NbdBench(server);
    if (spontaneous) server.connections[0].send(simpleReply(0n));
    else server.close();
    bench.until(() => bench.device.counters().nbdReconnects === 1);
    assert.equal(bench.run(Read, 0, [512]), Status.Okay);
    assert.equal(bench.device.counters().nbdReissued, 0);
  }
});

/** A server that says another thing of its export at every connection. */
function changing(...models: readonly Partial<ExportModel>[]): Script {
  const disk = patterned(2);
  return function* (server) {
    const model = models[Math.min(server.number, models.length) - 1];
    yield* diskScript(disk, model)(server);
  };
}

Deno.test("nbd: an export that is not what it was fails everything, with what has changed, until it is that again", () => {
  const first: Partial<ExportModel> = { flags: ALL_FLAGS, blockSizes: [512, 4096, 65_536] };
  const cases: [Partial<ExportModel>, RegExp][] = [
    [{ sizeBytes: SIZE + 512 }, /has 262656 bytes now, where it had 262144/],
    [{ sizeBytes: SIZE - 1 }, /has 262143 bytes now/],
    [{ flags: ALL_FLAGS | TransmissionFlag.ReadOnly }, /does not take writes any more/],
    [{ flags: TransmissionFlag.HasFlags }, /take flushes, durable writes, discards, write-zeroes any more/],
    [{ blockSizes: [4096, 4096, 65_536] }, /blocks of 4096 bytes at least now; the device has sectors of 512/],
    [{ blockSizes: [512, 4096, 4096] }, /takes 4096 bytes at most now, where it took 65536/],
  ];
  for (const [changes, expected] of cases) {
    using server = new ScriptedServer(changing(first, { ...first, ...changes }, { ...first, ...changes }, first));
    using bench = new NbdBench(server, { retryFrom: "20ms", retryTo: "20ms" }, 2);
    server.closeAt = 0;
    bench.submit(0, Read, 0, [512]);
    bench.submit(1, Write, 512, [512]);
    bench.finish();
    assert.deepEqual(bench.requests.map(({ status }) => status), [Status.Error, Status.Error]);
    assert.match(bench.reports[0], expected);
    assert.match(bench.reports[0], /^The server of .* cannot be used any more: /);
    bench.until(() => bench.device.counters().nbdReconnects === 1);
    assert.equal(bench.run(Read, 0, [512]), Status.Okay);
  }
});

Deno.test("nbd: more than it had, and other replies than before, are as good", () => {
  const flags = ALL_FLAGS | TransmissionFlag.CanMultiConn;
  using server = new ScriptedServer(
    changing({ structured: false, blockSizes: [512, 512, 4096] }, { structured: true, flags }),
  );
  using bench = new NbdBench(server);
  assert.equal(bench.run(Read, 0, [8192]), Status.Okay);
  server.close();
  bench.until(() => bench.device.counters().nbdReconnects === 1);
  assert.equal(bench.run(Read, 0, [8192]), Status.Okay);
  assert.deepEqual(bench.reports, []);
});

Deno.test("nbd: without a connection for so long, what waits fails and what comes too, until there is one again", () => {
  const disk = patterned(2);
  const honest = diskScript(disk, {});
  let open = true;
  const script: Script = function* (server) {
    if (open) yield* honest(server);
    else server.close();
  };
  using server = new ScriptedServer(script);
  using bench = new NbdBench(server, { reconnectTimeout: "60ms" }, 700);
  open = false;
  server.closeAt = 0;
  for (let slot = 0; slot < 700; slot++) bench.submit(slot, slot % 2 === 0 ? Read : Write, slot * 128 & ~511, [512]);
  bench.finish();
  assert(bench.requests.every(({ status }) => status === Status.Error));
  // How far the last attempt had come by then is a matter of chance.
  assert.match(bench.reports[0], /^There has been no connection to nbd\+unix:.* for 60ms: .*(closed|greeting)/);
  const before = performance.now();
  assert.equal(bench.run(Read, 0, [512]), Status.Error);
  assert(performance.now() - before < 10_000);
  open = true;
  bench.until(() => bench.device.counters().nbdReconnects === 1);
  for (let slot = 0; slot < 700; slot++) bench.submit(slot, Read, 8192 + slot * 128 & ~511, [512]);
  bench.finish();
  assert(bench.requests.every(({ status }) => status === Status.Okay));
});

Deno.test("nbd: a server that greets and never answers a request is as none: the wait for it ends", () => {
  const script: Script = function* (server) {
    yield* shakeHands(server, { sizeBytes: SIZE });
    yield* nextRequest();
    server.close();
  };
  using server = new ScriptedServer(script);
  using bench = new NbdBench(server, { reconnectTimeout: "200ms", retryFrom: "10ms", retryTo: "10ms" });
  assert.equal(bench.run(Read, 0, [512]), Status.Error);
  // Each takes 10 ms of the 200 at least, and all of them count.
  assert(server.accepted > 2 && server.accepted <= 22, `${server.accepted} attempts`);
  assert.match(bench.reports[0], /^There has been no connection to .* for 200ms: the server closed it/);
});

/** What opening a device says, for a server that does this. */
function refusal(script: Script, given: Record<string, unknown> = {}): string {
  using server = new ScriptedServer(script);
  try {
    using _bench = new NbdBench(server, { connectTimeout: "60ms", ...given });
  } catch (thrown) {
    assert(thrown instanceof DeviceError, String(thrown));
    assert(thrown.message.startsWith("Cannot use nbd+unix:"), thrown.message);
    return thrown.message;
  }
  return assert.fail("it was opened");
}

Deno.test("nbd: a server that is silent, leaves or cannot be used is told from the others when the device is made", () => {
  const says = (...bytes: readonly Uint8Array[]): Script =>
    function* (server) {
      for (const each of bytes) server.send(each);
      yield 10_000;
    };
  assert.match(refusal(says()), /within 60ms: it has not sent its greeting/);
  assert.match(refusal(says(greeting())), /within 60ms: it has not sent its answer to option 8/);
  assert.match(refusal(says(greeting(), optionReply(8, 1))), /it has not sent its answer to option 7/);
  assert.match(
    refusal(says(new TextEncoder().encode("HTTP/1.1 400"))),
    /: it is no NBD server, as it greets with 0x4854/,
  );
  assert.match(refusal(says(greeting(0))), /does not speak fixed newstyle/);
  assert.match(
    refusal(function* (server) {
      server.close();
      yield 1;
    }),
    /within 60ms: it closed the connection before its greeting/,
  );
  const shaken = (model: Partial<ExportModel>, more = NONE): Script =>
    function* (server) {
      yield* shakeHands(server, { sizeBytes: SIZE, ...model });
      server.send(more);
      yield 10_000;
    };
  assert.match(refusal(shaken({ blockSizes: [65_536, 65_536, 65_536] })), /sectors of at most 4KiB can be served/);
  assert.match(refusal(shaken({ sizeBytes: 100 })), /has 100 bytes/);
  assert.match(refusal(shaken({}, new Uint8Array(3))), /it goes on after the handshake without being asked/);
});

Deno.test("nbd: a server that cannot be used is left politely, and one that comes late is waited for", () => {
  const rest: number[] = [];
  const script: Script = function* (server) {
    server.send(greeting());
    yield 4;
    yield 16;
    server.send(optionReply(8, 2 ** 31 + 5));
    for (;;) rest.push((yield 1)[0]);
  };
  using server = new ScriptedServer(script);
  assert.throws(() => new NbdBench(server), /requires TLS/);
  for (let i = 0; i < 3; i++) server.step();
  assert.deepEqual(Uint8Array.from(rest), message(new TextEncoder().encode("IHAVEOPT"), [2, 4], [0, 4]));

  let early = true;
  const late: Script = function* (scripted) {
    if (scripted.number < 4) {
      scripted.close();
    } else {
      early = false;
      yield* shakeHands(scripted, { sizeBytes: SIZE });
      yield 10_000;
    }
  };
  using lateServer = new ScriptedServer(late);
  using bench = new NbdBench(lateServer);
  assert.equal(bench.gate.info.sizeBytes, SIZE);
  assert(!early);
});

Deno.test("nbd: the export's name reaches servers that know GO and those that do not", () => {
  for (const [go, noZeroes] of [[true, true], [false, true], [false, false]]) {
    let name: string | undefined;
    const script: Script = function* (scripted) {
      name = yield* shakeHands(scripted, { sizeBytes: SIZE, go, noZeroes });
      yield 1;
    };
    using server = new ScriptedServer(script);
    using _bench = new NbdBench(server, { uri: `nbd+unix:///d%C3%ADsk/1?socket=${server.path}` });
    assert.equal(name, "dísk/1");
  }
});

Deno.test("nbd: several connections are used only where the server says that all see the same data", () => {
  using server = new ScriptedServer(diskScript(patterned(1), {}));
  using bench = new NbdBench(server, { connections: 4 });
  assert.match(
    bench.notes.join(),
    /gets one connection instead of 4: its server does not say that all see the same data/,
  );
  assert.equal(bench.run(Read, 0, [512]), Status.Okay);
  assert.equal(server.accepted, 1);
});

Deno.test("nbd: with nobody there it says so, with the kernel's reason", () => {
  using server = new ScriptedServer(diskScript(patterned(1), {}));
  const opened = (uri: string) => () => new NbdBench(server, { uri, connectTimeout: "30ms" });
  assert.throws(opened("nbd+unix:///?socket=/nonexistent/s"), /Cannot use nbd\+unix:.* within 30ms: ENOENT/);
  assert.throws(opened(`nbd+unix:///?socket=/nonexistent/${"d".repeat(120)}/s`), /within 30ms: .*[Nn]o such file/);
  assert.throws(opened("nbd://127.0.0.1:1/"), /within 30ms: ECONNREFUSED/);
});
