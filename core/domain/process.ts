/**
 * The first code that runs in a domain of kind `process`: takes what the domain is handed from standard input and becomes
 * an application or a driver.
 *
 * @module
 */

import { LineReader, printMarkedLine } from "../deno_child.ts";
import { messageOf } from "../errors.ts";
import { dieWithParent } from "./parent.ts";
import type { DomainReport } from "./report.ts";
import { RECORD } from "./report_text.ts";
import { runDomain } from "./run.ts";
import { decodeBoot } from "./transfer.ts";

const report = (message: DomainReport): void => printMarkedLine(RECORD, JSON.stringify(message));
// Ctrl-C, the terminal's end and a service's end reach every process; what they mean is the runner's decision.
for (const signal of ["SIGINT", "SIGHUP", "SIGTERM"] as const) Deno.addSignalListener(signal, () => {});
try {
  const input = new LineReader(Deno.stdin.readable);
  const boot = decodeBoot(await input.read());
  dieWithParent(boot.parentProcess ?? 0, boot.plan.sandbox === "strict");
  await runDomain(boot, report, async () => void await input.read());
} catch (thrown) {
  report({ type: "failed", message: messageOf(thrown) });
}
Deno.exit(0); // Not by running out of work: a device may have left something to do.
