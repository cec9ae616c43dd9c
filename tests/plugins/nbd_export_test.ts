/** The NBD server, with a device and clients that do everything in the order in which it is worst. */

import assert from "node:assert/strict";
import { Operation } from "../../core/blkif.ts";
import { openCLibrary } from "../../core/libc.ts";
import { FRAME_SIZE } from "../../core/memory.ts";
import { NbdCommand, NbdError } from "../../plugins/nbd/protocol.ts";
import { type HeldClient, type HeldServer, pageByte, request, withHeldServer } from "../helpers/nbd_export.ts";

const PAGE = FRAME_SIZE;
const RLIMIT_NOFILE = 7;

/** Leaves this process no descriptors, until the function that it returns is called. */
function takeAllDescriptors(): () => void {
  const library = openCLibrary(
    {
      getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
      setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
    } as const,
  );
  assert(library !== null);
  const before = new BigUint64Array(2); // The limit, and what it may be raised to.
  assert.equal(library.symbols.getrlimit(RLIMIT_NOFILE, before), 0);
  const open = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name));
  const lowered = BigUint64Array.of(BigInt(Math.max(...open) + 1), before[1]);
  assert.equal(library.symbols.setrlimit(RLIMIT_NOFILE, lowered), 0);
  const taken: Deno.FsFile[] = [];
  for (;;) {
    try {
      taken.push(Deno.openSync("/dev/null"));
    } catch {
      break;
    }
  }
  return () => {
    library.symbols.setrlimit(RLIMIT_NOFILE, before);
    for (const file of taken) file.close();
    library.close();
  };
}

/** Reads a page, and has the answer. */
function* readsPage({ queue, until }: HeldServer, client: HeldClient): Generator<void> {
  const before = client.replies(PAGE).length;
  client.ask(9, NbdCommand.Read, 0, PAGE);
  yield* until(() => queue.submitted.length === 1);
  queue.complete(0);
  yield* until(() => client.replies(PAGE).length > before);
}

Deno.test("a client that found the export full is let in when another leaves", () => {
  withHeldServer({ depth: 2, maxConnections: 1 }, function* ({ connect, until, settle }) {
    const first = connect();
    yield* until(() => first.isIn);
    const second = connect();
    yield* settle();
    assert.equal(second.isIn, false);
    first.leave();
    yield* until(() => second.isIn);
  });
});

Deno.test("a client for whom the process has no descriptor keeps nobody awake, and is let in later", () => {
  withHeldServer({ depth: 2 }, function* ({ connect, settle, hasWork }) {
    const client = connect();
    const release = takeAllDescriptors();
    try {
      yield* settle();
      assert.equal(hasWork(), false);
    } finally {
      release();
    }
    assert.equal(client.isIn, false);
    for (let looks = 0; !client.isIn; looks++) {
      assert(looks < 1000, "it was never let in");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
      yield;
    }
  });
});

Deno.test("a new client is noticed by a thread that spins for ever", () => {
  withHeldServer({ depth: 2 }, function* ({ connect, until, settle, spinFinds }) {
    const first = connect();
    yield* until(() => first.isIn);
    yield* settle();
    assert.equal(spinFinds(), false);
    connect();
    assert.equal(spinFinds(), true);
  });
});

Deno.test("a long read whose beginning fails is answered, with fewer slots than it has parts", () => {
  withHeldServer({ depth: 2 }, function* (server) {
    const { queue, connect, until } = server;
    const client = connect();
    client.ask(1, NbdCommand.Read, 0, 5 * PAGE);
    yield* until(() => queue.submitted.length === 2);
    queue.complete(0, -1);
    queue.complete(PAGE);
    yield* until(() => queue.submitted.length === 2);
    queue.complete(3 * PAGE);
    queue.complete(2 * PAGE);
    yield* until(() => queue.submitted.length === 1);
    queue.complete(4 * PAGE);
    yield* until(() => client.replies().length === 1);
    assert.deepEqual(client.replies(), [[1, NbdError.InputOutput]]);
  });
});

Deno.test("a client that leaves in the midst of a read whose beginning failed leaves its slots", () => {
  withHeldServer({ depth: 2 }, function* (server) {
    const { queue, connect, until, settle } = server;
    const client = connect();
    client.ask(1, NbdCommand.Read, 0, 5 * PAGE);
    yield* until(() => queue.submitted.length === 2);
    client.leave();
    queue.complete(PAGE);
    queue.complete(0, -1);
    yield* settle();
    for (const { offset } of [...queue.submitted]) queue.complete(offset);
    yield* settle();
    const next = connect();
    next.ask(1, NbdCommand.Read, 0, PAGE);
    next.ask(2, NbdCommand.Read, PAGE, PAGE);
    yield* until(() => queue.submitted.length === 2);
  });
});

Deno.test("a long read that fails after its beginning ends its connection, and mixes up nobody's answers", () => {
  withHeldServer({ depth: 2 }, function* (server) {
    const { queue, connect, until } = server;
    const client = connect();
    client.ask(1, NbdCommand.Read, 0, 3 * PAGE);
    yield* until(() => queue.submitted.length === 2);
    // In one turn, so that nothing is in flight when the rest of the read still waits for a slot.
    queue.complete(0);
    queue.complete(PAGE, -1);
    yield* until(() => client.received.length > 0 && client.closed);
    const [one, other] = [connect(), connect()];
    yield* until(() => one.isIn && other.isIn);
    one.ask(11, NbdCommand.Read, 4 * PAGE, PAGE);
    other.ask(22, NbdCommand.Read, 5 * PAGE, PAGE);
    yield* until(() => queue.submitted.length === 2);
    queue.complete(4 * PAGE);
    queue.complete(5 * PAGE);
    yield* until(() => one.replies(PAGE).length + other.replies(PAGE).length === 2);
    assert.deepEqual(one.replies(PAGE), [[11, 0, pageByte(4 * PAGE), pageByte(4 * PAGE)]]);
    assert.deepEqual(other.replies(PAGE), [[22, 0, pageByte(5 * PAGE), pageByte(5 * PAGE)]]);
  });
});

