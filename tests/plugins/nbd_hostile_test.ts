// Servers that break the protocol: the connection ends, and nothing else does.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";

import { Chunk } from "../../plugins/nbd/protocol.ts";
import { NbdBench } from "../helpers/nbd_device.ts";
import { diskScript, patterned } from "../helpers/nbd_disk.ts";
import {
  chunk,
  dataChunk,
  errorChunk,
  holeChunk,
  message,
  nextRequest,
  type ReceivedRequest,
  type Script,
  ScriptedServer,
  shakeHands,
  simpleReply,
} from "../helpers/nbd_script.ts";

const { Read, Write, Flush } = Operation;
const SIZE = 256 * 1024;
const NONE = new Uint8Array();

interface Breach {
  readonly what: string;
  readonly structured?: boolean;
  readonly operation?: typeof Read | typeof Write;
  /** The answer to a read, or a write, of 1024 bytes at byte 4096. */
  readonly answer: (request: ReceivedRequest) => Uint8Array;
  /** What is said of it. */
  readonly said: RegExp;
}

const kib = new Uint8Array(1024);
const breaches: readonly Breach[] = [
  { what: "no reply", answer: () => message([0xdeadbeef, 4], NONE, kib), said: /a reply begins with 0xdeadbeef/ },
  { what: "a request", answer: () => message([0x25609513, 4], kib), said: /begins with 0x25609513/ },
  {
    what: "a structured reply that was not agreed",
    structured: false,
    answer: ({ cookie }) => dataChunk(cookie, 4096, kib),
    said: /begins with 0x668e33ef/,
  },
  {
    what: "a simple reply to a read where structured ones were agreed",
    answer: ({ cookie }) => simpleReply(cookie, 0, kib),
    said: /a read got a simple reply/,
  },
  {
    what: "another slot's cookie",
    answer: ({ cookie }) => dataChunk(cookie + 1n, 4096, kib),
    said: /a request that was not sent, or was answered before/,
  },
  { what: "a slot that is none", answer: ({ cookie }) => simpleReply(cookie | 0xffffffffn), said: /was not sent/ },
  {
    what: "a cookie of another time",
    structured: false,
    answer: ({ cookie }) => simpleReply(cookie + 2n ** 32n, 0, kib),
    said: /was answered before/,
  },
  {
    what: "two replies to a write",
    operation: Write,
    answer: ({ cookie }) => message(simpleReply(cookie), simpleReply(cookie)),
    said: /was answered before/,
  },
  {
    what: "no data",
    answer: ({ cookie }) => dataChunk(cookie, 4096, NONE),
    said: /chunk of data has a payload of 8 bytes/,
  },
  {
    what: "data before what was asked for",
    answer: ({ cookie }) => dataChunk(cookie, 4095, kib),
    said: /1024 bytes of data at byte 4095 are more than a read of 1024 bytes asked for/,
  },
  { what: "data after it", answer: ({ cookie }) => dataChunk(cookie, 4097, kib), said: /at byte 4097 are more than/ },
  {
    what: "data far away",
    answer: ({ cookie }) => dataChunk(cookie, 2 ** 50, kib.subarray(0, 16)),
    said: /at byte 1125899906842624 are more than/,
  },
  {
    what: "more data than memory",
    answer: ({ cookie }) => message([0x668e33ef, 4], [1, 2], [1, 2], [cookie, 8], [0xffffffff, 4], [4096, 8]),
    said: /4294967287 bytes of data at byte 4096/,
  },
  {
    what: "the same data twice",
    answer: ({ cookie }) => message(dataChunk(cookie, 4096, kib, 0), dataChunk(cookie, 4096, kib)),
    said: /1024 bytes of data at byte 4096 are more than/,
  },
  {
    what: "half the data",
    answer: ({ cookie }) => dataChunk(cookie, 4096, kib.subarray(0, 512)),
    said: /a read of 1024 bytes got 512/,
  },
  {
    what: "nothing but the end",
    answer: ({ cookie }) => chunk(cookie, Chunk.None, NONE),
    said: /a read of 1024 bytes got 0/,
  },
  {
    what: "data for a write",
    operation: Write,
    answer: ({ cookie }) => dataChunk(cookie, 4096, kib),
    said: /data came for a command that reads nothing/,
  },
  {
    what: "a hole that is too long",
    answer: ({ cookie }) => holeChunk(cookie, 4096, 1025),
    said: /1025 bytes of a hole at byte 4096 are more/,
  },
  {
    what: "a hole for a write",
    operation: Write,
    answer: ({ cookie }) => holeChunk(cookie, 4096, 1024),
    said: /a hole came for a command that reads nothing/,
  },
  {
    what: "a hole of another form",
    answer: ({ cookie }) => chunk(cookie, Chunk.OffsetHole, new Uint8Array(16)),
    said: /a hole's payload has 16 bytes where 12 are due/,
  },
  {
    what: "an empty chunk with bytes",
    answer: ({ cookie }) => chunk(cookie, Chunk.None, new Uint8Array(4)),
    said: /an empty chunk has 4 bytes/,
  },
  {
    what: "an empty chunk that is not the last",
    answer: ({ cookie }) => chunk(cookie, Chunk.None, NONE, 0),
    said: /and is not the last/,
  },
  {
    what: "an error without a number",
    answer: ({ cookie }) => chunk(cookie, Chunk.Error, new Uint8Array(4)),
    said: /an error's payload has 4 bytes/,
  },
  {
    what: "an error without end",
    answer: ({ cookie }) => message([0x668e33ef, 4], [1, 2], [Chunk.Error, 2], [cookie, 8], [2 ** 31, 4]),
    said: /an error's payload has 2147483648 bytes/,
  },
  {
    what: "an error whose text is longer than it",
    answer: ({ cookie }) => chunk(cookie, Chunk.Error, message([5, 4], [9, 2], new Uint8Array(8))),
    said: /text of 9 bytes is longer than its chunk, of 14/,
  },
  { what: "error 0", answer: ({ cookie }) => errorChunk(cookie, 0, "fine"), said: /reports error 0/ },
  {
    what: "a chunk that nobody asked for",
    answer: ({ cookie }) => chunk(cookie, Chunk.BlockStatus, new Uint8Array(12)),
    said: /a chunk has type 5, which was not asked for/,
  },
];

