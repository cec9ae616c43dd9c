// The device nbd and a server that is scripted, in one thread: every byte comes when the test says.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import { CommandFlag, NbdCommand, NbdError, TransmissionFlag } from "../../plugins/nbd/protocol.ts";
import { fillPattern } from "../helpers/devices.ts";
import { NbdBench } from "../helpers/nbd_device.ts";
import { diskScript, inOnePiece, patterned, randomFrom } from "../helpers/nbd_disk.ts";
import {
  ALL_FLAGS,
  errorChunk,
  nextRequest,
  type ReceivedRequest,
  type Script,
  ScriptedServer,
  shakeHands,
  simpleReply,
} from "../helpers/nbd_script.ts";

const { Read, Write, WriteFua, Flush, Discard, WriteZeroes } = Operation;
const SIZE = 256 * 1024;

Deno.test("nbd: what is read and written is the same wherever the stream is cut, and whatever connection is lost", () => {
  const command = fc.record({
    operation: fc.constantFrom(Read, Read, Write, WriteFua, WriteZeroes, Discard, Flush),
    pieces: fc.array(fc.integer({ min: 1, max: 12 }).map((sectors) => sectors * 512), { minLength: 1, maxLength: 3 }),
  });
  fc.assert(
    fc.property(
      fc.array(command, { minLength: 1, maxLength: 10 }),
      fc.boolean(),
      fc.constantFrom(undefined, [1, 4096, 2048] as const, [512, 4096, 2 ** 32 - 1] as const),
      fc.integer({ min: 1, max: 2 ** 30 }),
      fc.array(fc.integer({ min: 1, max: 6000 }), { maxLength: 3 }),
      (commands, structured, blockSizes, seed, losses) => {
        const random = randomFrom(seed);
        const disk = patterned(seed % 100);
        const expected = disk.slice();
        using server = new ScriptedServer(diskScript(disk, { structured, blockSizes }, random));
        server.pieceBytes = (there) => random() < 0.3 ? there : 1 + Math.floor(random() * Math.min(there, 700));
        using bench = new NbdBench(server, {}, commands.length);
        const reads: Uint8Array[] = [];
        for (const [slot, { operation, pieces }] of commands.entries()) {
          const offset = slot * 24_576; // A part of the disk each, so that their order does not matter.
          const length = pieces.reduce((sum, piece) => sum + piece);
          fillPattern(bench.buffer(slot), seed % 97 + slot);
          if (operation === Flush) bench.submit(slot, Flush, 0, []);
          else if (operation === Discard || operation === WriteZeroes) {
            bench.submit(slot, operation, offset, [], length);
          } else bench.submit(slot, operation, offset, pieces);
          if (operation === Read) reads[slot] = expected.slice(offset, offset + length);
          if (operation === Write || operation === WriteFua) expected.set(bench.bytesOf(slot), offset);
          if (operation === Discard || operation === WriteZeroes) expected.fill(0, offset, offset + length);
        }
        for (const loss of losses) {
          server.closeAt = loss;
          bench.until(() => bench.gate.inFlight === 0 || server.accepted > 1);
        }
        bench.finish();
        assert.deepEqual(bench.reports, []);
        assert.deepEqual([...bench.done].sort((a, b) => a - b), commands.map((_, slot) => slot));
        for (const [slot, bytes] of reads.entries()) {
          if (bytes !== undefined) assert.deepEqual(bench.bytesOf(slot), bytes);
        }
        assert.deepEqual(disk, expected);
      },
    ),
    { numRuns: 60, endOnFailure: true },
  );
});

Deno.test("nbd: whatever byte of a session the server leaves at, all is done in the next, and counted", () => {
  for (const structured of [false, true]) {
    // What a whole session sends: the handshake, a read of 1 KiB, an answer to a write.
    const session = (closeAt: number): { accepted: number; reissued: number; reconnects: number } => {
      const disk = patterned(3);
      const expected = disk.slice();
      using server = new ScriptedServer(diskScript(disk, { structured }));
      server.closeAt = closeAt;
      using bench = new NbdBench(server, {}, 2);
      fillPattern(bench.buffer(1), 9);
      bench.submit(0, Read, 4096, [512, 512]);
      bench.submit(1, Write, 65_536, [1024]);
      bench.until(() => bench.gate.inFlight === 0 || server.accepted > 1);
      bench.finish();
      assert.deepEqual(bench.requests.map(({ status }) => status), [Status.Okay, Status.Okay]);
      assert.deepEqual(bench.bytesOf(0), expected.slice(4096, 5120));
      expected.set(bench.bytesOf(1), 65_536);
      assert.deepEqual(disk, expected);
      const { nbdReissued: reissued, nbdReconnects: reconnects } = bench.device.counters();
      return { accepted: server.accepted, reissued, reconnects };
    };
    assert.deepEqual(session(Infinity), { accepted: 1, reissued: 0, reconnects: 0 });
    let lastReconnect = 0;
    // Every byte of the handshake and of heads, and some of the data; with simple replies every other.
    const pace = structured ? 1 : 2;
    for (let closeAt = 1; closeAt < 2000; closeAt += closeAt < 130 || closeAt > 1100 ? pace : 119) {
      const { accepted, reissued, reconnects } = session(closeAt);
      if (accepted === 1) break;
      assert.equal(accepted, 2);
      // Before the handshake is over it is not a connection that is lost, but an attempt that failed.
      assert(reconnects <= 1 && reissued <= 2, `${reconnects} and ${reissued} at ${closeAt}`);
      assert(reconnects >= lastReconnect, "once the handshake is over, every loss is one");
      lastReconnect = reconnects;
    }
    assert.equal(lastReconnect, 1);
  }
});

