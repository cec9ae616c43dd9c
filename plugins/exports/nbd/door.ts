/**
 * Lets clients in: as many at once as are allowed, and while the process has descriptors for them.
 *
 * @module
 */

import { type Epoll, Ready } from "../../../core/epoll.ts";
import type { Sockets } from "../../../core/socket.ts";
import type { Listener } from "./listener.ts";

/** How long nobody is let in after the process had no descriptor for a client. */
const SHORT_MS = 1000;
const EINTR = 4;
const EAGAIN = 11;
const ECONNABORTED = 103;

/** A listener that is watched only while somebody can be let in: else who waits there would keep the thread awake. */
export class Door {
  readonly #sockets: Sockets;
  readonly #set: Epoll;
  readonly #listener: Listener;
  readonly #most: number;
  #watched = false;
  #open = true;
  /** Since when the process has had no descriptor for a client that waits, by `performance.now`. */
  #shortSince = -Infinity;

  /**
   * A door that is open.
   *
   * @param set the set of descriptors that the thread watches
   * @param most most clients at once
   */
  constructor(sockets: Sockets, set: Epoll, listener: Listener, most: number) {
    this.#sockets = sockets;
    this.#set = set;
    this.#listener = listener;
    this.#most = most;
    set.add(listener.descriptor, 0);
  }

  /** Lets nobody in any more. */
  shut(): void {
    this.#open = false;
    this.watch(0, -Infinity);
  }

  /**
   * Watches for clients, or does not.
   *
   * @param count how many are in
   * @param now by `performance.now`
   */
  watch(count: number, now: number): void {
    const watches = this.#open && now - this.#shortSince >= SHORT_MS && count < this.#most;
    if (watches === this.#watched) return;
    this.#watched = watches;
    this.#set.modify(this.#listener.descriptor, watches ? Ready.Read : 0);
  }

  /** Lets the next client in: its descriptor, or −1. See {@link watch}. */
  letIn(count: number, now: number): number {
    while (count < this.#most) {
      const descriptor = this.#sockets.accept(this.#listener.descriptor);
      if (descriptor >= 0) {
        if (this.#listener.isTcp) this.#sockets.setNoDelay(descriptor);
        return descriptor;
      }
      if (descriptor === -ECONNABORTED) continue;
      if (descriptor !== -EAGAIN && descriptor !== -EINTR) this.#shortSince = now;
      break;
    }
    return -1;
  }
}
