/** The model server passes all that the suite demands, so its demands go together. */

import { modelServer } from "./model_server/server.ts";
import { serverSuite } from "./server_suite.ts";

serverSuite("the model server", modelServer(36 << 20));
