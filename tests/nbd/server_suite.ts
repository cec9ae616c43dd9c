/**
 * What every NBD server is held to, tested from the wire.
 *
 * Each case has a server of its own. After it, a new client must be served as before, and nothing that the server had
 * opened for the case may be open still.
 *
 * @module
 */

import type { Expectations, StartServer, SuiteCase } from "./server.ts";
import { blockStatusCases } from "./suite/block_status.ts";
import { commandCases } from "./suite/commands.ts";
import { disconnectCases } from "./suite/disconnects.ts";
import { errorCases } from "./suite/errors.ts";
import { handshakeCases } from "./suite/handshake.ts";
import { loadCases } from "./suite/load.ts";
import { optionCases } from "./suite/options.ts";
import { livesOn, settledDescriptors } from "./suite/support.ts";
import { until } from "./until.ts";

/** All that a server is held to. */
export const suiteCases: readonly SuiteCase[] = [
  ...handshakeCases,
  ...optionCases,
  ...commandCases,
  ...errorCases,
  ...blockStatusCases,
  ...disconnectCases,
  ...loadCases,
];

/**
 * Registers the tests for one server.
 *
 * @param name what it is called
 * @param start starts it for one test
 */
export function serverSuite(name: string, start: StartServer, expectations: Expectations = {}): void {
  const { exempt = {} } = expectations;
  const unknown = Object.keys(exempt).filter((exempted) =>
    !suiteCases.some((suiteCase) => suiteCase.name === exempted)
  );
  if (unknown.length > 0) throw new Error(`${name} is exempt from cases that do not exist: ${unknown.join("; ")}`);
  for (const suiteCase of suiteCases) {
    const title = `${name}: ${suiteCase.name}`;
    const reason = exempt[suiteCase.name];
    if (reason !== undefined) Deno.test.ignore(`${title} (not held to it: ${reason})`, () => {});
    else Deno.test(title, () => runCase(suiteCase, start, expectations));
  }
}

/** Runs one case on a server of its own. Throws if the server fails it. */
export async function runCase(suiteCase: SuiteCase, start: StartServer, expectations: Expectations): Promise<void> {
  const server = await start({ readOnly: suiteCase.readOnly ?? false });
  try {
    // The first connection may open what stays open.
    await livesOn(server);
    const descriptors = await settledDescriptors(server);
    await suiteCase.run(server, expectations);
    await livesOn(server);
    if (server.openDescriptors === undefined) return;
    await until(() => (server.openDescriptors?.() ?? 0) <= descriptors, `no more than ${descriptors} open descriptors`);
  } finally {
    await server.stop();
  }
}
