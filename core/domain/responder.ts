/**
 * What a domain does that takes an application's responses: it is that application's second thread.
 *
 * @module
 */

import type { Counters } from "../counters.ts";
import { DomainError } from "../errors.ts";
import { ResponseThread } from "../response_thread.ts";
import { Command } from "./control.ts";
import { MeasurementWindow } from "./measurement.ts";
import type { DomainSetup } from "./setup.ts";

/** Longest sleep while the end of the window is awaited. */
const LOOK_MS = 10;

/**
 * Takes responses until the thread that submits has closed the connection, or the machine is to stop.
 *
 * @returns how many it took, and how often it woke the other thread
 */
export function runResponder(
  { control, report, waiter, policy, events, links: [link], confinedTo }: DomainSetup,
): Counters {
  const { end, boot: { options } } = link;
  if (end.completion === undefined) throw new DomainError("A response thread shares no memory with its application");
  const thread = new ResponseThread({ end, link: options, waiter, policy }, end.completion);
  // It pushes nothing onto the ring.
  const pushes = [{ sent: 0, suppressed: 0 }];
  const window = new MeasurementWindow(control, { waits: waiter.counters, pushes, meter: null, confinedTo }, report);
  report({ type: "ready" });
  while (!thread.ended && window.observe() !== Command.Stop) {
    if (!thread.service()) thread.wait();
  }
  // The other thread may have been told first that the window is over. It has ended in order, so this one will be, too.
  for (let { bell } = events; window.observe() < Command.Finish; { bell } = events) events.sleep(bell, LOOK_MS);
  return { handedOver: thread.handedOver, handOverWakes: thread.wakes };
}
