import assert from "node:assert/strict";
import { isLocal, parseSocketAddress, socketAddressBytes } from "../../core/socket_address.ts";

Deno.test("addresses are paths, and hosts as numbers with a port", () => {
  assert.deepEqual(parseSocketAddress("unix:/run/a b.sock"), { kind: "unix", path: "/run/a b.sock" });
  assert.deepEqual(parseSocketAddress("tcp:127.0.0.1:10809"), { kind: "tcp4", host: "127.0.0.1", port: 10809 });
  assert.deepEqual(parseSocketAddress("tcp:localhost:1"), { kind: "tcp4", host: "127.0.0.1", port: 1 });
  assert.deepEqual(parseSocketAddress("tcp:[::1]:0"), { kind: "tcp6", host: "::1", port: 0 });
});

Deno.test("what is no address is refused with what is allowed", () => {
  const wrong = [
    "",
    "unix:",
    "unix:\0abstract",
    "tcp:1.2.3.4",
    "tcp:1.2.3:80",
    "tcp:256.1.1.1:80",
    "tcp:127.0.0.1:65536",
    "tcp:::1:80",
  ];
  for (const text of [...wrong, "tcp:[1.2.3.4]:80", "tcp:example.org:80", "udp:127.0.0.1:80", "/run/a.sock"]) {
    assert.throws(() => parseSocketAddress(text), { name: "RangeError", message: /allowed are unix:PATH/ }, text);
  }
});

Deno.test("only loopback addresses and paths are local", () => {
  for (const text of ["unix:/a", "tcp:127.0.0.1:1", "tcp:127.9.9.9:1", "tcp:[::1]:1", "tcp:[0:0::1]:1"]) {
    assert(isLocal(parseSocketAddress(text)), text);
  }
  for (const text of ["tcp:0.0.0.0:1", "tcp:10.0.0.1:1", "tcp:[::]:1", "tcp:[::ffff:127.0.0.1]:1", "tcp:[fe80::1]:1"]) {
    assert(!isLocal(parseSocketAddress(text)), text);
  }
});

Deno.test("an address as the kernel takes it: family, port and host in network order", () => {
  const hex = (text: string): string => socketAddressBytes(parseSocketAddress(text)).toHex();
  assert.equal(hex("unix:/a"), "0100" + "2f61" + "00");
  assert.equal(hex("tcp:127.0.0.1:10809"), "0200" + "2a39" + "7f000001" + "00".repeat(8));
  assert.equal(hex("tcp:[::1]:80"), "0a00" + "0050" + "00000000" + "00".repeat(15) + "01" + "00000000");
  assert.equal(
    hex("tcp:[2001:db8::a:0.0.1.2]:80"),
    "0a00" + "0050" + "00000000" + "20010db8" + "00000000" + "0000000a" + "00000102" + "00000000",
  );
});
