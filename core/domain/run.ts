/**
 * From what a domain is handed to its end, whatever carries it.
 *
 * @module
 */

import type { Counters } from "../counters.ts";
import { messageOf } from "../errors.ts";
import { runApplication } from "./application.ts";
import type { DomainBoot } from "./boot.ts";
import { runDriver } from "./driver.ts";
import type { DomainReport } from "./report.ts";
import { runResponder } from "./responder.ts";
import type { DomainSetup } from "./setup.ts";
import { prepareDomain, type Proceed } from "./prepare.ts";

/**
 * Runs a domain. Its end is reported, too: it never throws.
 *
 * @param proceed settled when a domain that stands by is to go on
 */
export async function runDomain(
  boot: DomainBoot,
  report: (report: DomainReport) => void,
  proceed: Proceed,
): Promise<void> {
  try {
    const setup = await prepareDomain(boot, report, proceed);
    report({ type: "closed", counters: await runRole(setup, boot) });
  } catch (thrown) {
    report({ type: "failed", message: messageOf(thrown) });
  }
}

async function runRole(setup: DomainSetup, { plan }: DomainBoot): Promise<Counters> {
  if (plan.responder !== undefined) return runResponder(setup);
  return setup.workload === null ? await runDriver(setup) : runApplication(setup, setup.workload);
}
