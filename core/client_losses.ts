/**
 * Which clients of a machine were lost: when one of several fails, the others go on without it.
 *
 * @module
 */

import type { LinkBoot } from "./domain/boot.ts";
import { clientOf, type DomainPlan, isDriver, type MachinePlan } from "./domain/plan.ts";
import { linkLayout } from "./link.ts";
import { SharedMemory } from "./memory.ts";
import { XenbusState, XenbusStore } from "./xenbus.ts";

/** What becomes of the machine when a domain fails. */
export interface LossActions {
  /** The machine fails. */
  fail(message: string): void;
  /** The machine goes on without this domain. */
  lose(domain: DomainPlan): void;
}

/** Decides whether a machine goes on after a domain has failed. */
export class ClientLosses {
  /** Why clients were lost, in the order in which they were. */
  readonly messages: string[] = [];
  readonly #applications: readonly DomainPlan[];
  readonly #actions: LossActions;
  readonly #lost = new Set<number>();
  readonly #clientCount: number;

  /** No client is lost yet. */
  constructor({ domains }: MachinePlan, actions: LossActions) {
    this.#applications = domains.filter((domain) => !isDriver(domain));
    this.#clientCount = new Set(this.#applications.map(clientOf)).size;
    this.#actions = actions;
  }

  /** Whether the machine goes on without a domain. */
  has(domain: DomainPlan): boolean {
    return !isDriver(domain) && this.#lost.has(clientOf(domain));
  }

  /**
   * A domain has failed. One of several clients is lost with all its domains; without any other domain, or with no client
   * left, the machine fails.
   */
  failed(domain: DomainPlan, message: string): void {
    if (isDriver(domain) || this.#clientCount === 1) return this.#actions.fail(message);
    if (this.has(domain)) return; // What follows from the loss.
    const client = clientOf(domain);
    this.#lost.add(client);
    this.messages.push(message);
    for (const each of this.#applications) if (clientOf(each) === client) this.#actions.lose(each);
    if (this.#lost.size === this.#clientCount) this.#actions.fail(this.messages[0]);
  }
}

/**
 * Closes a frontend's end in its stead, as it is dead or not to be trusted any more. Its driver must be woken then. In
 * whatever state the end says that it is, a driver that sees it closed lets go of the link.
 */
export function closeFrontend({ options, memory }: LinkBoot): void {
  const control = SharedMemory.attach(memory).frameWords(linkLayout(options).controlFrame, 1);
  XenbusStore.frontend(control).force(XenbusState.Closed);
}
