// What is found on images that are made here, and what may then be written to.
import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { DeviceError } from "../../../core/errors.ts";
import { blkidNeed, refuseToDestroy, whatIsOn } from "../../../plugins/devices/sata/contents.ts";
import { runDeno } from "../../helpers/run_deno.ts";
import { testUnless } from "../../helpers/test_unless.ts";

const IMAGE_BYTES = 8 << 20;
const UUID = "6b4e3c1c-1d2f-4a5b-8c9d-0e1f2a3b4c5d";
const CONTENTS = new URL("../../../plugins/devices/sata/contents.ts", import.meta.url).href;

/** Where a program is; null where it is not. */
function find(program: string): string | null {
  for (const folder of ["/usr/sbin", "/sbin", "/usr/bin"]) {
    try {
      if (Deno.statSync(`${folder}/${program}`).isFile) return `${folder}/${program}`;
    } catch {
      // Not there.
    }
  }
  return null;
}

/** Why a test cannot run that needs some programs. */
function missing(...programs: readonly string[]): string | null {
  const absent = programs.filter((program) => find(program) === null);
  return absent.length === 0 ? null : `there is no ${absent.join(", ")}`;
}

async function run(program: string, ...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(find(program) ?? program, { args: [...args] }).output();
  assert(success, `${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

/** Runs a test with an image of zeroes in a folder of its own. */
async function withImage(body: (image: string, folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "iddr-test-" });
  try {
    const image = `${folder}/disk.img`;
    await Deno.writeFile(image, new Uint8Array(IMAGE_BYTES));
    await body(image, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Puts bytes into an image. */
function put(image: string, offset: number, bytes: Uint8Array): void {
  using file = Deno.openSync(image, { write: true });
  file.seekSync(offset, Deno.SeekMode.Start);
  assert.equal(file.writeSync(bytes), bytes.length);
}

/** The first sector of a PC's disk, with one partition of a type from sector 2048 on. */
function masterBootRecord(type: number, sectors: number): Uint8Array {
  const record = new DataView(new ArrayBuffer(512));
  record.setUint8(450, type);
  record.setUint32(454, type === 0xee ? 1 : 2048, true);
  record.setUint32(458, sectors, true);
  record.setUint16(510, 0xaa55, true);
  return new Uint8Array(record.buffer);
}

/** The header of an empty GPT with its 128 entries (UEFI 2.10, 5.3.2), as it stands in sector 1. */
function guidPartitionTable(): Uint8Array {
  const [entries, lastSector] = [128, IMAGE_BYTES / 512 - 1];
  const header = new DataView(new ArrayBuffer(512));
  new Uint8Array(header.buffer).set(new TextEncoder().encode("EFI PART"));
  header.setUint32(8, 0x10000, true);
  header.setUint32(12, 92, true);
  header.setBigUint64(24, 1n, true);
  header.setBigUint64(32, BigInt(lastSector), true);
  header.setBigUint64(40, 34n, true);
  header.setBigUint64(48, BigInt(lastSector - 33), true);
  header.setUint8(56, 7); // The disk's GUID: any.
  header.setBigUint64(72, 2n, true);
  header.setUint32(80, entries, true);
  header.setUint32(84, 128, true);
  header.setUint32(88, crc32(new Uint8Array(entries * 128)), true);
  header.setUint32(16, crc32(new Uint8Array(header.buffer, 0, 92)), true);
  return new Uint8Array(header.buffer);
}

/** A header that a squashfs has at the very beginning, where an ext4 has nothing. */
function squashfsHeader(): Uint8Array {
  const header = new DataView(new ArrayBuffer(96));
  new Uint8Array(header.buffer).set(new TextEncoder().encode("hsqs"));
  header.setUint32(12, 1 << 17, true);
  header.setUint16(22, 17, true);
  header.setUint16(28, 4, true);
  header.setBigUint64(40, BigInt(IMAGE_BYTES), true);
  return new Uint8Array(header.buffer);
}

/** The superblock of a Linux RAID of version 0.90, which lies in the last 64 KiB but one. */
function raidSuperblock(): Uint8Array {
  const words = new Uint32Array(1024);
  words.set([0xa92b4efc, 0, 90, 0]);
  return new Uint8Array(words.buffer);
}

const noBlkid = missing("blkid");

testUnless(noBlkid, "nothing is found on a disk of zeroes, nor on an empty one", async () => {
  await withImage((image, folder) => {
    assert.equal(whatIsOn(image), null);
    Deno.writeFileSync(`${folder}/empty`, new Uint8Array());
    assert.equal(whatIsOn(`${folder}/empty`), null);
  });
});

testUnless(
  missing("blkid", "mkfs.ext4"),
  "a file system is found by its type, with its label as it is written",
  async () => {
    await withImage(async (image) => {
      await run("mkfs.ext4", "-q", "-U", UUID, image);
      assert.equal(whatIsOn(image), `an ext4 file system with the UUID ${UUID}`);
      await run("mkfs.ext4", "-q", "-F", "-L", "data", image);
      assert.equal(whatIsOn(image), 'an ext4 file system labelled "data"');
      await run("mkfs.ext4", "-q", "-F", "-L", 'my "$d\\', image);
      assert.equal(whatIsOn(image), 'an ext4 file system labelled "my \\"$d\\\\"');
    });
  },
);

testUnless(missing("blkid", "mkswap"), "swap space is found", async () => {
  await withImage(async (image) => {
    await run("mkswap", "-U", UUID, image);
    assert.equal(whatIsOn(image), `swap space with the UUID ${UUID}`);
  });
});

testUnless(noBlkid, "partition tables are found, both kinds", async () => {
  await withImage((image) => {
    put(image, 0, masterBootRecord(0x83, 4096));
    assert.equal(whatIsOn(image), "a dos partition table");
  });
  await withImage((image) => {
    put(image, 0, masterBootRecord(0xee, IMAGE_BYTES / 512 - 1));
    put(image, 512, guidPartitionTable());
    assert.equal(whatIsOn(image), "a gpt partition table");
  });
});

testUnless(noBlkid, "encrypted data and parts of a RAID are found", async () => {
  await withImage((image) => {
    put(image, 0, Uint8Array.of(...new TextEncoder().encode("LUKS"), 0xba, 0xbe, 0, 1));
    put(image, 168, new TextEncoder().encode(UUID));
    assert.equal(whatIsOn(image), `encrypted data (crypto_LUKS) with the UUID ${UUID}`);
  });
  await withImage((image) => {
    put(image, IMAGE_BYTES - 65536, raidSuperblock());
    assert.match(whatIsOn(image) ?? "", /^a part of a RAID or a volume group \(linux_raid_member\)/);
  });
});

testUnless(missing("blkid", "mkfs.ext4"), "what is two things at once is not blank", async () => {
  await withImage(async (image) => {
    await run("mkfs.ext4", "-q", image);
    put(image, 0, squashfsHeader());
    assert.match(whatIsOn(image) ?? "", /^more than one file system/);
  });
});

Deno.test("what is not there, or is no disk, is an error and not blank", async () => {
  await withImage((_, folder) => {
    const refused = (path: string, said: RegExp): void => {
      assert.throws(() => whatIsOn(path), (error) => error instanceof DeviceError && said.test(error.message));
    };
    refused(`${folder}/nosuch`, /^Cannot open .*\/nosuch to look at what is on it: ENOENT/);
    refused(folder, /^Cannot read .* at byte 0 to look at what is on it: EISDIR/);
  });
});

/** Why there can be no loop device here. */
async function noLoopDevice(): Promise<string | null> {
  const absent = missing("blkid", "losetup", "partx");
  if (absent !== null) return absent;
  if (Deno.uid() !== 0) return "only root makes loop devices";
  const { success } = await new Deno.Command(find("losetup") ?? "", { args: ["--find"], stderr: "null" }).output();
  return success ? null : "there are no loop devices";
}

/** Runs a test with a block device on an image. */
async function withLoopDevice(image: string, body: (device: string) => void | Promise<void>): Promise<void> {
  const device = await run("losetup", "--find", "--show", image);
  try {
    await body(device);
  } finally {
    await run("losetup", "--detach", device);
  }
}

const noLoop = await noLoopDevice();

testUnless(
  noLoop,
  "a disk that cannot be read is an error and not blank, though blkid finds nothing on it",
  async () => {
    await withImage(async (image) => {
      await withLoopDevice(image, (device) => {
        assert.equal(whatIsOn(device), null);
      });
      await withLoopDevice(image, (device) => {
        Deno.truncateSync(image, IMAGE_BYTES / 2); // The device has its size still, and no bytes for its second half.
        assert.throws(() => whatIsOn(device), /^DeviceError: Cannot read \/dev\/loop\d+ at byte \d+ .*: EIO/);
      });
    });
  },
);

testUnless(noLoop, "a partition is blank when nothing is in it, and not for being one", async () => {
  await withImage(async (image) => {
    put(image, 0, masterBootRecord(0x83, 4096));
    await withLoopDevice(image, async (device) => {
      assert.equal(whatIsOn(device), "a dos partition table");
      await run("partx", "--add", device);
      try {
        assert.match(await run("blkid", "-p", `${device}p1`), /PART_ENTRY_NUMBER/);
        assert.equal(whatIsOn(`${device}p1`), null);
      } finally {
        await run("partx", "--delete", device);
      }
    });
  });
});

testUnless(noBlkid, "a path that nobody agreed to lose is refused, blank or not, whatever is forced", async () => {
  await withImage((image, folder) => {
    for (const force of [false, true]) {
      assert.throws(
        () => refuseToDestroy(image, { allowDestructive: [folder, `${image}2`], force }),
        (error) =>
          error instanceof DeviceError &&
          error.message === `${image} would be written to, and what is on it lost. If that is meant, add ` +
              `--allow-destructive=${image}`,
      );
    }
  });
});

testUnless(noBlkid, "a disk that is not blank is refused with what is on it, until that is forced", async () => {
  await withImage((image) => {
    const allowDestructive = [image];
    refuseToDestroy(image, { allowDestructive, force: false });
    put(image, 0, masterBootRecord(0x83, 4096));
    assert.throws(() => refuseToDestroy(image, { allowDestructive, force: false }), (error) => {
      return error instanceof DeviceError &&
        error.message === `${image} holds a dos partition table; nothing was written. If that may be lost, add --force`;
    });
    refuseToDestroy(image, { allowDestructive, force: true });
  });
});

testUnless(noBlkid, "it may run blkid and nothing else, and says which permission it lacks", async () => {
  await withImage(async (image, folder) => {
    await Deno.writeTextFile(
      `${folder}/look.ts`,
      `import { whatIsOn } from ${JSON.stringify(CONTENTS)};
       try { console.log(whatIsOn(${JSON.stringify(image)})); } catch (error) { console.log(error.message); }`,
    );
    const look = async (...flags: readonly string[]): Promise<string> => {
      const args = ["run", "--quiet", "--no-prompt", "--no-lock", "--no-check", ...flags, `${folder}/look.ts`];
      // A variable that Deno does not hand on to a program without a permission for all of them.
      return (await runDeno(args, { cwd: folder, env: { LD_LIBRARY_PATH: "/nosuch" } })).stdout.trim();
    };
    const run = `--allow-run=${blkidNeed()}`;
    assert.equal(await look("--allow-ffi", run), "null");
    assert.equal(await look("--allow-ffi"), `Cannot tell what is on ${image}: that takes ${run}`);
    assert.equal(await look(run), `Cannot look at what is on ${image}: that takes --allow-ffi`);
  });
});
