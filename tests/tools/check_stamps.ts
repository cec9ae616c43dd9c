/**
 * Checks from outside what the workload `verify` has left on a medium. It follows the layout that
 * `plugins/workloads/stamp.ts` documents and shares no code with it, so that one cannot hide a mistake of the other.
 *
 * `deno run --allow-read tests/tools/check_stamps.ts FILE SIZE_BYTES [BLOCK_BYTES]`
 *
 * It looks at the first SIZE_BYTES of FILE. The sectors of a block (4096 bytes if not given) must all be zero, or all have
 * the same generation. Prints one line of JSON, and ends with 1 when a sector is bad, with 2 when it could not look.
 */

const MAGIC = new TextEncoder().encode("iddrstmp");
const MODULUS = 2n ** 32n;

interface Findings {
  sectors: number;
  stamped: number;
  zeroed: number;
  bad: number;
  generationSum: number;
}

/** The sector's generation, 0 for zeroes, −1 if it is bad. */
function generationOf(bytes: Uint8Array, sector: number): number {
  if (bytes.every((byte) => byte === 0)) return 0;
  if (!MAGIC.every((byte, index) => bytes[index] === byte)) return -1;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (index: number): bigint => BigInt(view.getUint32(index * 4, true));
  if (view.getBigUint64(8, true) !== BigInt(sector)) return -1;

  let fill = (word(2) * 0x9e3779b1n ^ word(3) * 0x85ebca77n ^ word(4) * 0xc2b2ae3dn ^ word(5) * 0x27d4eb2fn) % MODULUS;
  if (fill === 0n) fill = 1n;
  for (let index = 8; index < 128; index++) {
    fill ^= (fill << 13n) % MODULUS;
    fill ^= fill >> 17n;
    fill ^= (fill << 5n) % MODULUS;
    if (word(index) !== fill) return -1;
  }

  let sum = 0x811c9dc5n;
  for (let index = 0; index < 128; index++) {
    if (index === 7) continue;
    sum = ((sum ^ word(index)) * 0x01000193n) % MODULUS;
    sum = ((sum << 15n) | (sum >> 17n)) % MODULUS;
  }
  return word(7) === sum ? Number(word(4)) : -1;
}

function checkFile(path: string, sizeBytes: number, blockBytes: number): Findings {
  const findings: Findings = { sectors: 0, stamped: 0, zeroed: 0, bad: 0, generationSum: 0 };
  const file = Deno.openSync(path);
  try {
    const block = new Uint8Array(blockBytes);
    for (let offset = 0; offset < sizeBytes; offset += blockBytes) {
      let filled = 0;
      while (filled < blockBytes) {
        const count = file.readSync(block.subarray(filled));
        if (count === null) throw new Error(`${path} ends before byte ${offset + blockBytes}`);
        filled += count;
      }
      const first = generationOf(block.subarray(0, 512), offset / 512);
      for (let at = 0; at < blockBytes; at += 512) {
        const generation = generationOf(block.subarray(at, at + 512), (offset + at) / 512);
        findings.sectors++;
        if (generation < 0 || generation !== first) findings.bad++;
        else if (generation === 0) findings.zeroed++;
        else findings.stamped++;
        if (generation > 0) findings.generationSum += generation;
      }
    }
  } finally {
    file.close();
  }
  return findings;
}

const [path, size, block = "4096"] = Deno.args;
const [sizeBytes, blockBytes] = [Number(size), Number(block)];
const isCount = (value: number, unit: number): boolean => Number.isSafeInteger(value / unit) && value > 0;
if (path === undefined || !isCount(blockBytes, 512) || !isCount(sizeBytes, blockBytes)) {
  console.error("usage: check_stamps.ts FILE SIZE_BYTES [BLOCK_BYTES]: multiples of BLOCK_BYTES and of 512");
  Deno.exit(2);
}
try {
  const findings = checkFile(path, sizeBytes, blockBytes);
  console.log(JSON.stringify(findings));
  if (findings.bad > 0) Deno.exit(1);
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  Deno.exit(2);
}
