import assert from "node:assert/strict";
import fc from "fast-check";
import { Epoll, Ready } from "../../core/epoll.ts";
import { SharedMemory } from "../../core/memory.ts";
import { MAX_PLACES, PlaceList, Sockets } from "../../core/socket.ts";
import type { SocketAddress } from "../../core/socket_address.ts";

const EAGAIN = 11;
const ENOENT = 2;
const ECONNREFUSED = 111;

/** Two ends of a connection. */
interface Pair extends Disposable {
  readonly sockets: Sockets;
  readonly client: number;
  readonly server: number;
}

function connect(sockets: Sockets, listening: number, address: SocketAddress): Pair {
  const client = sockets.connect(address);
  assert(client >= 0, `errno ${-client}`);
  let server = sockets.accept(listening);
  // TCP completes in the kernel's own time.
  for (const deadline = performance.now() + 10_000; server < 0 && performance.now() < deadline;) {
    server = sockets.accept(listening);
  }
  assert(server >= 0, `errno ${-server}`);
  return {
    ...{ sockets, client, server },
    [Symbol.dispose]() {
      sockets.close(client);
      sockets.close(server);
    },
  };
}

function withPair(test: (pair: Pair) => void): void {
  const folder = Deno.makeTempDirSync();
  const sockets = Sockets.open();
  const address: SocketAddress = { kind: "unix", path: `${folder}/socket` };
  const listening = sockets.listen(address);
  try {
    using pair = connect(sockets, listening, address);
    test(pair);
  } finally {
    sockets.close(listening);
    sockets.detach();
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A list of places of these lengths, one after another from byte 0 of a region on. */
function places(memory: SharedMemory, lengths: readonly number[]): PlaceList {
  const list = new PlaceList();
  let at = 0;
  for (const length of lengths) {
    list.add(memory.address + at, length);
    at += length;
  }
  return list;
}

function receiveAll({ sockets, server }: Pair, memory: SharedMemory, byteLength: number): void {
  const list = places(memory, [byteLength]);
  while (list.byteLength > 0) {
    const received = sockets.receive(server, list);
    if (received > 0) list.consume(received);
    else assert.equal(received, -1);
  }
}

Deno.test("what is sent from several places arrives in their order, in whatever places it is received", () => {
  withPair((pair) => {
    const lengths = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 12 });
    fc.assert(fc.property(lengths, lengths, (from, to) => {
      const total = Math.min(from.reduce((a, b) => a + b), to.reduce((a, b) => a + b));
      const [source, target] = [SharedMemory.allocate(32), SharedMemory.allocate(32)];
      crypto.getRandomValues(new Uint8Array(65536)).forEach((byte, index) => source.bytes[index] = byte);
      const sending = places(source, from);
      const receiving = places(target, to);
      const surplus = sending.byteLength - total;
      let left = total;
      while (left > 0) {
        const sent = pair.sockets.send(pair.client, sending);
        if (sent > 0) sending.consume(sent);
        const received = receiving.byteLength === 0 ? 0 : pair.sockets.receive(pair.server, receiving);
        if (received > 0) {
          receiving.consume(received);
          left -= received;
        }
      }
      assert.deepEqual(target.bytes.slice(0, total), source.bytes.slice(0, total));
      while (sending.byteLength > 0) sending.consume(Math.max(0, pair.sockets.send(pair.client, sending)));
      if (surplus > 0) receiveAll(pair, SharedMemory.allocate(32), surplus);
    }));
  });
});

Deno.test("consuming takes away the first bytes of a list, wherever they end", () => {
  const memory = SharedMemory.allocate(1);
  const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 });
  fc.assert(fc.property(lengths, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
    const total = all.reduce((a, b) => a + b);
    const taken = Math.floor(share * total);
    const list = places(memory, all);
    list.consume(taken);
    assert.equal(list.byteLength, total - taken);
    const left: number[] = [];
    let at = 0;
    for (const length of all) {
      if (at + length > taken) left.push(at + length - Math.max(at, taken));
      at += length;
    }
    assert.equal(list.count, left.length);
  }));
});

