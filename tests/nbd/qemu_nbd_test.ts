/** The suite is tried out on qemu-nbd too, which takes requests at any byte. */

import { testUnless } from "../helpers/test_unless.ts";
import { serverSuite } from "./server_suite.ts";
import { missing, qemuNbd } from "./stand_ins.ts";

const refusal = missing("qemu-nbd");
const SIZE_BYTES = 36 << 20;

if (refusal !== null) testUnless(refusal, "qemu-nbd passes the suite", () => {});
else {serverSuite("qemu-nbd", qemuNbd({ sizeBytes: SIZE_BYTES }), {
    exempt: {
      "it refuses questions for metadata contexts that have something after the last, and goes on": "it takes them",
      "a handshake that never ends is ended": "it has no bound",
      "it ends the connection of a request that does not begin as one, and does nothing of what follows":
        "it sends an answer first",
      "a read-only export is read, and refuses all that would change it": "it says that writes are invalid",
    },
  });}
