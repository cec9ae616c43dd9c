/**
 * What an application domain does: run its workload on a queue, isolated or monolithic.
 *
 * @module
 */

import type { BlockQueue } from "../block_queue.ts";
import { addUp, type Counters } from "../counters.ts";
import { DeviceError, WorkloadError } from "../errors.ts";
import { Frontend } from "../frontend.ts";
import { CountingMeter, OperationMeter } from "../measure/meter.ts";
import { MonolithicQueue } from "../monolithic_queue.ts";
import type { NotificationPolicy } from "../notification.ts";
import { viewOf } from "../partition.ts";
import { Command } from "./control.ts";
import { MeasurementWindow } from "./measurement.ts";
import type { DomainSetup, WorkloadSetup } from "./setup.ts";

/** Longest sleep while the command to work is awaited, and between two looks of a pause. */
const LOOK_MS = 10;

/**
 * Runs an application domain. Returns when its workload is done and the queue is closed.
 *
 * @returns what the workload counted, and the device if it is in this domain
 */
export function runApplication(setup: DomainSetup, { workload, plan }: WorkloadSetup): Counters {
  const { control, report, waiter, policy, events, confinedTo, recovery, requestTimeoutMs } = setup;
  const [link] = setup.links;
  const [gate] = setup.gates.values();
  const meter = new (plan.countsOnly === true ? CountingMeter : OperationMeter)(plan.slots.count);
  const stopRequested = (): boolean => control.stopRequested();
  const common = { waiter, policy, meter, stopRequested };
  let frontend: Frontend | null = null;
  let queue: BlockQueue;
  if (link === undefined) {
    if (gate.eventDriven) {
      throw new DeviceError(
        "The device completes requests by events, which a workload's thread does not serve: isolate it",
      );
    }
    const view = viewOf(gate, plan.client?.partition);
    queue = new MonolithicQueue({ ...common, gate, view, slots: plan.slots });
  } else {
    const { port } = link.boot;
    queue = frontend = new Frontend({
      ...common,
      policy: link.end.completion === undefined ? policy : untilHandedOver(link.boot.options.channel.submitSpinNs),
      end: link.end,
      link: link.boot.options,
      requestTimeoutMs: requestTimeoutMs ?? undefined,
      recovery: recovery === null ? undefined : {
        requests: recovery.requests,
        lost: (generation, message) => report({ type: "lost", port, generation, message }),
        resumed: (generation) => report({ type: "resumed", port, generation }),
      },
    });
    frontend.connect();
  }
  const pushes = frontend === null ? [] : [frontend.pushes];
  const window = new MeasurementWindow(control, { waits: waiter.counters, pushes, meter, confinedTo }, report);
  report({ type: "ready" });

  /** Sleeps for a moment. Another driver must not wait for its frontend meanwhile. */
  const rest = (ms: number): void => {
    frontend?.attend();
    events.sleep(events.bell, ms);
  };
  while (window.observe() === Command.Boot) rest(LOOK_MS);
  const running = (): boolean => window.observe() < Command.Finish;
  const counted = workload.run({
    queue,
    seed: setup.seed,
    thread: plan.thread,
    threads: plan.threads,
    running,
    now: () => performance.now(),
    due: (slot, dueMs, lateNs) => meter.due(slot, dueMs, lateNs),
    stopRequested,
    watch: (source) => waiter.add(source),
    note: (text) => report({ type: "note", text }),
    scratchDirectory: setup.scratchDirectory,
    pause(ns) {
      const until = performance.now() + ns / 1e6;
      for (let left = ns / 1e6; left > 0 && running(); left = until - performance.now()) {
        rest(Math.min(left, LOOK_MS));
      }
    },
  });
  if (running()) throw new WorkloadError("The workload ended before it was told to");
  while (queue.inFlight > 0 && queue.wait() >= 0);
  frontend?.close();
  const gates = [...setup.gates.values()];
  const counters = addUp([counted ?? {}, ...gates.map((each) => each.counters())]);
  for (const each of gates) each.close();
  return counters;
}

/**
 * How a thread waits for completions that another one hands over: it looks as briefly as it does before it goes on
 * submitting, and sleeps. The policy is the other thread's, which waits for the driver.
 */
function untilHandedOver(spinNs: number): NotificationPolicy {
  return { plan: (plan) => void (plan.spinNs = spinNs) };
}
