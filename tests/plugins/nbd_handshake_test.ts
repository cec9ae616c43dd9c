// The handshake alone: bytes in, bytes out.
import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionError } from "../../core/errors.ts";
import { exportInfo } from "../../plugins/devices/nbd/export.ts";
import {
  Handshake,
  HANDSHAKE_ROOM_BYTES,
  HandshakeRefusal,
  type NbdExport,
} from "../../plugins/devices/nbd/handshake.ts";
import { HandshakeFlag, Info, Option, OptionReply, TransmissionFlag } from "../../plugins/nbd/protocol.ts";
import { ALL_FLAGS, type ExportModel, greeting, message, optionReply, shakeHands } from "../helpers/nbd_script.ts";

const { StructuredReply, Go } = Option;
const NAME = "a disk";

/** Shakes hands with a scripted server whose bytes come in pieces of the lengths that `cut` gives. */
function talk(model: ExportModel, cut: () => number): { found: NbdExport; name: string } {
  const handshake = new Handshake(NAME);
  const toClient: number[] = [];
  const toServer: number[] = [];
  const script = shakeHands({ send: (bytes) => void toClient.push(...bytes) }, model);
  let name: string | undefined;
  let { value: wanted } = script.next();
  let given = new Uint8Array();
  for (let turn = 0; handshake.result === null; turn++) {
    assert(turn < 10_000);
    while (name === undefined && toServer.length >= (wanted as number)) {
      const { done, value } = script.next(Uint8Array.from(toServer.splice(0, wanted as number)));
      if (done) name = value as string;
      wanted = value;
    }
    given = Uint8Array.of(...given, ...toClient.splice(0, cut()));
    assert(given.length <= HANDSHAKE_ROOM_BYTES);
    given = given.slice(handshake.take(given));
    toServer.push(...handshake.takeOutput());
  }
  assert.equal(toClient.length + given.length, 0, "every byte was taken, and none too many");
  return { found: handshake.result, name: name ?? "" };
}

Deno.test("the handshake comes to the same end wherever the server's bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.record({
        sizeBytes: fc.maxSafeNat(),
        flags: fc.nat(0xffff).map((flags) => flags | 1),
        structured: fc.boolean(),
        go: fc.boolean(),
        noZeroes: fc.boolean(),
        blockSizes: fc.constantFrom(undefined, [1, 4096, 65536] as const, [4096, 4096, 2 ** 32 - 1] as const),
      }),
      fc.infiniteStream(fc.integer({ min: 1, max: 60 })),
      (model, cuts) => {
        const { found, name } = talk(model, () => cuts.next().value);
        assert.equal(name, NAME);
        const [min, , max] = model.go ? model.blockSizes ?? [512, 4096, 2 ** 25] : [512, 4096, 2 ** 25];
        assert.deepEqual(found, {
          sizeBytes: model.sizeBytes,
          flags: model.flags,
          minBlockBytes: min,
          maxPayloadBytes: Math.min(max, 2 ** 25),
          structured: model.structured,
        });
      },
    ),
    { numRuns: 100 },
  );
});

/** What a server's bytes, all at once, make of a handshake. */
function outcome(...bytes: readonly Uint8Array[]): unknown {
  const handshake = new Handshake(NAME);
  try {
    for (const each of bytes) {
      assert.equal(handshake.take(each), each.length, "all was taken");
      handshake.takeOutput();
    }
  } catch (thrown) {
    return thrown;
  }
  return handshake.result;
}

const structured = optionReply(StructuredReply, OptionReply.Ack);
const words = (text: string): Uint8Array => new TextEncoder().encode(text);
const exportInfoReply = optionReply(Go, OptionReply.Info, message([Info.Export, 2], [1 << 20, 8], [ALL_FLAGS, 2]));
const sizes = (min: number, preferred: number, max: number): Uint8Array => {
  return optionReply(Go, OptionReply.Info, message([Info.BlockSize, 2], [min, 4], [preferred, 4], [max, 4]));
};
const done = optionReply(Go, OptionReply.Ack);

