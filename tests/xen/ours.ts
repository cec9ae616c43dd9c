/**
 * Our end of a link whose other end is the program in C, and what both have counted.
 *
 * @module
 */

import { Backend } from "../../core/backend.ts";
import type { BlockDevice } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { ConnectionError } from "../../core/errors.ts";
import { EventChannel, EventPage } from "../../core/event_channel.ts";
import { FdWaiter } from "../../core/fd_waiter.ts";
import { Frontend } from "../../core/frontend.ts";
import { linkLayout, type LinkOptions } from "../../core/link.ts";
import type { LinkEnd, PushCounters } from "../../core/link_end.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import { SharedMemory } from "../../core/memory.ts";
import type { NotificationPolicy } from "../../core/notification.ts";
import { withRingsAt } from "../helpers/link.ts";
import { type RunningPeer, type Settings, SharedLink } from "./program.ts";

const OUR_DOMAIN = 4;
const THEIR_DOMAIN = 9;
const OUR_PORT = 3;
const THEIR_PORT = 200;
/** How long a sleep lasts that nobody ends, and how long all that a test asks for may take. */
const PATIENCE_MS = 20_000;
const LIMIT_MS = 120_000;
const BELL = 0;

/** What an end in C has counted. */
export interface TheirCounts {
  readonly sent: number;
  readonly suppressed: number;
  /** How often it asked for a notification. */
  readonly arms: number;
  readonly sleeps: number;
  /** Sleeps that only their limit ended. */
  readonly unended: number;
}

/** The same of our end. */
export interface OurCounts extends PushCounters {
  readonly arms: number;
  readonly sleeps: number;
  readonly unended: number;
}

/** How both ends wait, and where the ring's indices begin. */
export interface Manner {
  /** How long each wait spins before it sleeps, in nanoseconds. */
  readonly spinNs: number;
  /** 0 if not given. */
  readonly startIndex?: number;
}

/** Lets no sleep on descriptors end before somebody rang, whatever its limit, and counts those that nobody ended. */
class PatientEventPage extends EventPage {
  unended = 0;
  readonly #words: Int32Array<SharedArrayBuffer>;
  /** The bell as it was when it was last looked at: what the next sleep begins with. */
  #seen = 0;
  #sleepsSince: number | null = null;

  constructor(memory: SharedMemory) {
    super(memory);
    this.#words = memory.frameWords(0, 1);
  }

