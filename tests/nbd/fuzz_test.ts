/** The fuzzer is tried out on nbdkit: it finds nothing wrong there, and does not do nothing. */

import assert from "node:assert/strict";
import { testUnless } from "../helpers/test_unless.ts";
import { fuzz } from "./fuzz/fuzz.ts";
import { missing, nbdkit } from "./stand_ins.ts";

const SESSIONS = 300;

testUnless(missing("nbdkit"), "nbdkit does nothing wrong in a few hundred sessions of the fuzzer", async () => {
  const server = await nbdkit({ sizeBytes: 1 << 20, sectorSize: 512 })({ readOnly: false });
  try {
    const report = await fuzz(server, { seed: 1, sessions: SESSIONS });
    assert.equal(report.sessions, SESSIONS);
    assert(report.transmissions > SESSIONS / 2, JSON.stringify(report));
    assert(report.done > 2 * SESSIONS && report.refused > SESSIONS / 2, JSON.stringify(report));
    assert(report.abandoned > SESSIONS / 10, JSON.stringify(report));
  } finally {
    await server.stop();
  }
});