Deno.test("a long read has its data in order, however many parts wait for the first", () => {
  const parts = 300;
  withHeldServer({ depth: 512 }, function* (server) {
    const { queue, connect, until, settle } = server;
    const client = connect();
    client.ask(1, NbdCommand.Read, 0, parts * PAGE);
    yield* until(() => queue.submitted.length > 0);
    for (let before = 0; before < queue.history.length;) {
      before = queue.history.length;
      for (const { offset } of [...queue.submitted]) if (offset > 0) queue.complete(offset);
      yield* settle();
    }
    queue.complete(0);
    for (let rest = parts; rest > 0; rest--) {
      yield* settle();
      for (const { offset } of [...queue.submitted]) queue.complete(offset);
      if (client.data.length >= parts * PAGE) break;
    }
    const { data } = client;
    assert.equal(data.length, parts * PAGE);
    for (let at = 0; at < data.length; at += PAGE / 2) assert.equal(data[at], pageByte(at), `at ${at}`);
    yield* readsPage(server, connect());
  });
});

Deno.test("who had to wait for a slot is heard again, though the server never sleeps", () => {
  withHeldServer({ depth: 2 }, function* (server) {
    const { queue, connect, until, settle } = server;
    const clients = Array.from({ length: 6 }, () => connect()); // So many that the kernel is asked who is ready.
    yield* until(() => clients.every((client) => client.isIn));
    const [waits, ...others] = clients;
    others.slice(0, 2).forEach((client, index) => client.ask(1, NbdCommand.Read, index * PAGE, PAGE));
    yield* until(() => queue.submitted.length === 2);
    waits.ask(1, NbdCommand.Read, 2 * PAGE, PAGE);
    yield* settle();
    waits.ask(2, NbdCommand.Read, 3 * PAGE, PAGE); // Which nobody looks at as long as it waits.
    yield* settle();
    queue.complete(0);
    queue.complete(PAGE);
    yield* until(() => queue.submitted.length === 2);
  });
});

Deno.test("every client has its turn, with many more clients than slots", () => {
  withHeldServer({ depth: 2 }, function* (server) {
    const { queue, connect, until } = server;
    const clients = Array.from({ length: 6 }, () => connect());
    yield* until(() => clients.every((client) => client.isIn));
    const asked = clients.map(() => 0);
    const ask = (index: number): void => clients[index].ask(asked[index]++, NbdCommand.Read, index * PAGE, PAGE);
    clients.forEach((_, index) => ask(index));
    for (let round = 0; round < 60; round++) {
      yield* until(() => queue.submitted.length === 2);
      queue.complete(queue.submitted[0].offset);
      const answered = (): number => clients.findIndex((client, index) => client.replies(PAGE).length === asked[index]);
      yield* until(() => answered() >= 0);
      ask(answered());
    }
    const shares = clients.map((_, index) => queue.history.filter(({ offset }) => offset === index * PAGE).length);
    assert(Math.min(...shares) >= 5, `of about 62 operations, clients had ${shares}`);
  });
});

Deno.test("an export that drains answers all that it has received, also what it has not yet looked at", () => {
  const requests = 100;
  withHeldServer({ depth: 64 }, function* (server) {
    const { queue, connect, until, settle } = server;
    const client = connect();
    yield* until(() => client.isIn);
    const bytes = new Uint8Array(requests * 28);
    for (let i = 0; i < requests; i++) bytes.set(request(i, NbdCommand.Read, 0, PAGE), i * 28);
    client.send(bytes);
    yield* until(() => queue.submitted.length > 0);
    yield "finish";
    for (let i = 0; i < requests && !client.closed; i++) {
      yield* settle();
      while (queue.submitted.length > 0) queue.complete(0);
      client.replies(PAGE);
    }
    assert.deepEqual(client.replies(PAGE).map(([cookie]) => cookie), Array.from({ length: requests }, (_, i) => i));
    yield* until(() => client.received.length > 0 && client.closed);
  });
});

Deno.test("an export that drains ends who never stops writing, after the write that it is in", () => {
  withHeldServer({ depth: 4 }, function* (server) {
    const { queue, connect, until } = server;
    const client = connect();
    yield* until(() => client.isIn);
    const write = new Uint8Array(28 + PAGE);
    write.set(request(1, NbdCommand.Write, 0, PAGE));
    let asked = 0;
    // So that the server always has the beginning of a write, and never its end.
    const goOn = (): void => {
      if (client.closed) return;
      client.send(write.subarray(asked === 0 ? 0 : 100));
      client.send(write.subarray(0, 100));
      asked++;
      while (queue.submitted.length > 0) queue.complete(0);
      client.replies();
    };
    for (let turn = 0; turn < 50; turn++) {
      goOn();
      yield;
    }
    yield "finish";
    goOn();
    yield* until(() => {
      while (queue.submitted.length > 0) queue.complete(0);
      return client.received.length > 0 && client.closed;
    });
    assert.equal(
      client.replies().length,
      queue.history.filter(({ operation }) => operation === Operation.Write).length,
    );
  });
});
