import assert from "node:assert/strict";
import fc from "fast-check";
import { DeviceError } from "../../../core/errors.ts";
import { type AtaIdentity, parseIdentify } from "../../../plugins/devices/sata/identify.ts";
import { identifyBytes, sectorWords, withChecksum } from "../../helpers/ata_identify.ts";

/** What QEMU 7.2's `ide-hd` of 256 MiB on AHCI answered to IDENTIFY DEVICE. */
const QEMU = Deno.readTextFileSync(new URL("fixtures/qemu_identify.txt", import.meta.url)).trim().split(/\s+/)
  .map((byte) => parseInt(byte, 16));

/** By hand: what a disk of 2018 would say. */
const SATA_SSD = withChecksum(identifyBytes({
  0: 0x0040,
  49: 1 << 9 | 1 << 8,
  60: 0xffff,
  61: 0x0fff, // What 28 bits can say.
  69: 1 << 14 | 1 << 5, // DRAT, RZAT
  75: 31,
  76: 1 << 8 | 1 << 3 | 1 << 2 | 1 << 1,
  77: 3 << 1,
  80: 1 << 10 | 1 << 9 | 1 << 8,
  82: 1 << 5,
  83: 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10,
  84: 1 << 14 | 1 << 8 | 1 << 6,
  85: 1 << 5,
  86: 1 << 13 | 1 << 10,
  87: 1 << 14 | 1 << 8 | 1 << 6,
  ...sectorWords(100, 976_773_168), // 500 GB, as disks of that size have
  105: 8,
  106: 1 << 14 | 1 << 13 | 3, // 2^3 logical sectors in a physical one
  108: 0x5002,
  109: 0x538d,
  110: 0x4012,
  111: 0x3456,
  128: 1 << 3 | 1, // supported, frozen
  169: 1,
  209: 1 << 14 | 1,
  217: 1,
  222: 1 << 12 | 1 << 7 | 1 << 6 | 1 << 5,
}, { 10: ["S1A2", 10], 23: ["RVT01B6Q", 4], 27: ["Acme SSD 500 GB", 20] }));

/** A disk with these words and 48-bit addresses. */
function disk(words: Record<number, number>): AtaIdentity {
  return parseIdentify(identifyBytes({ 83: 1 << 14 | 1 << 10, 100: 1000, ...words }), "/dev/sda");
}

Deno.test("the answer of QEMU's disk is read as it is meant", () => {
  assert.deepEqual(parseIdentify(Uint8Array.from(QEMU), "/dev/sda"), {
    model: "QEMU HARDDISK",
    serial: "QM00005",
    firmware: "2.5+",
    worldWideName: null,
    sizeBytes: 256 << 20,
    logicalSectorSize: 512,
    physicalSectorSize: 512,
    alignmentSectors: 0,
    rotationRate: null,
    lba48: true,
    dma: true,
    ncqDepth: 32,
    writeCache: "enabled",
    flushCacheExt: true,
    fua: false,
    trim: { reads: "deterministic", maxBlocks: 1 },
    transport: null,
    commandSet: "ATA-7",
    maxSpeedGbps: null,
    speedGbps: null,
    security: "none",
  });
});

Deno.test("every fact of a modern disk is read from its words", () => {
  assert.deepEqual(parseIdentify(SATA_SSD, "/dev/sda"), {
    model: "Acme SSD 500 GB",
    serial: "S1A2",
    firmware: "RVT01B6Q",
    worldWideName: "5002538d40123456",
    sizeBytes: 976_773_168 * 512,
    logicalSectorSize: 512,
    physicalSectorSize: 4096,
    alignmentSectors: 1,
    rotationRate: 0,
    lba48: true,
    dma: true,
    ncqDepth: 32,
    writeCache: "enabled",
    flushCacheExt: true,
    fua: true,
    trim: { reads: "zeroes", maxBlocks: 8 },
    transport: "SATA 3.2",
    commandSet: "ACS-3",
    maxSpeedGbps: 6,
    speedGbps: 6,
    security: "disabled",
  });
});

