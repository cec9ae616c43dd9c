/**
 * The first code that runs in a domain of kind `worker`: takes what the domain is handed and becomes an application or
 * a driver.
 *
 * @module
 */

import { runApplication } from "./application.ts";
import type { DomainBoot } from "./boot.ts";
import type { DomainReport } from "./report.ts";
import { prepareDomain } from "./setup.ts";
import { runDriver } from "./driver.ts";
import { messageOf } from "../errors.ts";

const scope = self as unknown as {
  postMessage(report: DomainReport): void;
  onmessage: ((event: MessageEvent<DomainBoot>) => void) | null;
};

scope.onmessage = async ({ data: boot }) => {
  const report = (message: DomainReport): void => scope.postMessage(message);
  try {
    const setup = await prepareDomain(boot, report);
    const counters = setup.workload === null ? await runDriver(setup) : runApplication(setup, setup.workload);
    report({ type: "closed", counters });
  } catch (thrown) {
    report({ type: "failed", message: messageOf(thrown) });
  }
};
