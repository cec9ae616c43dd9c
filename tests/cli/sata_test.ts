import assert from "node:assert/strict";
import { renderDisk, renderDisks } from "../../cli/sata_command.ts";
import { cLibraryNeed } from "../../core/libc.ts";
import { parseIdentify } from "../../plugins/devices/sata/identify.ts";
import type { ListedDisk } from "../../plugins/devices/sata/list.ts";
import { type Outcome, outcome, start } from "../e2e/command.ts";
import { loopDevice, loopDeviceRefusal } from "../helpers/loop_device.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { identifyBytes, sectorWords } from "../helpers/ata_identify.ts";

const LIBC = `--allow-ffi=${cLibraryNeed()}`;

/** Runs a command with the fewest permissions that it says it needs. */
async function sata(args: readonly string[], ...extra: string[]): Promise<Outcome> {
  const base = ["--no-prompt", "--allow-read", "--allow-env=LOG_TOKENS,LOG_STREAM"];
  return await outcome(start(["sata", ...args], [...base, ...extra]));
}

const bytes = (await Deno.readTextFile(new URL("../plugins/sata/fixtures/qemu_identify.txt", import.meta.url)))
  .trim().split(/\s+/).map((byte) => parseInt(byte, 16));
const qemu = parseIdentify(Uint8Array.from(bytes), "/dev/sda");
const modern = parseIdentify(
  identifyBytes({
    ...{ 49: 3 << 8, 69: 1 << 14 | 1 << 5, 75: 31, 76: 1 << 8 | 0b1110, 77: 2 << 1, 80: 1 << 10, 82: 1 << 5 },
    ...{ 83: 1 << 14 | 1 << 13 | 1 << 10, 84: 1 << 14 | 1 << 6, 87: 1 << 14, 105: 8, 106: 1 << 14 | 1 << 13 | 3 },
    ...{ 128: 3, 169: 1, 209: 1 << 14 | 1, 217: 5400, 222: 0x1060, ...sectorWords(100, 976_773_168) },
  }, { 27: ["Acme 500", 20] }),
  "/dev/sdb",
);

Deno.test("sata without the permission names the flag in one line, and asks nothing of a disk", async () => {
  for (const args of [["list"], ["identify", "/dev/sda"]]) {
    const { code, stdout, stderr } = await sata(args);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.equal(stderr.trim().split("\n").length, 1);
    assert(stderr.includes(`Add: ${LIBC} `), stderr);
  }
});

Deno.test("sata list takes no more than that permission, and is a list also where there is no disk", async () => {
  const { code, stdout, stderr } = await sata(["list", "--json"], LIBC);
  assert.deepEqual([code, stderr], [0, ""]);
  for (const disk of JSON.parse(stdout) as ListedDisk[]) assert.match(disk.path, /^\/dev\/sd[a-z]+$/);
  const table = await sata(["list"], LIBC);
  assert.equal(table.code, 0);
  assert.match(table.stdout, /path|no SATA or SCSI disk/);
});

Deno.test("sata identify refuses what is no disk in one line with its path, and exits with 2", async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["/dev/no-such-disk", /ENOENT/],
    ["/dev/null", /no block device/],
    [import.meta.filename ?? "", /no block device/],
  ];
  for (const [path, reason] of cases) {
    const { code, stdout, stderr } = await sata(["identify", path], LIBC);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    assert(stderr.startsWith("iddr: ") && stderr.includes(path), stderr);
    assert.match(stderr, reason);
  }
  assert.equal((await sata(["identify"], LIBC)).code, 2);
  assert.equal((await sata([], LIBC)).code, 2);
});

testUnless(loopDeviceRefusal(), "sata identify says of a block device that it is no ATA disk", async () => {
  using disk = loopDevice({ sizeBytes: 1 << 20 });
  const { code, stderr } = await sata(["identify", disk.path, "--json"], LIBC);
  assert.equal(code, 2);
  assert.match(stderr, new RegExp(`^iddr: ${disk.path} is no ATA disk`));
});

Deno.test("the table has a row for each disk, with ? for what could not be asked and the reason below", () => {
  const text = renderDisks([
    { path: "/dev/sda", kernelModel: "Locked", sizeBytes: 4096, identity: null, problem: "Cannot open /dev/sda" },
    { path: "/dev/sdb", kernelModel: "Acme 500", sizeBytes: modern.sizeBytes, identity: modern, problem: null },
    { path: "/dev/sdc", kernelModel: "QEMU HARDDISK", sizeBytes: qemu.sizeBytes, identity: qemu, problem: null },
  ]);
  const cells = text.split("\n").filter((line) => line.startsWith("│"))
    .map((line) => line.split("│").slice(1, -1).map((cell) => cell.trim()));
  assert.deepEqual(cells, [
    ["path", "model", "serial", "firmware", "size", "sectors", "rotation", "NCQ", "write cache", "TRIM"],
    ["/dev/sda", "Locked", "?", "?", "4KiB", "?", "?", "?", "?", "?"],
    ["/dev/sdb", "Acme 500", "", "", "500.1 GB", "512/4096", "5400 rpm", "32", "disabled", "yes"],
    ["/dev/sdc", "QEMU HARDDISK", "QM00005", "2.5+", "256MiB", "512/512", "not told", "32", "enabled", "yes"],
  ]);
  assert.equal(text.split("\n").at(-1), "Cannot open /dev/sda");
  assert.equal(renderDisks([]), "This machine has no SATA or SCSI disk.");
});

Deno.test("all facts of a disk are told, one a line", () => {
  const text = renderDisk("/dev/sdb", { identity: modern, partitionOf: null, openedBytes: modern.sizeBytes });
  const facts = Object.fromEntries(text.split("\n").map((line) => line.split(/ {2,}/)));
  assert.deepEqual(facts, {
    "model": "Acme 500",
    "serial": "not told",
    "firmware": "not told",
    "world wide name": "not told",
    "size": "500.1 GB (500107862016 bytes)",
    "logical sector": "512 bytes",
    "physical sector": "4096 bytes, LBA 0 is 1 logical sector inside its first",
    "rotation": "5400 rpm",
    "command set": "ACS-3",
    "transport": "SATA 3.1",
    "speed": "3 Gbit/s",
    "fastest speed": "6 Gbit/s",
    "48-bit addresses": "yes",
    "DMA": "yes",
    "NCQ": "32 commands",
    "write cache": "disabled",
    "flush": "yes",
    "durable write (FUA)": "yes",
    "TRIM": "yes, at most 8 blocks of ranges in one command",
    "trimmed sectors": "read as zeroes",
    "password": "set",
  });
});

Deno.test("a partition is told to be one, and which disk the facts are about", () => {
  const text = renderDisk("/dev/sda1", { identity: qemu, partitionOf: "/dev/sda", openedBytes: 64 << 20 });
  assert.match(text.split("\n")[0], /^partition +\/dev\/sda1 is 64MiB of \/dev\/sda; the rest is about all of it$/);
});