Deno.test("a server that cannot be used is refused with what it sent", () => {
  const cases: [string, Uint8Array[], RegExp][] = [
    ["no NBD", [words("SSH-2.0-OpenSSH_9.2p1\r\n")], /no NBD server, as it greets with 0x5353482d322e302d/],
    ["another second magic", [message(words("NBDMAGIC"), [1n, 8])], /no newstyle NBD server.* 0x0000000000000001/],
    ["oldstyle", [message(words("NBDMAGIC"), [0x00420281861253n, 8])], /oldstyle/],
    ["no fixed newstyle", [greeting(HandshakeFlag.NoZeroes)], /does not speak fixed newstyle: .* 0x2/],
    ["no option's reply", [greeting(), message([1n, 8], [8, 4], [1, 4], [0, 4])], /answer to an option begins with 0x/],
    ["another option's reply", [greeting(), optionReply(Go, OptionReply.Ack)], /answers option 7 where 8 was asked/],
    ["too long a reply", [greeting(), message([0x3e889045565a9n, 8], [8, 4], [1, 4], [5000, 4])], /has 5000 bytes/],
    [
      "TLS at once",
      [greeting(), optionReply(StructuredReply, OptionReply.TlsRequired, words("no\x1b[31m TLS"))],
      /requires TLS, which iddr does not speak: it says "no \[31m TLS"/,
    ],
    ["TLS later", [greeting(), structured, optionReply(Go, OptionReply.TlsRequired)], /requires TLS/],
    [
      "unknown",
      [greeting(), structured, optionReply(Go, OptionReply.Unknown, words("none"))],
      /no export "a disk": it says "none"/,
    ],
    ["policy", [greeting(), structured, optionReply(Go, OptionReply.Policy)], /does not allow the export "a disk"/],
    ["block size", [greeting(), structured, optionReply(Go, OptionReply.BlockSizeRequired)], /answer 0x80000008/],
    ["nothing told", [greeting(), structured, done], /tells nothing of the export/],
    ["empty info", [greeting(), structured, optionReply(Go, OptionReply.Info)], /information of kind -1 has 0 bytes/],
    [
      "short info",
      [greeting(), structured, optionReply(Go, OptionReply.Info, message([Info.Export, 2], [1, 8]))],
      /kind 0 has 10 bytes where 12/,
    ],
    [
      "odd minimum",
      [greeting(), structured, exportInfoReply, sizes(513, 4096, 2 ** 20), done],
      /minimum block size, 513 bytes/,
    ],
    [
      "no minimum",
      [greeting(), structured, exportInfoReply, sizes(0, 4096, 2 ** 20), done],
      /minimum block size, 0 bytes/,
    ],
    [
      "odd maximum",
      [greeting(), structured, exportInfoReply, sizes(512, 4096, 1000), done],
      /maximum block size, 1000/,
    ],
    [
      "small maximum",
      [greeting(), structured, exportInfoReply, sizes(4096, 4096, 512), done],
      /maximum block size, 512/,
    ],
    [
      "more than can be addressed",
      [greeting(), structured, optionReply(Go, OptionReply.Info, message([Info.Export, 2], [1n << 53n, 8], [1, 2]))],
      /9007199254740992 bytes/,
    ],
    [
      "replies without end",
      [greeting(), structured, ...Array<Uint8Array>(65).fill(optionReply(Go, OptionReply.Info, message([77, 2])))],
      /more than 64 answers/,
    ],
  ];
  for (const [what, bytes, expected] of cases) {
    const thrown = outcome(...bytes);
    assert(thrown instanceof HandshakeRefusal, `${what}: ${thrown}`);
    assert.match(thrown.message, expected, what);
  }
});

Deno.test("a server that is shutting down may be asked again", () => {
  const shutdown = (option: number) => optionReply(option, OptionReply.Shutdown, words("bye"));
  for (const bytes of [[greeting(), shutdown(StructuredReply)], [greeting(), structured, shutdown(Go)]]) {
    const thrown = outcome(...bytes);
    assert(thrown instanceof ConnectionError);
    assert.match(thrown.message, /shutting down: it says "bye"/);
  }
});

Deno.test("what an export says makes a device, or is refused", () => {
  const found: NbdExport = {
    sizeBytes: 10_000,
    flags: ALL_FLAGS,
    minBlockBytes: 1,
    maxPayloadBytes: 2 ** 25,
    structured: true,
  };
  const wishes = { readOnly: false, discard: "auto" } as const;
  const all = { readOnly: false, canFlush: true, canFua: true, canDiscard: true, canWriteZeroes: true };
  assert.deepEqual(exportInfo(found, wishes), { sizeBytes: 9728, sectorSize: 512, ...all });
  assert.deepEqual(exportInfo({ ...found, minBlockBytes: 4096 }, wishes), {
    sizeBytes: 8192,
    sectorSize: 4096,
    ...all,
  });
  assert.equal(exportInfo(found, { ...wishes, discard: "off" }).canDiscard, false);
  for (
    const info of [
      exportInfo({ ...found, flags: ALL_FLAGS | TransmissionFlag.ReadOnly }, wishes),
      exportInfo(found, { ...wishes, readOnly: true }),
    ]
  ) {
    assert.deepEqual([info.readOnly, info.canDiscard, info.canWriteZeroes], [true, false, false]);
  }
  const plain = exportInfo({ ...found, flags: 1 }, wishes);
  assert.deepEqual(
    [plain.readOnly, plain.canFlush, plain.canFua, plain.canDiscard, plain.canWriteZeroes],
    [false, false, false, false, false],
  );
  const refused = (changes: Partial<NbdExport>, expected: RegExp): void => {
    assert.throws(() => exportInfo({ ...found, ...changes }, wishes), expected);
  };
  refused({ minBlockBytes: 8192 }, /blocks of 8KiB at least; sectors of at most 4KiB/);
  refused({ maxPayloadBytes: 256 }, /takes 256B at most/);
  refused({ sizeBytes: 511 }, /has 511 bytes, less than a sector of 512/);
  refused({ sizeBytes: 0 }, /has 0 bytes/);
});