Deno.test("nbd: operations are the protocol's commands, and what is longer than the server takes is cut", () => {
  const log: ReceivedRequest[] = [];
  using server = new ScriptedServer(diskScript(patterned(1), { blockSizes: [512, 4096, 4096] }, inOnePiece, log));
  using bench = new NbdBench(server);
  assert.equal(bench.run(WriteFua, 512, [512, 1024]), Status.Okay);
  assert.equal(bench.run(Flush, 0, []), Status.Okay);
  assert.equal(bench.run(Discard, 8192, [], 12_288), Status.Okay);
  assert.equal(bench.run(WriteZeroes, 4096, [], 16_384), Status.Okay);
  assert.equal(bench.run(Read, 1024, [4096, 4096, 1024]), Status.Okay);
  assert.equal(bench.run(WriteFua, 0, [8192]), Status.Okay);
  const sent = log.map(({ type, flags, offset, length }) => [type, flags, offset, length]);
  assert.deepEqual(sent, [
    [NbdCommand.Write, CommandFlag.Fua, 512, 1536],
    [NbdCommand.Flush, 0, 0, 0],
    [NbdCommand.Trim, 0, 8192, 12_288],
    [NbdCommand.WriteZeroes, 0, 4096, 16_384],
    [NbdCommand.Read, 0, 1024, 4096],
    [NbdCommand.Read, 0, 5120, 4096],
    [NbdCommand.Read, 0, 9216, 1024],
    [NbdCommand.Write, CommandFlag.Fua, 0, 4096],
    [NbdCommand.Write, CommandFlag.Fua, 4096, 4096],
  ]);
  assert.equal(new Set(log.map(({ cookie }) => cookie)).size, log.length, "no cookie is used twice");
});

Deno.test("nbd: places above 4 GiB arrive whole, and what carries no data is cut at 1 GiB", () => {
  const log: ReceivedRequest[] = [];
  const script: Script = function* (scripted) {
    yield* shakeHands(scripted, { sizeBytes: 2 ** 43 + 300 });
    for (;;) {
      const request = yield* nextRequest();
      log.push(request);
      scripted.send(simpleReply(request.cookie));
    }
  };
  using server = new ScriptedServer(script);
  using bench = new NbdBench(server);
  assert.equal(bench.gate.info.sizeBytes, 2 ** 43);
  assert.match(bench.notes.join(), /has 8796093022508 bytes: the last 300, which make no sector of 512, are left out/);
  const offset = 2 ** 42 + 5 * 2 ** 32 + 3 * 2 ** 31 + 512;
  assert.equal(bench.run(Write, offset, [512]), Status.Okay);
  assert.equal(bench.run(Discard, 512, [], 2 ** 31 + 1024), Status.Okay);
  assert.deepEqual(log.map((request) => [request.offset, request.length]), [
    [offset, 512],
    [512, 2 ** 30],
    [512 + 2 ** 30, 2 ** 30],
    [512 + 2 ** 31, 1024],
  ]);
});

