/**
 * What a cell cannot have together with a thread for its responses.
 *
 * @module
 */

import type { Cell } from "./cell.ts";
import type { Choice, Mistakes } from "./mistakes.ts";

/** Adds what is wrong. */
export function checkCompletion({ scenario }: Cell, choices: readonly Choice[], mistakes: Mistakes): void {
  if (scenario.channel.completion === "inline") return;
  const place = ["channel", "completion"];
  if (scenario.placement === "monolithic") {
    const reason = "a device in the application's own domain answers without a ring";
    mistakes.add(place, choices, `is thread, and ${reason}: placement must be isolated`);
  }
  if (scenario.domains.application.kind === "process") {
    const reason = "an application that is a process has one thread";
    mistakes.add(place, choices, `is thread, and ${reason}: domains.application.kind must be worker`);
  }
}
