// How an export begins and ends: addresses that are taken, left over or impossible; signals; and a hard death.
import assert from "node:assert/strict";
import { join } from "node:path";
import { testUnless } from "../../helpers/test_unless.ts";
import { processesAlive, until, withDirectory } from "../command.ts";
import { clientRefusal, serve, succeed, tryToServe } from "./served.ts";

const refusal = clientRefusal("nbdinfo");
const SIZE = 4 * 2 ** 20;

/** A client that has been let in, and says nothing more. */
async function silentClient(directory: string): Promise<Deno.UnixConn> {
  const connection = await Deno.connect({ transport: "unix", path: join(directory, "nbd.sock") });
  const greeting = new Uint8Array(18);
  await connection.read(greeting);
  assert.equal(new TextDecoder().decode(greeting.subarray(0, 16)), "NBDMAGICIHAVEOPT");
  return connection;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.test(`${signal} ends an export in order, its socket is gone, and it says what it did`, async () => {
    await withDirectory(async (directory) => {
      await using served = await serve(directory);
      const { code, stdout, stderr } = await served.end(signal);
      assert.equal(code, 0);
      assert.match(stdout, /^served 0 connections, 0 requests, 0\.0 MiB in \d+\.\d s$/m);
      assert.match(stderr, /^finishing: .*; a second signal ends it now$/m);
      assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["scenario.yaml"]);
      await until(async () => (await processesAlive()).length === 0);
    });
  });
}

Deno.test("an export lingers until its clients have left, where the scenario wants that", async () => {
  await withDirectory(async (directory) => {
    await using served = await serve(directory, { args: ["--set", "workload.with.atEnd=linger"] });
    const client = await silentClient(directory);
    served.kill("SIGTERM");
    await until(() => served.stderr().includes("finishing"));
    client.close();
    const { code, stdout } = await served.ended;
    assert.equal(code, 0);
    assert.match(stdout, /^served 1 connection, /m);
  });
});

Deno.test("a second signal ends an export at once, with 130", async () => {
  await withDirectory(async (directory) => {
    await using served = await serve(directory, { args: ["--set", "workload.with.atEnd=linger"] });
    using _client = await silentClient(directory);
    served.kill("SIGTERM");
    await until(() => served.stderr().includes("finishing"));
    assert.equal((await served.end("SIGINT")).code, 130);
    await until(async () => (await processesAlive()).length === 0);
  });
});

testUnless(refusal, "kill -9 leaves no process, and its socket is replaced", async () => {
  await withDirectory(async (directory) => {
    await using served = await serve(directory);
    using _client = await silentClient(directory);
    const alive = await processesAlive();
    assert.ok(alive.length >= 2, `the export and its machine: ${alive}`);
    await served.end("SIGKILL");
    await until(async () => (await processesAlive()).length === 0);
    assert.ok((await Deno.lstat(join(directory, "nbd.sock"))).isSocket, "nobody has removed the socket");
    await using again = await serve(directory);
    assert.equal(await succeed("nbdinfo", "--size", again.uri), `${SIZE}\n`);
  });
});

testUnless(refusal, "a socket on which another serves is refused, and that one goes on", async () => {
  await withDirectory(async (directory) => {
    await using first = await serve(directory);
    const second = await tryToServe(directory);
    assert.ok("code" in second);
    assert.equal(second.code, 1);
    assert.equal(second.stdout, "");
    assert.match(second.stderr, /Cannot listen on unix:\S+nbd\.sock: another server listens there/);
    assert.equal(await succeed("nbdinfo", "--size", first.uri), `${SIZE}\n`);
  });
});

Deno.test("a TCP port on which another serves is refused", async () => {
  await withDirectory(async (directory) => {
    await using first = await serve(directory, { nbd: "tcp:127.0.0.1:0" });
    const [, port] = /:(\d+)\/?$/.exec(first.uri) ?? [];
    const second = await tryToServe(directory, { nbd: `tcp:127.0.0.1:${port}` });
    assert.ok("code" in second);
    assert.equal(second.code, 1);
    assert.match(second.stderr, new RegExp(`Cannot listen on tcp:127\\.0\\.0\\.1:${port}: EADDRINUSE`));
  });
});

Deno.test("a path where no socket can be is refused with the kernel's reason, and what is there stays", async () => {
  await withDirectory(async (directory) => {
    const file = join(directory, "file");
    await Deno.writeTextFile(file, "mine");
    const cases: readonly (readonly [path: string, reason: RegExp])[] = [
      [file, /there is something that is no socket/],
      [join(directory, "none/nbd.sock"), /ENOENT/],
      [join(file, "nbd.sock"), /ENOTDIR/],
      [join(directory, "s".repeat(200)), /is too long: allowed are \d+ bytes/],
      // Nobody makes files there, root neither.
      ["/proc/nbd.sock", /ENOENT|EACCES|EPERM/],
    ];
    for (const [path, reason] of cases) {
      const ended = await tryToServe(directory, { nbd: `unix:${path}`, permissions: ["--allow-write=/proc"] });
      assert.ok("code" in ended, path);
      assert.equal(ended.code, 1, path);
      assert.match(ended.stderr, reason);
    }
    assert.equal(await Deno.readTextFile(file), "mine");
  });
});

testUnless(refusal, "a path may be longer than a socket's address, and have any character", async () => {
  await withDirectory(async (directory) => {
    const folder = join(directory, `a b+c&d?e#${"f".repeat(120)}`);
    await Deno.mkdir(folder);
    const path = join(folder, "nbd.sock");
    await using served = await serve(directory, { nbd: `unix:${path}` });
    assert.equal(new URL(served.uri).searchParams.get("socket"), path);
    // Clients have the same limit; one in that folder need not name it.
    const link = join(directory, "short");
    await Deno.symlink(folder, link);
    assert.equal(await succeed("nbdinfo", "--size", `nbd+unix:///?socket=${link}/nbd.sock`), `${SIZE}\n`);
    assert.equal((await served.end()).code, 0);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
});
