/**
 * What an application domain does: run its workload on a queue, isolated or monolithic.
 *
 * @module
 */

import type { BlockQueue } from "./block_queue.ts";
import { Command } from "./domain.ts";
import type { DomainSetup, WorkloadSetup } from "./domain_setup.ts";
import { WorkloadError } from "./errors.ts";
import { Frontend } from "./frontend.ts";
import { linkLayout } from "./link.ts";
import { MeasurementWindow } from "./measurement.ts";
import { OperationMeter } from "./meter.ts";
import { MonolithicQueue } from "./monolithic_queue.ts";

/** Runs an application domain. Returns when its workload is done and the queue is closed. */
export function runApplication(setup: DomainSetup, { workload, queueDepth }: WorkloadSetup): void {
  const { control, report, waiter, policy } = setup;
  const [link] = setup.links;
  const [gate] = setup.gates.values();
  const depth = link === undefined ? queueDepth : linkLayout(link.boot.ringOrder).entryCount;
  if (queueDepth > depth) {
    throw new WorkloadError(
      `queueDepth is ${queueDepth}; a ring of order ${link?.boot.ringOrder} has ${depth} entries. Use a larger ringOrder`,
    );
  }
  const meter = new OperationMeter(depth);
  const stopRequested = (): boolean => control.stopRequested();
  const common = { waiter, policy, meter, stopRequested };
  let frontend: Frontend | null = null;
  let queue: BlockQueue;
  if (link === undefined) {
    queue = new MonolithicQueue({ ...common, gate, depth });
  } else {
    queue = frontend = new Frontend({ ...common, end: link.end, ringOrder: link.boot.ringOrder });
    frontend.connect();
  }
  const pushes = frontend === null ? [] : [frontend.pushes];
  const window = new MeasurementWindow(control, { waits: waiter.counters, pushes, meter }, report);
  report({ type: "ready" });

  while (window.observe() === Command.Boot) setup.events.sleep(setup.events.bell, 10);
  workload.run({ queue, seed: setup.seed, running: () => window.observe() < Command.Finish });
  if (window.observe() < Command.Finish) throw new WorkloadError("The workload ended before it was told to");
  while (queue.inFlight > 0 && queue.wait() >= 0);
  frontend?.close();
  for (const each of setup.gates.values()) each.close();
}
