/**
 * The prober's part that runs in a worker.
 *
 * @module
 */

import type { Targets } from "./attempts.ts";
import { probeSystem } from "./prober.ts";

const scope = self as unknown as {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent<Targets>) => void) | null;
};

scope.onmessage = async ({ data }) => scope.postMessage(await probeSystem("worker", data));