Deno.test("nbd: an error of the server fails its request with the server's words, and the device lives on", () => {
  const answers = (structured: boolean, answer: (request: ReceivedRequest) => Uint8Array): Script =>
    function* (server) {
      yield* shakeHands(server, { sizeBytes: SIZE, structured });
      for (;;) server.send(answer(yield* nextRequest()));
    };
  const cases: [string, (request: ReceivedRequest) => Uint8Array, boolean, number, RegExp][] = [
    ["simple", ({ cookie }) => simpleReply(cookie, NbdError.NoSpace), false, Status.Error, /: ENOSPC \(/],
    [
      "unsupported",
      ({ cookie }) => simpleReply(cookie, NbdError.NotSupported),
      false,
      Status.NotSupported,
      /: \S*NOTSUP/,
    ],
    ["unknown", ({ cookie }) => simpleReply(cookie, 4000), false, Status.Error, /error 4000/],
    [
      "chunk",
      ({ cookie }) => errorChunk(cookie, NbdError.InputOutput, "sector 7 is\x07 bad"),
      true,
      Status.Error,
      /: EIO \(.*\): it says "sector 7 is {2}bad"/,
    ],
    [
      "chunks",
      ({ cookie }) => {
        const [first, second] = [
          errorChunk(cookie, NbdError.InputOutput, "", 0),
          errorChunk(cookie, NbdError.Invalid, ""),
        ];
        return Uint8Array.of(...first, ...second);
      },
      true,
      Status.Error,
      /: EIO \(/,
    ],
  ];
  for (const [what, answer, structured, status, expected] of cases) {
    using server = new ScriptedServer(answers(structured, answer));
    using bench = new NbdBench(server);
    assert.equal(bench.run(Read, 4096, [1024]), status, what);
    assert.equal(bench.run(Flush, 0, []), status, what);
    assert.match(bench.reports[0], expected);
    assert.match(bench.reports[0], /^The server of nbd\+unix:.* failed to read 1024 bytes at byte 4096: /);
    assert.match(bench.reports[1], / failed to flush: /);
    assert.equal(server.accepted, 1, "the connection was kept");
  }
});

Deno.test("nbd: what a server says it will not do is made up for, or answered as unsupported", () => {
  const log: ReceivedRequest[] = [];
  const disk = patterned(1);
  const expected = disk.slice();
  using server = new ScriptedServer(diskScript(disk, { flags: TransmissionFlag.HasFlags }, inOnePiece, log));
  using bench = new NbdBench(server);
  assert.equal(bench.run(Flush, 0, []), Status.NotSupported);
  assert.equal(bench.run(Discard, 0, [], 512), Status.NotSupported);
  assert.equal(bench.run(WriteZeroes, 20_480, [], 1024), Status.Okay);
  assert.equal(bench.run(WriteFua, 0, [512]), Status.Okay);
  expected.fill(0, 20_480, 21_504).set(bench.bytesOf(0));
  assert.deepEqual(disk, expected);
  assert(log.every(({ type, flags }) => type === NbdCommand.Write && flags === 0));
});

Deno.test("nbd: more requests and commands than the tables hold wait for their turn", () => {
  const disk = patterned(5);
  const random = randomFrom(7);
  using server = new ScriptedServer(diskScript(disk, { blockSizes: [512, 512, 512] }, random));
  using bench = new NbdBench(server, {}, 600);
  for (let slot = 0; slot < 600; slot++) bench.submit(slot, Read, (slot % 500) * 512, [512, 1024, 512]);
  bench.finish();
  assert.equal(new Set(bench.done).size, 600);
  for (let slot = 0; slot < 600; slot++) {
    const offset = (slot % 500) * 512;
    assert.deepEqual(bench.bytesOf(slot), disk.slice(offset, offset + 2048));
  }
});

for (const lost of [false, true]) {
  const how = lost ? ", or from their start when the connection is lost" : "";
  Deno.test(`nbd: writes that fill the socket go on when the server reads${how}`, () => {
    const disk = patterned(5, 4 * 2 ** 20);
    using server = new ScriptedServer(diskScript(disk, {}));
    using bench = new NbdBench(server, {}, 32);
    const expected = disk.slice();
    server.readBytes = 0;
    for (let slot = 0; slot < 32; slot++) {
      fillPattern(bench.buffer(slot), slot);
      // More pieces than one call to the kernel takes.
      bench.submit(slot, Write, slot * 131_072, Array(slot % 2 === 0 ? 1 : 250).fill(512));
      expected.set(bench.bytesOf(slot), slot * 131_072);
    }
    for (let i = 0; i < 32; i++) bench.gate.reap();
    if (lost) server.close();
    server.readBytes = Infinity;
    bench.finish();
    assert.deepEqual(bench.reports, []);
    assert.deepEqual(disk, expected);
  });
}

Deno.test("nbd: the driver's end is told to the server", () => {
  const requests: number[] = [];
  const script: Script = function* (scripted) {
    yield* shakeHands(scripted, { sizeBytes: SIZE });
    for (;;) requests.push((yield* nextRequest()).type);
  };
  using server = new ScriptedServer(script);
  {
    using bench = new NbdBench(server);
    assert.equal(bench.gate.inFlight, 0);
  }
  for (let i = 0; i < 3; i++) server.step();
  assert.deepEqual(requests, [NbdCommand.Disconnect]);
});

Deno.test("nbd: what was in flight goes out again in the order in which it was submitted, flushes too", () => {
  const seen: [number, number][][] = [];
  const script: Script = function* (connection) {
    const requests: [number, number][] = [];
    seen.push(requests);
    yield* shakeHands(connection, { sizeBytes: SIZE });
    for (;;) {
      const { cookie, type, offset } = yield* nextRequest();
      requests.push([type, offset]);
      // The first answers two, and not the oldest, before it is gone; the second none.
      if (connection.number === 3 || (connection.number === 1 && [1024, 2048].includes(offset))) {
        connection.send(simpleReply(cookie));
      }
    }
  };
  using server = new ScriptedServer(script);
  using bench = new NbdBench(server, {}, 6);
  const operations = [Write, Write, Flush, WriteFua, Write, Flush];
  const sentOf = (slots: readonly number[]): [number, number][] => {
    return slots.map((slot) => operations[slot] === Flush ? [NbdCommand.Flush, 0] : [NbdCommand.Write, slot * 512]);
  };
  for (const [slot, operation] of operations.entries()) {
    bench.submit(slot, operation, slot * 512, operation === Flush ? [] : [512]);
  }
  bench.until(() => seen[0].length === 6);
  bench.until(() => bench.done.length === 1);
  assert.deepEqual(bench.done, [4], "the one that is answered with byte 2048; nobody writes byte 1024");
  for (const connections of [2, 3]) {
    server.close();
    bench.until(() => seen.length === connections && seen[connections - 1].length === 5);
  }
  bench.finish();
  const again = sentOf([0, 1, 2, 3, 5]);
  assert.deepEqual(seen, [sentOf([0, 1, 2, 3, 4, 5]), again, again]);
  assert.deepEqual(bench.device.counters(), { nbdReconnects: 2, nbdReissued: 10 });
  assert(bench.requests.every(({ status }) => status === Status.Okay));
});

Deno.test("nbd: several connections share the work, and what one loses the others do at once", () => {
  const held: { number: number; cookie: bigint; connection: { send(bytes: Uint8Array): void } }[] = [];
  const script: Script = function* (connection) {
    // The lost one is not let in again.
    if (connection.number > 3) return void connection.close();
    yield* shakeHands(connection, { sizeBytes: SIZE, flags: ALL_FLAGS | TransmissionFlag.CanMultiConn });
    for (;;) held.push({ number: connection.number, cookie: (yield* nextRequest()).cookie, connection });
  };
  using server = new ScriptedServer(script);
  using bench = new NbdBench(server, { connections: 3 }, 9);
  assert.equal(server.accepted, 3);
  for (let slot = 0; slot < 9; slot++) bench.submit(slot, Write, slot * 512, [512]);
  bench.until(() => held.length === 9);
  const countOf = (number: number) => held.filter((each) => each.number === number).length;
  assert.deepEqual([1, 2, 3].map(countOf), [3, 3, 3]);
  server.connections.find(({ number }) => number === 2)?.close();
  bench.until(() => held.length === 12);
  assert.equal(countOf(1) + countOf(3), 9);
  assert(Math.abs(countOf(1) - countOf(3)) <= 1, "evenly");
  for (const { number, cookie, connection } of held) if (number !== 2) connection.send(simpleReply(cookie));
  bench.finish();
  assert(bench.requests.every(({ status }) => status === Status.Okay));
  assert.deepEqual(bench.device.counters(), { nbdReconnects: 0, nbdReissued: 3 });
});

Deno.test("nbd: a reply to what was not wholly sent is a breach: its data could be another's by the time that it is", () => {
  const script: Script = function* (connection) {
    yield* shakeHands(connection, { sizeBytes: 2 ** 22 });
    if (connection.number > 1) {
      for (;;) connection.send(simpleReply((yield* nextRequest()).cookie));
    }
    server.readBytes = 28; // The head of the first, and then no more than that.
    connection.send(simpleReply(new DataView((yield 28).buffer).getBigUint64(8)));
    server.readBytes = 0;
    yield 1;
  };
  using server = new ScriptedServer(script);
  using bench = new NbdBench(server, {}, 8);
  for (let slot = 0; slot < 8; slot++) bench.submit(slot, Write, slot * 262_144, [262_144]);
  // The first is the one that is sent the least of at once: the others queue behind it.
  bench.until(() => server.accepted === 1 && bench.notes.length > 0);
  assert.match(bench.notes[0], /a reply to a request that was not sent/);
  server.readBytes = Infinity;
  bench.finish();
  assert(bench.requests.every(({ status }) => status === Status.Okay));
});
