/**
 * The first code that runs in a domain of kind `worker`: takes what the domain is handed and becomes an application or
 * a driver.
 *
 * @module
 */

import type { DomainBoot } from "./boot.ts";
import type { DomainReport } from "./report.ts";
import { runDomain } from "./run.ts";

const scope = self as unknown as {
  postMessage(report: DomainReport): void;
  onmessage: ((event: MessageEvent<DomainBoot>) => void) | null;
};

scope.onmessage = ({ data: boot }) => {
  // No worker stands by: it could not be fenced off by ending it.
  void runDomain(boot, (report) => scope.postMessage(report), () => Promise.resolve());
};