Deno.test("a list is full when it has as many places as one call takes", () => {
  const memory = SharedMemory.allocate(1);
  const list = places(memory, Array(MAX_PLACES - 1).fill(1));
  assert(!list.full);
  list.add(memory.address, 1);
  assert(list.full);
  list.clear();
  assert.deepEqual([list.full, list.count, list.byteLength], [false, 0, 0]);
});

Deno.test("nothing there is −1, the peer's end is 0, and sending to who has left fails for good", () => {
  withPair(({ sockets, client, server }) => {
    const list = places(SharedMemory.allocate(1), [100]);
    assert.equal(sockets.receive(server, list), -1);
    assert(!sockets.failed);
    sockets.shutdown(client);
    assert.equal(sockets.receive(server, list), 0);
    assert.equal(sockets.send(server, list), -1);
    assert(sockets.failed);
  });
});

Deno.test("a socket that is full takes no more for now, and that is no failure", () => {
  withPair(({ sockets, client }) => {
    const memory = SharedMemory.allocate(64);
    let sent = 0;
    for (let result = 0; result >= 0; sent += Math.max(0, result)) {
      result = sockets.send(client, places(memory, [65536]));
    }
    assert(sent > 0 && !sockets.failed);
  });
});

Deno.test("a Unix socket belongs to its owner alone, however long its path is", () => {
  const folder = Deno.makeTempDirSync();
  const sockets = Sockets.open();
  try {
    const long = "long".repeat(40);
    Deno.mkdirSync(`${folder}/${long}`);
    for (const name of ["short", `${long}/socket`]) {
      const address: SocketAddress = { kind: "unix", path: `${folder}/${name}` };
      assert.equal(sockets.connect(address), -ENOENT);
      const listening = sockets.listen(address);
      assert.equal((Deno.statSync(address.path).mode ?? 0) & 0o777, 0o600);
      assert.equal(sockets.accept(listening), -EAGAIN);
      using _ = connect(sockets, listening, address);
      assert.throws(() => sockets.listen(address), {
        name: "DeviceError",
        message: /Cannot listen on unix:.*EADDRINUSE/,
      });
      sockets.close(listening);
      assert.equal(sockets.connect(address), -ECONNREFUSED);
    }
    assert.throws(() => sockets.listen({ kind: "unix", path: `${folder}/${long}` }), /longlong" is too long: allowed/);
  } finally {
    sockets.detach();
    Deno.removeSync(folder, { recursive: true });
  }
});

for (const [kind, host] of [["tcp4", "127.0.0.1"], ["tcp6", "::1"]] as const) {
  Deno.test(`a ${kind} socket listens on the port that it is given, and can be connected to`, () => {
    const sockets = Sockets.open();
    const listening = sockets.listen({ kind, host, port: 0 });
    const port = sockets.localPort(listening);
    assert(port > 0);
    using pair = connect(sockets, listening, { kind, host, port });
    assert.equal(sockets.connectError(pair.client), 0);
    sockets.setNoDelay(pair.client);
    sockets.close(listening);
    sockets.detach();
  });
}

Deno.test("a set says which of its descriptors are ready for what they are watched for", () => {
  withPair(({ sockets, client, server }) => {
    const set = new Epoll();
    set.add(server, Ready.Read);
    assert.equal(set.poll(), 0);
    sockets.send(client, places(SharedMemory.allocate(1), [10]));
    assert.equal(set.poll(), 1);
    assert.deepEqual([set.readyDescriptor(0), set.readyEvents(0)], [server, Ready.Read]);
    assert.equal(set.poll(), 1, "it stays ready");
    set.modify(server, Ready.Write);
    assert.equal(set.poll(), 1);
    assert.equal(set.readyEvents(0), Ready.Write);
    set.modify(server, 0);
    assert.equal(set.poll(), 0);
    set.modify(server, Ready.Read);
    set.remove(server);
    assert.equal(set.poll(), 0);
    assert.throws(() => set.add(999_999, Ready.Read), { name: "DeviceError", message: /999999.*EBADF/ });
    set.close();
  });
});
