/**
 * What a frontend is made of.
 *
 * @module
 */

import type { FrontendRecovery } from "./driver_change.ts";
import type { LinkOptions } from "./link.ts";
import type { LinkEnd } from "./link_end.ts";
import type { OperationMeter } from "./measure/meter.ts";
import type { NotificationPolicy } from "./notification.ts";
import type { Waiter } from "./waiter.ts";

/** How an application uses its frontend. */
export interface FrontendOptions {
  /** This side of the link. */
  readonly end: LinkEnd;
  /** How the link is laid out and used. */
  readonly link: LinkOptions;
  /** How the thread waits. */
  readonly waiter: Waiter;
  /** What decides about each wait. */
  readonly policy: NotificationPolicy;
  /** Counts the operations. */
  readonly meter: OperationMeter;
  /** Whether the domain was told to stop: ends every wait. */
  readonly stopRequested: () => boolean;
  /** How long a driver may answer nothing while requests are in flight, in ms; for ever when absent. */
  readonly requestTimeoutMs?: number;
  /** What to do without a driver; when absent, the connection's end is the frontend's. */
  readonly recovery?: FrontendRecovery;
}
