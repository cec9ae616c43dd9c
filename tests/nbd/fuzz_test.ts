/** The fuzzer finds nothing wrong with servers that are right, and does not do nothing. */

import assert from "node:assert/strict";
import { testUnless } from "../helpers/test_unless.ts";
import { fuzz } from "./fuzz/fuzz.ts";
import { modelServer } from "./model_server/server.ts";
import type { StartServer } from "./server.ts";
import { missing, nbdkit } from "./stand_ins.ts";

const SESSIONS = 300;
const SIZE_BYTES = 1 << 20;

async function findsNothing(start: StartServer): Promise<void> {
  const server = await start({ readOnly: false });
  try {
    const report = await fuzz(server, { seed: 1, sessions: SESSIONS });
    assert.equal(report.sessions, SESSIONS);
    assert(report.transmissions > SESSIONS / 2, JSON.stringify(report));
    assert(report.done > 2 * SESSIONS && report.refused > SESSIONS / 5, JSON.stringify(report));
    assert(report.abandoned > SESSIONS / 10, JSON.stringify(report));
  } finally {
    await server.stop();
  }
}

Deno.test("the fuzzer finds nothing wrong with the model server, which does requests in any order", async () => {
  await findsNothing(modelServer(SIZE_BYTES));
});

testUnless(missing("nbdkit"), "the fuzzer finds nothing wrong with nbdkit", async () => {
  await findsNothing(nbdkit({ sizeBytes: SIZE_BYTES, sectorSize: 512 }));
});
