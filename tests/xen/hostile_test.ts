// A frontend in C asks for what Xen's protocol does not allow: our backend refuses it, and goes on.
import assert from "node:assert/strict";
import { Status } from "../../core/blkif.ts";
import { synchronous } from "../../core/block_device.ts";
import { MemoryDevice } from "../helpers/devices.ts";
import { linkOptions } from "../helpers/link.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { serveToC } from "./ours.ts";
import { programForTests } from "./program.ts";

const { missing, program } = programForTests();

/** Room for indirect requests: slots of 12 frames. */
const options = linkOptions({ slots: { count: 4, bytes: 12 * 4096 } });
const { Okay, Error, NotSupported } = Status;

/** What each request of the probe is answered with. */
const ANSWERS: Readonly<Record<string, number>> = {
  "reserved reference": Error,
  "unused reference": Error,
  "reference beyond the table": Error,
  "largest reference": Error,
  "foreign domain": Error,
  "frame beyond the region": Error,
  "revoked": Error,
  "read into a read-only grant": Error,
  "write from a read-only grant": Okay,
  "first sector after the last": Error,
  "last sector beyond the frame": Error,
  "both sectors beyond the frame": Error,
  "no segments": Error,
  "12 segments": Error,
  "255 segments": Error,
  "read past the end": Error,
  "write past the end": Error,
  "last sector number": Error,
  "byte number beyond 64 bits": Error,
  "barrier": NotSupported,
  "reserved operation": NotSupported,
  "unknown operation": NotSupported,
  "indirect without segments": Error,
  "indirect with 257 segments": Error,
  "indirect with 65535 segments": Error,
  "indirect segments in no frame": Error,
  "indirect segments that are no segments": Error,
  "indirect flush": NotSupported,
  "indirect within indirect": NotSupported,
  "secure discard": NotSupported,
  "discard past the end": Error,
  "discard of too much": Error,
  "write that is right": Okay,
  "read that is right": Okay,
  "flush": Okay,
};

testUnless(
  missing,
  "our backend answers each bad request of a frontend in C with an error, and the good ones after it",
  async () => {
    const device = new MemoryDevice();
    const { theirs, reports } = await serveToC(program, "probe", synchronous(device), options, {}, { spinNs: 0 });
    assert.deepEqual(theirs, { ...ANSWERS, held: 0 });
    assert.deepEqual(reports, []);
    const { sizeBytes } = device.info;
    assert.deepEqual(device.calls, [
      "write 0 512", // From the grant that may be read.
      `write ${sizeBytes - 512} 512`,
      `read ${sizeBytes - 512} 512`,
      "flush",
    ]);
  },
);

testUnless(missing, "a frontend in C may not write to a read-only device", async () => {
  const device = new MemoryDevice({ readOnly: true });
  const { theirs } = await serveToC(program, "probe", synchronous(device), options, {}, { spinNs: 0 });
  const writes = { "write from a read-only grant": Error, "write that is right": Error };
  assert.deepEqual(theirs, { ...ANSWERS, ...writes, held: 0 });
  assert.deepEqual(device.calls, [`read ${device.info.sizeBytes - 512} 512`, "flush"]);
});

testUnless(missing, "a frontend in C that claims more requests than the ring holds loses its connection", async () => {
  const device = new MemoryDevice();
  const { theirs, reports } = await serveToC(program, "overflow", synchronous(device), options, {}, { spinNs: 0 });
  assert.deepEqual(theirs, {});
  assert.deepEqual(reports, [
    "The connection is broken: the frontend claims 33 new requests, the ring has room for 32",
  ]);
  assert.deepEqual(device.calls, []);
});
