/** The suite itself is tried out on nbdkit, which many others have tested. */

import { testUnless } from "../helpers/test_unless.ts";
import { serverSuite } from "./server_suite.ts";
import { missing, nbdkit } from "./stand_ins.ts";

const refusal = missing("nbdkit");
const SIZE_BYTES = 36 << 20;

if (refusal !== null) testUnless(refusal, "nbdkit passes the suite", () => {});
else {
  serverSuite("nbdkit", nbdkit({ sizeBytes: SIZE_BYTES, sectorSize: 512 }), {
    exempt: {
      "it lists its export by name, again and again": "its filter of names cannot both list one and be strict",
      "it selects a metadata context once, however often it was asked for": "it selects it twice, by the same id",
      "it has no metadata contexts of an export that it does not know": "its filter of names is not asked",
      "a refused question for metadata contexts leaves none selected": "it leaves the former",
      "it refuses questions for metadata contexts that have something after the last, and goes on": "it takes them",
    },
  });
}