Deno.test("nbd: a server that breaks the protocol loses the connection, and what it had goes to the next", () => {
  for (const { what, structured = true, operation = Read, answer, said } of breaches) {
    const disk = patterned(2);
    const expected = disk.slice();
    const honest = diskScript(disk, { structured });
    const script: Script = function* (server) {
      if (server.number > 1) return yield* honest(server);
      yield* shakeHands(server, { sizeBytes: SIZE, structured });
      server.send(answer(yield* nextRequest()));
      yield 1; // It keeps the connection.
    };
    using server = new ScriptedServer(script);
    using bench = new NbdBench(server, {}, 2);
    bench.submit(0, operation, 4096, [512, 512]);
    bench.until(() => server.accepted === 2);
    bench.finish();
    assert.equal(bench.requests[0].status, Status.Okay, what);
    if (operation === Read) assert.deepEqual(bench.bytesOf(0), expected.slice(4096, 5120), what);
    assert.equal(bench.run(Flush, 0, []), Status.Okay, what);
    assert.deepEqual(bench.reports, [], what);
    assert.match(bench.notes[0], said, what);
    assert.match(bench.notes[0], /^The connection to nbd\+unix:.* was lost: the server breaks the protocol: /);
    assert.match(bench.notes[1], / is back$/);
    assert.equal(bench.device.counters().nbdReconnects, 1, what);
  }
});

Deno.test("nbd: an error of any known or unknown kind, of the greatest length, is the request's and not the connection's", () => {
  const text = "e".repeat(4096);
  const script: Script = function* (server) {
    yield* shakeHands(server, { sizeBytes: SIZE });
    for (;;) {
      const { cookie } = yield* nextRequest();
      const payload = message([5, 4], [text.length, 2], new TextEncoder().encode(text), [4096, 8]);
      server.send(chunk(cookie, Chunk.ErrorOffset, payload, 0));
      server.send(chunk(cookie, 0x8077, message([22, 4], [0, 2], new Uint8Array(30))));
    }
  };
  using server = new ScriptedServer(script);
  server.pieceBytes = () => 1000;
  using bench = new NbdBench(server);
  assert.equal(bench.run(Read, 4096, [1024]), Status.Error);
  assert.equal(bench.run(Read, 4096, [1024]), Status.Error);
  assert.match(bench.reports[0], /EIO .*: it says "e{200}…"$/);
  assert.equal(server.accepted, 1);
});
