/**
 * A domain that is a worker: a thread of this process, with a heap of its own.
 *
 * @module
 */

import type { DomainBoot } from "./boot.ts";
import type { DomainHost, DomainListener } from "./host.ts";
import type { DomainReport } from "./report.ts";

/** Carries a domain of kind `worker`. It begins to load at once. */
export class WorkerHost implements DomainHost {
  readonly ended: Promise<void>;
  readonly #worker: Worker;
  readonly #end = Promise.withResolvers<void>();

  /** Starts the thread. */
  constructor(name: string, listener: DomainListener) {
    this.ended = this.#end.promise;
    this.#worker = new Worker(import.meta.resolve("./worker.ts"), { type: "module", name });
    this.#worker.onmessage = ({ data }: MessageEvent<DomainReport>) => {
      if (data.type === "closed" || data.type === "failed") this.#end.resolve();
      listener.reported(data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end.resolve();
      listener.died(`died: ${event.message}`);
    };
  }

  boot(boot: DomainBoot): void {
    this.#worker.postMessage(boot);
  }

  proceed(): void {}

  kill(): void {
    this.#worker.terminate();
  }
}