Deno.test("the size is right to the last of 2^48 sectors, of 512 or more bytes", () => {
  fc.assert(fc.property(fc.maxSafeNat(), fc.constantFrom(512, 4096), fc.boolean(), (number, sectorSize, extended) => {
    const sectors = number % 2 ** 41 + 1;
    const identity = disk({
      69: extended ? 1 << 3 : 0,
      ...sectorWords(100, extended ? 0xffff_ffff : sectors),
      ...sectorWords(230, extended ? sectors : 0),
      106: sectorSize === 512 ? 0 : 1 << 14 | 1 << 12,
      117: sectorSize / 2,
    });
    assert.equal(identity.sizeBytes, sectors * sectorSize);
    assert.equal(identity.logicalSectorSize, sectorSize);
    assert.equal(identity.physicalSectorSize, sectorSize);
  }));
  assert.equal(disk({ 83: 1 << 14, ...{ 60: 0x5678, 61: 0x0234 } }).sizeBytes, 0x02345678 * 512, "28-bit addresses");
});

Deno.test("words without their signature say nothing", () => {
  const identity = disk({
    ...{ 82: 0xffff, 83: 0xffff, 84: 0xffff, 85: 0xffff, 86: 0xffff, 87: 0xffff },
    ...{ 75: 31, 76: 0xffff, 77: 0xffff, 80: 0xffff, 106: 0xffff, 209: 0xffff, 217: 0xffff, 222: 0xffff },
  });
  assert.deepEqual(
    [identity.lba48, identity.writeCache, identity.flushCacheExt, identity.fua, identity.worldWideName],
    [false, "none", false, false, null],
  );
  assert.deepEqual([identity.ncqDepth, identity.maxSpeedGbps, identity.speedGbps], [null, null, null]);
  assert.deepEqual([identity.commandSet, identity.transport, identity.rotationRate], [null, null, null]);
  assert.deepEqual([identity.logicalSectorSize, identity.physicalSectorSize, identity.alignmentSectors], [512, 512, 0]);
});

Deno.test("facts that differ between disks are told apart", () => {
  assert.equal(disk({ 217: 7200 }).rotationRate, 7200);
  assert.equal(disk({ 217: 0 }).rotationRate, null);
  assert.equal(disk({ 82: 1 << 5 }).writeCache, "disabled");
  assert.equal(disk({ 76: 1 << 1 }).maxSpeedGbps, 1.5);
  assert.equal(disk({ 76: 1 << 1, 75: 31 }).ncqDepth, null);
  assert.equal(disk({ 76: 1 << 8 }).ncqDepth, 1);
  assert.deepEqual(disk({ 169: 1 }).trim, { reads: "undefined", maxBlocks: 1 });
  assert.deepEqual(disk({ 169: 1, 69: 1 << 5 }).trim?.reads, "undefined", "zeroes take determinism");
  assert.deepEqual([0, 1, 3, 7].map((word) => disk({ 128: word }).security), ["none", "disabled", "enabled", "locked"]);
});

Deno.test("no text of a disk reaches a terminal with control characters in it", () => {
  const bytes = identifyBytes({}, { 27: ["\x1b[2Jmodel\x00\x9b", 20], 10: ["a\nb", 10] });
  const { model, serial } = parseIdentify(bytes.fill(1, 0, 1), "/dev/sda");
  assert.deepEqual([model, serial], ["[2Jmodel", "a b"]);
});

Deno.test("what is damaged, empty or of no ATA disk is refused with the path", () => {
  const refused = (bytes: Uint8Array, reason: RegExp): void => {
    assert.throws(() => parseIdentify(bytes, "/dev/sdq"), (error) => {
      assert(error instanceof DeviceError);
      assert.match(error.message, /\/dev\/sdq/);
      assert.match(error.message, reason);
      return true;
    });
  };
  const damaged = SATA_SSD.slice();
  damaged[60] ^= 1;
  refused(damaged, /checksum/);
  refused(new Uint8Array(512), /empty/);
  refused(new Uint8Array(511), /511 bytes/);
  refused(identifyBytes({ 0: 0x8580 }), /no ATA disk: word 0 .* 8580h/);
  assert.equal(disk({ 0: 0x848a }).sizeBytes, 512_000, "a CompactFlash card is a disk");
});
