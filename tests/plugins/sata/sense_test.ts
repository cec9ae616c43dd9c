import assert from "node:assert/strict";
import { ATA_COMMANDS } from "../../../plugins/devices/sata/ata_command.ts";
import { ataFailure, refusesPassThrough, wasDone } from "../../../plugins/devices/sata/ata_failure.ts";
import { describeSense, parseSense } from "../../../plugins/devices/sata/sense.ts";
import type { SgOutcome } from "../../../plugins/devices/sata/sg_io.ts";

/** Descriptor format with an ATA Status Return descriptor, by hand from the layout in SAT-4. */
function descriptors(key: number, code: number, qualifier: number, error: number, status: number, lba: bigint) {
  const byte = (index: number): number => Number(lba >> BigInt(8 * index) & 0xffn);
  const descriptor = [9, 12, 1, error, 0, 8, byte(3), byte(0), byte(4), byte(1), byte(5), byte(2), 0x40, status];
  return [0x72, key, code, qualifier, 0, 0, 0, descriptor.length, ...descriptor];
}

/** Fixed format, by hand from the layout in SAT-4. */
function fixed(error: number, status: number, flags: number, lba: readonly number[]): number[] {
  return [0xf0, 0, 3, error, status, 0x40, 8, 10, flags, ...lba, 0x11, 0x04, 0, 0, 0, 0];
}

/** What Linux 6.1 answers to READ DMA EXT of 8 sectors at LBA 2046 when QEMU cannot read them. */
const LINUX_6_1 = [112, 0, 11, 0, 0, 0, 0, 10, 4, 65, 64, 8, 0, 0, 0, 0, 128, 254];
/** What Linux 6.1 answers to a command that was done and had CK_COND set. */
const DONE_WITH_REGISTERS = [114, 1, 0, 29, 0, 0, 0, 14, 9, 12, 1, 0, 0, 0, 0, 8, 0, 0, 0, 0, 64, 80];
/** What a SCSI disk answers that does not know ATA PASS-THROUGH. */
const INVALID_OPCODE = [112, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 32, 0, 0, 0, 0, 0];

function outcome(changes: Partial<Omit<SgOutcome, "sense">> & { sense?: readonly number[] }): SgOutcome {
  const sense = Uint8Array.from(changes.sense ?? []);
  const status = sense.length > 0 ? 2 : 0;
  return { result: 0, status, hostStatus: 0, driverStatus: 0, residualBytes: 0, ...changes, sense };
}

function failure(changes: Parameters<typeof outcome>[0], range: { lba: number; count: number } | null): string {
  return ataFailure("/dev/sda", ATA_COMMANDS.readDmaExt, range, outcome(changes)).message;
}

Deno.test("descriptor format tells key, code and all of the disk's registers", () => {
  const sense = parseSense(Uint8Array.from(descriptors(3, 0x11, 4, 0x40, 0x51, 0xa1b2c3d4e5f6n)));
  const registers = { error: 0x40, status: 0x51, lba: 0xa1b2c3d4e5f6, lbaBits: 48 };
  assert.deepEqual(sense, { key: 3, code: 0x11, qualifier: 4, registers });
});

Deno.test("the ATA descriptor is found behind another one", () => {
  const [, ...rest] = descriptors(3, 0x11, 4, 0x40, 0x51, 5n);
  const bytes = [0x72, ...rest.slice(0, 7), 0, 2, 0, 0, ...rest.slice(7)];
  bytes[7] = 18;
  assert.equal(parseSense(Uint8Array.from(bytes))?.registers?.lba, 5);
});

Deno.test("fixed format has the low half of LBA, by the standard and in a byte by Linux before 6.11", () => {
  assert.deepEqual(parseSense(Uint8Array.from(fixed(0x40, 0x51, 0xa0, [3, 2, 1]))), {
    ...{ key: 3, code: 0x11, qualifier: 4 },
    registers: { error: 0x40, status: 0x51, lba: 0x010203, lbaBits: 24 },
  });
  assert.deepEqual(parseSense(Uint8Array.from(LINUX_6_1)), {
    ...{ key: 11, code: 0, qualifier: 0 },
    registers: { error: 4, status: 65, lba: 254, lbaBits: 8 },
  });
});

Deno.test("sense data without registers, cut short or of no known format is told as far as it goes", () => {
  assert.deepEqual(parseSense(Uint8Array.from(INVALID_OPCODE)), { key: 5, code: 32, qualifier: 0, registers: null });
  assert.equal(parseSense(new Uint8Array(0)), null);
  assert.equal(parseSense(new Uint8Array(18)), null);
  const whole = descriptors(3, 0x11, 4, 0x40, 0x51, 5n);
  for (let length = 8; length < whole.length; length++) {
    assert.equal(parseSense(Uint8Array.from(whole.slice(0, length)))?.registers, null, `${length} bytes`);
  }
  for (let length = 0; length < LINUX_6_1.length; length++) {
    assert.equal(parseSense(Uint8Array.from(LINUX_6_1.slice(0, length)))?.registers ?? null, null, `${length} bytes`);
  }
});

