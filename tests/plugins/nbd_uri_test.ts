import assert from "node:assert/strict";
import { checkPermissions } from "../../core/permissions.ts";
import nbd from "../../plugins/devices/nbd.ts";
import { resolveServer } from "../../plugins/devices/nbd/resolve.ts";
import { parseNbdUri, type ServerPlace } from "../../plugins/devices/nbd/uri.ts";

const tcp = (host: string, port = 10_809): ServerPlace => ({ kind: "tcp", host, port });
const unix = (path: string): ServerPlace => ({ kind: "unix", path });

Deno.test("an NBD URI names a server and an export", () => {
  const cases: [string, ServerPlace, string][] = [
    ["nbd://example.com:10810/disk", tcp("example.com", 10_810), "disk"],
    ["nbd://example.com", tcp("example.com"), ""],
    ["nbd://example.com:/", tcp("example.com"), ""],
    ["nbd://example.com//disk", tcp("example.com"), "/disk"],
    ["nbd://example.com/../a/./b", tcp("example.com"), "../a/./b"],
    ["nbd://127.0.0.1/hello%20world%2F%C3%A4", tcp("127.0.0.1"), "hello world/ä"],
    ["nbd://[::1]:7/x", tcp("::1", 7), "x"],
    ["nbd+unix:///?socket=/run/s", unix("/run/s"), ""],
    ["nbd+unix:///name?socket=/run/a%26b+c=d", unix("/run/a&b+c=d"), "name"],
    ["nbd+unix:?socket=s", unix("s"), ""],
  ];
  for (const [uri, server, exportName] of cases) assert.deepEqual(parseNbdUri(uri), { server, exportName }, uri);
});

Deno.test("what is no NBD URI, or one that cannot be served, is refused with what was found and what is allowed", () => {
  const cases: [string, RegExp][] = [
    ["", /nbd:\/\/HOST:PORT\/EXPORT and nbd\+unix:/],
    ["/dev/nbd0", /allowed are/],
    ["http://x/", /scheme http is not known; allowed are/],
    ["nbds://x/", /nbds asks for TLS, which iddr does not speak/],
    ["nbds+unix:///?socket=/s", /TLS/],
    ["nbd+vsock://3/", /nbd\+vsock is not known/],
    ["nbd:///disk", /names no host/],
    ["nbd://x:65536/", /port 65536/],
    ["nbd://x:0/", /port 0 /],
    ["nbd://x:y/", /names no host: found "x:y"/],
    ["nbd://me@x/", /names a user/],
    ["nbd://x/#part", /fragment/],
    ["nbd://x/?socket=/s", /parameter socket is not known; none is/],
    ["nbd+unix:///", /names no socket/],
    ["nbd+unix:///?socket=", /names no socket/],
    ["nbd+unix://host/?socket=/s", /has no host: found host/],
    ["nbd+unix:///?socket=/s&socket=/t", /more than one/],
    ["nbd+unix:///?socket=/s&tls-type=psk", /parameter tls-type is not known; allowed is socket/],
    ["nbd+unix:///?socket=%00abstract", /NUL/],
    ["nbd://x/a%00b", /NUL/],
    ["nbd://x/%zz", /is not encoded/],
    [`nbd://x/${"n".repeat(4097)}`, /4097 bytes; allowed are at most 4096/],
  ];
  for (const [uri, expected] of cases) {
    assert.throws(
      () => parseNbdUri(uri),
      (error: Error) => error instanceof RangeError && expected.test(error.message),
      uri,
    );
    assert.match(nbd.options.safeParse({ uri }).error?.message ?? "accepted", /Cannot use the NBD URI/, uri);
  }
});

Deno.test("a host's name is resolved to its addresses, and one that nobody knows is refused by its name", () => {
  assert.deepEqual(resolveServer(unix("/run/s")), [{ kind: "unix", path: "/run/s" }]);
  assert.deepEqual(resolveServer(tcp("10.1.2.3", 5)), [{ kind: "tcp4", host: "10.1.2.3", port: 5 }]);
  assert.deepEqual(resolveServer(tcp("fe80::1", 5)), [{ kind: "tcp6", host: "fe80::1", port: 5 }]);
  const local = resolveServer(tcp("localhost", 5));
  assert(local.length > 0);
  for (const address of local) {
    assert(address.kind !== "unix" && address.port === 5);
    assert(["127.0.0.1", "0:0:0:0:0:0:0:1"].includes(address.host), address.host);
  }
  assert.throws(() => resolveServer(tcp("nosuch.invalid")), /Cannot find the host nosuch\.invalid: /);
});

Deno.test("nbd asks for the C library and its server, and for a folder to read where a socket's path is too long for the kernel", () => {
  const needs = (uri: string) => nbd.permissions?.(nbd.options.parse({ uri }));
  for (
    const [uri, host] of [
      ["nbd://example.com/", "example.com:10809"],
      ["nbd://127.0.0.1:7/disk", "127.0.0.1:7"],
      ["nbd://[fe80::1%25eth0]:7/", "[fe80::1]:7"],
      ["nbd+unix:///?socket=/run/s", "unix:/run/s"],
      ["nbd+unix:///?socket=s", `unix:${Deno.cwd()}/s`],
    ]
  ) {
    assert.deepEqual(Object.keys(needs(uri) ?? {}), ["ffi", "net"], uri);
    assert.deepEqual(needs(uri)?.net, [host]);
    checkPermissions(nbd, nbd.options.parse({ uri })); // Deno takes it.
  }
  assert.deepEqual(needs(`nbd+unix:///?socket=/tmp/${"d".repeat(100)}/${"s".repeat(20)}`)?.read, [
    `/tmp/${"d".repeat(100)}`,
  ]);
});

Deno.test("nbd refuses options that make no sense", () => {
  const refused = (given: Record<string, unknown>) => {
    return nbd.options.safeParse({ uri: "nbd://x/", ...given }).error?.message ?? "accepted";
  };
  assert.match(refused({ retryFrom: "2s", retryTo: "1s" }), /must not be shorter than retryFrom/);
  assert.match(refused({ connections: 17 }), /16/);
  assert.match(refused({ connectTimeout: "10us" }), /at least 1ms/);
  assert.equal(refused({}), "accepted");
});
