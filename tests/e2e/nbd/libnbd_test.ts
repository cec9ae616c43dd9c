// Requests as libnbd sends them one by one, and requests that must be refused.
import { testUnless } from "../../helpers/test_unless.ts";
import { withDirectory } from "../command.ts";
import { libnbd, libnbdRefusal } from "./libnbd.ts";
import { describe, serve, SETUPS } from "./served.ts";

/** Each is run against every setup; those with `readOnly` against a read-only export. */
const SCRIPTS: readonly { readonly name: string; readonly script: string; readonly args?: readonly string[] }[] = [
  {
    name: "writes, durable ones too, are read back from another connection",
    script: `
other = nbd.NBD()
other.connect_uri(uri)
data = os.urandom(300 * 1024)
h.pwrite(data, 512)
assert other.pread(len(data), 512) == data
h.pwrite(data[::-1], 1024 * 1024, nbd.CMD_FLAG_FUA)
h.flush()
assert other.pread(len(data), 1024 * 1024) == data[::-1]
other.shutdown()
`,
  },
  {
    name: "a read comes in chunks, each byte once",
    script: `
data = os.urandom(size)
h.pwrite(data, 0)
got = bytearray(size)
seen = bytearray(size)
def chunk(part, offset, status, error):
    assert status == nbd.READ_DATA, status
    got[offset:offset + len(part)] = part
    for i in range(offset // 512, (offset + len(part)) // 512):
        seen[i] += 1
h.pread_structured(size, 0, chunk)
assert got == data
assert seen[:size // 512] == b"\\1" * (size // 512)
def one(part, offset, status, error):
    assert (offset, len(part)) == (4096, 65536)
h.pread_structured(65536, 4096, one, nbd.CMD_FLAG_DF)
`,
  },
  {
    name: "zeroes, trims and the block status",
    script: `
h.pwrite(b"x" * 65536, 0)
h.zero(4096, 8192)
h.zero(4096, 16384, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA)
h.trim(4096, 32768, nbd.CMD_FLAG_FUA)
got = h.pread(65536, 0)
assert got[:8192] == b"x" * 8192
assert got[8192:12288] == bytes(4096)
assert got[12288:16384] == b"x" * 4096
assert got[16384:20480] == bytes(4096)
assert got[20480:32768] == b"x" * 12288
assert got[36864:] == b"x" * (65536 - 36864)
def covered(count, offset, flags=0):
    total = 0
    def extents(context, start, entries, error):
        nonlocal total
        assert context == "base:allocation" and start == offset and error.value == 0
        total = sum(entries[::2])
    h.block_status(count, offset, extents, flags)
    return total
at = 0
while at < size:
    step = covered(size - at, at)
    assert step > 0
    at += step
assert 0 < covered(4096, 512, nbd.CMD_FLAG_REQ_ONE) <= 4096
`,
  },
  {
    name: "what is not in sectors, past the end or unknown is refused, and the connection goes on",
    script: `
h.set_strict_mode(0)
h.pwrite(b"a" * 512, size - 512)
for call in (lambda: h.pread(512, size), lambda: h.pread(1024, size - 512), lambda: h.pread(512, 2 ** 62)):
    expect("EINVAL", call)
for call in (lambda: h.pwrite(bytes(1024), size - 512), lambda: h.zero(1024, size - 512)):
    expect("ENOSPC", call)
expect("EINVAL", lambda: h.trim(1024, size - 512))
expect("EINVAL", lambda: h.pread(1, 0))
expect("EINVAL", lambda: h.pread(512, 1))
expect("EINVAL", lambda: h.pwrite(b"b" * 513, 0))
expect("EINVAL", lambda: h.pwrite(b"b" * 512, 256))
expect("EINVAL", lambda: h.zero(512, 0, 1 << 9))
if not h.can_cache():
    expect("EINVAL", lambda: h.cache(4096, 0))
assert h.pread(512, size - 512) == b"a" * 512
`,
  },
  {
    name: "many requests of one connection in flight are each answered with their own data",
    script: `
for i in range(256):
    h.pwrite(bytes([i]) * 4096, i * 4096)
buffers = []
for i in range(256):
    buffer = nbd.Buffer(4096)
    buffers.append((i, buffer, h.aio_pread(buffer, i * 4096)))
while h.aio_in_flight() > 0:
    h.poll(-1)
for i, buffer, cookie in buffers:
    assert h.aio_command_completed(cookie)
    assert buffer.to_bytearray() == bytes([i]) * 4096, i
`,
  },
  {
    name: "a read-only export is read and nothing else",
    args: ["--read-only"],
    script: `
assert h.is_read_only()
h.set_strict_mode(0)
assert h.pread(4096, 0) == bytes(4096)
expect("EPERM", lambda: h.pwrite(bytes(512), 0))
expect("EPERM", lambda: h.zero(512, 0))
expect("EPERM", lambda: h.trim(512, 0))
assert h.pread(4096, size - 4096) == bytes(4096)
`,
  },
];

for (const setup of SETUPS) {
  for (const { name, script, args } of SCRIPTS) {
    testUnless(libnbdRefusal, `${name}: ${describe(setup)}`, async () => {
      await withDirectory(async (directory) => {
        await using served = await serve(directory, { parts: setup, args });
        await libnbd(directory, served.uri, script);
      });
    });
  }
}

testUnless(libnbdRefusal, "a client can list, ask and choose before it transmits", async () => {
  await withDirectory(async (directory) => {
    await using served = await serve(directory, { args: ["--name", "one"] });
    await libnbd(
      directory,
      served.uri,
      `
h.set_opt_mode(True)
h.connect_uri(uri)
names = []
assert h.opt_list(lambda name, description: names.append(name)) == 1
assert names == ["one"], names
h.set_export_name("two")
expect("ENOENT", lambda: h.opt_info())
h.set_export_name("one")
h.opt_info()
assert h.get_size() == size
contexts = []
h.add_meta_context("base:")
h.opt_list_meta_context(lambda name: contexts.append(name))
assert contexts == ["base:allocation"], contexts
h.opt_go()
assert h.pread(512, 0) == bytes(512)
h.shutdown()
old = nbd.NBD()
old.set_request_structured_replies(False)
old.connect_uri(uri)
assert not old.get_structured_replies_negotiated()
old.pwrite(b"y" * 400 * 1024, 0)
assert old.pread(400 * 1024, 0) == b"y" * 400 * 1024
old.shutdown()
`,
      { connects: false },
    );
  });
});