Deno.test("sense data is described in words and numbers, unknown codes in numbers", () => {
  const words = (key: number, code: number, qualifier: number) =>
    describeSense({ key, code, qualifier, registers: null });
  assert.equal(words(3, 0x11, 4), "medium error, unrecovered read error, auto-reallocation failed (3/11/04h)");
  assert.equal(words(3, 0x11, 0x99), "medium error, unrecovered read error (3/11/99h)");
  assert.equal(words(11, 0xee, 1), "aborted command (b/EE/01h)");
});

Deno.test("a command is done if all layers say so, or only tell registers that hold no error", () => {
  assert(wasDone(outcome({})));
  assert(wasDone(outcome({ sense: DONE_WITH_REGISTERS, driverStatus: 8 })));
  const recovered = [...DONE_WITH_REGISTERS];
  recovered[21] = 0x51;
  for (
    const failed of [
      { sense: LINUX_6_1 },
      { sense: recovered },
      { sense: DONE_WITH_REGISTERS, hostStatus: 1 },
      { result: -5 },
      { hostStatus: 3 },
      { driverStatus: 6 },
      { residualBytes: 512 },
      { status: 8 },
      { status: 2 },
    ]
  ) {
    assert(!wasDone(outcome(failed)), JSON.stringify(failed));
  }
});

Deno.test("an error names command, sectors, path, the bits of ERROR and the sense data", () => {
  assert.equal(
    failure({ sense: LINUX_6_1 }, { lba: 2046, count: 8 }),
    "READ DMA EXT of 8 sectors at LBA 2046 failed on /dev/sda: ABRT (command aborted), status 41h, error 04h; " +
      "aborted command, no additional sense information (b/00/00h)",
  );
  assert.match(failure({ sense: fixed(0x80, 0x51, 0, [0, 0, 0]) }, { lba: 1, count: 1 }), /of 1 sector at .* ICRC \(/);
  assert.match(
    failure({ sense: fixed(0, 0x61, 0, [0, 0, 0]) }, null),
    /^READ DMA EXT failed .* device fault, status 61h/,
  );
});

Deno.test("the first bad sector is named where the bits of LBA that are told leave one only", () => {
  const at = (sense: number[], lba: number, count: number) =>
    / at LBA (\d+), status/.exec(failure({ sense }, { lba, count }))?.[1];
  const uncorrectable = (low: number): number[] => [...LINUX_6_1.slice(0, 8), 0x40, ...LINUX_6_1.slice(9, 17), low];
  assert.equal(at(descriptors(3, 0x11, 4, 0x40, 0x51, 0x9_0000_0007n), 0x9_0000_0000, 8), String(0x9_0000_0007));
  assert.equal(at(fixed(0x40, 0x51, 0xa0, [2, 0, 0]), 2 ** 33 - 3, 8), String(2 ** 33 + 2));
  assert.equal(at(uncorrectable(0x01), 0x12fc, 256), String(0x1301));
  // Two sectors have this low byte; a sector before the range; an error that is not of media.
  assert.equal(at(uncorrectable(0x01), 0x12fc, 257), undefined);
  assert.equal(at(descriptors(3, 0x11, 4, 0x40, 0x51, 7n), 8, 8), undefined);
  assert.equal(at(descriptors(11, 0, 0, 0x04, 0x51, 9n), 8, 8), undefined);
});

Deno.test("what other layers say is put in words: no disk, time, missing bytes, missing rights", () => {
  const cases: readonly (readonly [Parameters<typeof outcome>[0], RegExp])[] = [
    [{ hostStatus: 1 }, /the disk cannot be reached, it is gone .* \(host status 01h\)$/],
    [{ hostStatus: 3 }, /the command took too long \(host status 03h\)$/],
    [{ hostStatus: 0x7f }, /host status not known \(host status 7Fh\)$/],
    [{ driverStatus: 6 }, /the command took too long \(driver status 06h\)$/],
    [{ residualBytes: 1024 }, /: 1024 bytes were not transferred$/],
    [{ status: 8 }, /: SCSI status 08h without sense data$/],
    [{ result: -19 }, /: the disk is gone: ENODEV/],
    [{ result: -1 }, /EPERM .*: ATA commands take root, or the capability CAP_SYS_RAWIO$/],
    [{ result: -12 }, /: ENOMEM/],
  ];
  for (const [changes, expected] of cases) assert.match(failure(changes, null), expected);
});

Deno.test("a disk that does not know ATA commands is told from one that fails", () => {
  assert(refusesPassThrough(outcome({ sense: INVALID_OPCODE })));
  assert(refusesPassThrough(outcome({ result: -25 })));
  assert(!refusesPassThrough(outcome({ sense: LINUX_6_1 })));
  assert(!refusesPassThrough(outcome({ result: -1 })));
  assert(!refusesPassThrough(outcome({ hostStatus: 1 })));
});