  override get bell(): number {
    const bell = super.bell;
    if (this.#sleepsSince === null) this.#seen = bell;
    return bell;
  }

  override sleepsOnDescriptor(does: boolean): void {
    if (does) this.#sleepsSince = this.#seen;
    else if (this.#sleepsSince !== null && !this.#rungWithin(PATIENCE_MS, this.#sleepsSince)) this.unended++;
    if (!does) this.#sleepsSince = null;
    super.sleepsOnDescriptor(does);
  }

  /** Nobody in this process rings, so it looks now and then. */
  #rungWithin(limitMs: number, seen: number): boolean {
    for (const deadline = performance.now() + limitMs; performance.now() < deadline;) {
      if (super.bell !== seen) return true;
      Atomics.wait(this.#words, BELL, seen, 1);
    }
    return false;
  }
}

/** Counts how often its end asked for a notification: before that it forgets what is pending. */
class CountingChannel extends EventChannel {
  arms = 0;

  override clear(): void {
    this.arms++;
    super.clear();
  }
}

/** Our end of a link. */
class OurEnd implements Disposable {
  readonly link: SharedLink;
  readonly end: LinkEnd;
  readonly waiter: FdWaiter;
  readonly policy: NotificationPolicy;
  readonly #options: LinkOptions;
  readonly #manner: Manner;
  readonly #events: PatientEventPage;
  readonly #channel: CountingChannel;
  readonly #deadline = performance.now() + LIMIT_MS;

  constructor(options: LinkOptions, manner: Manner) {
    this.#options = options;
    this.#manner = manner;
    this.link = new SharedLink(linkLayout(options).frameCount);
    const { region, events, peerEvents, doorbell, peerDoorbell } = this.link;
    this.#events = new PatientEventPage(SharedMemory.attach(events.buffer));
    const theirs = new EventPage(SharedMemory.attach(peerEvents.buffer), peerDoorbell);
    this.#channel = new CountingChannel(this.#events, OUR_PORT, theirs, THEIR_PORT);
    this.end = {
      memory: SharedMemory.attach(region.buffer),
      domainId: OUR_DOMAIN,
      peerDomainId: THEIR_DOMAIN,
      events: this.#events,
      port: OUR_PORT,
      channel: this.#channel,
    };
    this.waiter = FdWaiter.create(this.#events, doorbell, () => {}) as FdWaiter;
    this.policy = { plan: (into) => void (into.spinNs = manner.spinNs) };
  }

  /** Whether the test has taken too long. */
  readonly isLate = (): boolean => performance.now() > this.#deadline;

  /** Starts the other end. */
  start<Outcome>(program: string, role: string, settings: Settings, descriptors?: Settings): RunningPeer<Outcome> {
    const { channel, slots } = this.#options;
    const common = {
      ...{ domain: THEIR_DOMAIN, peer_domain: OUR_DOMAIN, port: THEIR_PORT, peer_port: OUR_PORT },
      ...{ ring_order: channel.ringOrder, slots: slots.count, slot_bytes: slots.bytes },
      ...{ indirect: channel.indirectSegments, merge: channel.merge ? 1 : 0 },
      ...{ spin_ns: this.#manner.spinNs, sleep_limit_ms: PATIENCE_MS, start_index: this.#manner.startIndex ?? 0 },
    };
    return this.link.start(program, role, { ...common, ...settings }, descriptors);
  }

  /** From now on, what asks for a notification is counted: a handshake looks for its own. */
  countFromNow(): void {
    this.#channel.arms = 0;
  }

  counts(pushes: PushCounters): OurCounts {
    const { arms } = this.#channel;
    return { ...pushes, arms, sleeps: this.waiter.counters.sleeps, unended: this.#events.unended };
  }

  [Symbol.dispose](): void {
    this.waiter.close();
    this.link[Symbol.dispose]();
  }
}

/** What came of a frontend in C on our backend. */
export interface Served<Outcome> {
  /** What the frontend printed. */
  readonly theirs: Outcome;
  readonly ours: OurCounts;
  /** What our device threw, and why our backend gave the connection up. */
  readonly reports: readonly string[];
}

/**
 * Serves a device to a frontend in C, on this thread, until that leaves or breaks the protocol.
 *
 * @param role what the frontend does: `frontend` (verify), `probe` or `overflow`
 */
export async function serveToC<Outcome>(
  program: string,
  role: string,
  device: BlockDevice,
  options: LinkOptions,
  settings: Settings,
  manner: Manner,
): Promise<Served<Outcome>> {
  using own = new OurEnd(options, manner);
  const reports: string[] = [];
  const gate = new DeviceGate(device, (message) => reports.push(message));
  const backend = withRingsAt(manner.startIndex ?? 0, () => new Backend(own.end, options, gate));
  own.waiter.add(backend);
  if (gate.asynchronous) own.waiter.add(gate);
  await using peer = own.start<Outcome>(program, role, settings);
  backend.offer();
  backend.connect(own.isLate);
  own.countFromNow();
  try {
    while (backend.connected || gate.inFlight > 0) {
      const served = backend.service();
      if (!gate.reap() && !served) own.waiter.wait(own.policy);
      if (own.isLate()) throw new Error(`the frontend in C did not finish within ${LIMIT_MS / 1000} s`);
    }
  } catch (thrown) {
    if (!(thrown instanceof ConnectionError)) throw thrown;
    reports.push(thrown.message);
  }
  const ours = own.counts(backend.pushes);
  backend.close();
  return { theirs: await peer.outcome(), ours, reports };
}

/** What came of our frontend on a backend in C. */
export interface Used {
  readonly theirs: { readonly requests: number; readonly refused: number; readonly backend: TheirCounts };
  readonly ours: OurCounts;
  /** Grants that the backend had mapped before we left, and those that it has not given back since. */
  readonly mapped: number;
  readonly held: number;
}

const READING_OR_WRITING = 0x18;

/**
 * Lets `body` use a disk of a backend in C, on this thread.
 *
 * @param settings those of the disk, with its descriptor in `disk`
 */
export async function useFromC(
  program: string,
  options: LinkOptions,
  settings: Settings & { readonly disk: number },
  manner: Manner,
  body: (frontend: Frontend) => void,
): Promise<Used> {
  using own = new OurEnd(options, manner);
  const { waiter, policy, end } = own;
  const meter = new OperationMeter(options.slots.count);
  const layout = linkLayout(options);
  const start = manner.startIndex ?? 0;
  const frontend = withRingsAt(start, () => {
    return new Frontend({ waiter, policy, meter, stopRequested: own.isLate, end, link: options });
  });
  // The frontend has initialised the ring for indices from 0: producers there, events one further.
  end.memory.frameWords(layout.ringFrame, 1).set([0, 1, 0, 1].map((word) => word + start));
  const { disk, ...rest } = settings;
  await using peer = own.start<Used["theirs"]>(program, "backend", rest, { disk });
  frontend.connect();
  own.countFromNow();
  body(frontend);
  const ours = own.counts(frontend.pushes);
  const grants = end.memory.frameWords(layout.grantFrame, layout.grantFrameCount);
  const marked = (): number => grants.filter((word, index) => index % 2 === 0 && word & READING_OR_WRITING).length;
  const mapped = marked();
  frontend.close();
  return { theirs: await peer.outcome(), ours, mapped, held: marked() };
}
