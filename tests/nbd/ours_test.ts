/** Our own server is held to what others are. */

import assert from "node:assert/strict";
import { fuzz } from "./fuzz/fuzz.ts";
import { ours } from "./ours.ts";
import { serverSuite } from "./server_suite.ts";

const SIZE_BYTES = 36 << 20;
const SESSIONS = 300;

serverSuite("iddr, isolated", ours({ sizeBytes: SIZE_BYTES, parts: {} }));
serverSuite("iddr, monolithic", ours({ sizeBytes: SIZE_BYTES, parts: { placement: "monolithic" } }));

for (const placement of ["isolated", "monolithic"]) {
  Deno.test(`iddr, ${placement}, does nothing wrong in a few hundred sessions of the fuzzer`, async () => {
    const server = await ours({ sizeBytes: 1 << 20, parts: { placement } })({ readOnly: false });
    try {
      const report = await fuzz(server, { seed: 2, sessions: SESSIONS });
      assert(report.transmissions > SESSIONS / 2 && report.done > 2 * SESSIONS, JSON.stringify(report));
    } finally {
      await server.stop();
    }
  });
}
