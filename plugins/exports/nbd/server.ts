/**
 * Exports a device over NBD: an application domain's thread that serves sockets and the queue of its device alike.
 *
 * The thread has one waiter for both. While little is connected it receives from each socket directly, as that is what a
 * look costs anyway; with more connections it asks the kernel which of them are ready (epoll).
 *
 * @module
 */

import type { BlockQueue } from "../../../core/block_queue.ts";
import { Operation } from "../../../core/blkif.ts";
import { Epoll, Ready } from "../../../core/epoll.ts";
import { WorkloadError } from "../../../core/errors.ts";
import { Sockets } from "../../../core/socket.ts";
import type { WaitSource } from "../../../core/waiter.ts";
import type { Counters, WorkloadContext } from "../../../core/workload.ts";
import { Connection, type Shared } from "./connection.ts";
import { Door } from "./door.ts";
import { type ExportInfo, exportOf, type ExportOptions } from "./export_info.ts";
import { Listener } from "./listener.ts";
import { SlotPool } from "./slot_pool.ts";
import { Transmission } from "./transmission.ts";

/** How an export is served. */
export interface NbdServerOptions extends ExportOptions {
  /** `unix:PATH` or `tcp:HOST:PORT`. */
  readonly listen: string;
  /** What happens when the domain is to finish: requests that are there are answered, or clients stay until they leave. */
  readonly atEnd: "drain" | "linger";
  /** Most clients at once; more wait until one leaves. */
  readonly maxConnections: number;
}

/** Names of what a server counts, each with one sentence. */
export const NBD_COUNTERS = {
  nbdConnections: "NBD clients that connected.",
  nbdRequests: "NBD requests that were answered.",
  nbdErrors: "NBD requests that were answered with an error.",
};

/** Up to so many connections, each is received from directly. */
const MAX_DIRECT = 4;
/** Turns, less one, between two looks for new clients while there is always work; a power of two, less one. */
const SET_TURNS_MASK = 63;
/** Looks, less one, between two at the whole set while connections are looked at directly; a power of two, less one. */
const SET_LOOKS_MASK = 63;
/** While the device works, sockets are looked at only once in so many looks, less one: most likely it answers first. */
const BUSY_LOOKS_MASK = 3;
/** Turns, less one, between two readings of the clock. */
const CLOCK_TURNS_MASK = 255;
/** A client that gets nowhere for so long, with slots that others wait for, is disconnected. */
const STALL_MS = 10_000;
/** How long clients have to finish what they are sending, when the server drains. */
const DRAIN_MS = 5000;
/** Bytes that are received from one client before others, the device and the replies have their turn. */
const BYTES_PER_TURN = 128 * 1024;

/**
 * Serves until the domain is told to finish.
 *
 * @returns what was counted
 * @throws {DeviceError} when it cannot listen
 * @throws {ConnectionError} when the driver is gone
 */
export function serveNbd(context: WorkloadContext, options: NbdServerOptions): Counters {
  const server = new NbdServer(context, options);
  try {
    return server.run();
  } finally {
    server.close();
  }
}

class NbdServer implements Shared, WaitSource {
  readonly sockets = Sockets.open();
  readonly slots: SlotPool;
  readonly transmission: Transmission;
  readonly exported: ExportInfo;
  readonly descriptor: number;
  /** A system call for each look, but see {@link peek}. */
  readonly peekNs = 200;
  readonly #context: WorkloadContext;
  readonly #queue: BlockQueue;
  readonly #options: NbdServerOptions;
  readonly #listener: Listener;
  readonly #set = new Epoll();
  readonly #door: Door;
  /** Those that are open. */
  readonly #connections: Connection[] = [];
  readonly #byDescriptor = new Map<number, Connection>();
  /** Those that can be used again. */
  readonly #unused: Connection[] = [];
  /** Those that have something to send. */
  #sending: Connection[] = [];
  #sendingNow: Connection[] = [];
  /** Whether the kernel is to be asked who is ready. */
  #askSet = true;
  #connected = 0;
  /** The connection that is the first to go on when slots get free. */
  #resumeFrom = 0;
  #turns = 0;
  #looks = 0;
  #now = performance.now();
  /** Whether nobody new is let in, and since when. */
  #drainingSince = Infinity;

  constructor(context: WorkloadContext, options: NbdServerOptions) {
    this.#context = context;
    this.#queue = context.queue;
    this.#options = options;
    this.exported = exportOf(context.queue.info, options);
    this.slots = new SlotPool(context.queue);
    this.transmission = new Transmission(context.queue, this.slots, this.exported);
    this.#listener = new Listener(this.sockets, options.listen, options.name);
    this.descriptor = this.#set.descriptor;
    this.#door = new Door(this.sockets, this.#set, this.#listener, options.maxConnections);
    this.#door.watch(0, this.#now);
    context.watch(this);
    context.note(`listening on ${this.#listener.uri}`);
  }

  run(): Counters {
    const queue = this.#queue;
    while (this.#goesOn()) {
      if (!this.#turn()) {
        queue.idle();
        this.#seeToTime();
      }
    }
    this.#flush();
    const { answered, errors } = this.transmission;
    return { nbdConnections: this.#connected, nbdRequests: answered, nbdErrors: errors };
  }

  /** Lets go of everything. */
  close(): void {
    for (const connection of [...this.#connections]) connection.close();
    this.#listener.close();
    this.#set.close();
    this.sockets.detach();
  }

  /** Whether something has come in. Receives it, as a look costs no less. On the hot path. */
  peek(): boolean {
    const looks = ++this.#looks;
    if (this.#queue.inFlight > 0 && (looks & BUSY_LOOKS_MASK) !== 0) return false;
    if (this.#connections.length > MAX_DIRECT || this.#connections.length === 0) return this.ready();
    // New clients are not among them, and a policy may spin for as long as it likes.
    if ((looks & SET_LOOKS_MASK) === 0 && this.ready()) return true;
    return this.#lookAtEach();
  }

  /** Whether the kernel says that a socket is ready. */
  ready(): boolean {
    this.#askSet = this.#set.poll() > 0;
    return this.#askSet;
  }

  /** Makes the kernel watch what matters now. It does not ring: the descriptor of the set is watched. */
  arm(): boolean {
    for (let i = 0; i < this.#connections.length; i++) this.#watch(this.#connections[i]);
    return false;
  }

  hasReplies(connection: Connection): void {
    connection.listed = true;
    this.#sending.push(connection);
  }

  closes({ descriptor }: Connection): void {
    this.#set.remove(descriptor);
    this.#byDescriptor.delete(descriptor);
  }

  isIdle(connection: Connection): void {
    const index = this.#connections.indexOf(connection);
    if (index >= 0) this.#connections.splice(index, 1);
    this.transmission.sharers = this.#connections.length;
    this.#door.watch(this.#connections.length, this.#now);
    // It may be on the list of those that send, once more; then it is used again after that.
    if (!connection.listed) this.#unused.push(connection);
  }

  #goesOn(): boolean {
    if (this.#context.stopRequested()) return false;
    if (this.#context.running()) return true;
    if (this.#options.atEnd === "drain") return this.#drain();
    this.#door.shut();
    return this.#connections.length > 0;
  }

  /** One look at everything. Whether there was something to do. On the hot path. */
  #turn(): boolean {
    this.#turns++;
    if ((this.#turns & CLOCK_TURNS_MASK) === 0) this.#seeToTime();
    let worked = this.#receive();
    const queue = this.#queue;
    for (let slot = queue.poll(); slot >= 0; slot = queue.poll()) {
      this.transmission.completed(slot);
      worked = true;
    }
    if (this.#sending.length > 0) worked = this.#send() || worked;
    return this.#resume() || worked;
  }

  #receive(): boolean {
    const direct = this.#connections.length <= MAX_DIRECT;
    let worked = false;
    if (this.#askSet || !direct || (this.#turns & SET_TURNS_MASK) === 0) worked = this.#receiveFromReady();
    if (!direct) return worked;
    for (let i = this.#connections.length - 1; i >= 0; i--) worked = this.#receiveFrom(this.#connections[i]) || worked;
    return worked;
  }

  #lookAtEach(): boolean {
    for (let i = 0; i < this.#connections.length; i++) {
      const connection = this.#connections[i];
      if (!connection.open) continue;
      if (connection.wantsInput && connection.intake.look()) return true;
      if (connection.replies.count > 0 && connection.send()) {
        connection.lastProgress = this.#now;
        return true;
      }
    }
    return false;
  }

  /** Asks the kernel which sockets are ready, and sees to them. */
  #receiveFromReady(): boolean {
    this.#askSet = false;
    const count = this.#set.poll();
    let worked = false;
    for (let i = 0; i < count; i++) {
      const descriptor = this.#set.readyDescriptor(i);
      if (descriptor === this.#listener.descriptor) {
        worked = this.#accept() || worked;
        continue;
      }
      const connection = this.#byDescriptor.get(descriptor);
      if (connection === undefined || !connection.open) continue;
      const events = this.#set.readyEvents(i);
      if ((events & Ready.Write) !== 0 && connection.replies.count > 0) this.#sendTo(connection);
      if (!connection.open) continue;
      if (connection.wantsInput) worked = this.#receiveFrom(connection) || worked;
      else if ((events & (Ready.HangUp | Ready.Error)) !== 0) connection.close();
      worked = worked || (events & ~Ready.Read) !== 0;
      if (connection.open) this.#watch(connection);
    }
    return worked;
  }

  /** Takes what a client has sent, up to a limit, so that others have their turn. On the hot path. */
  #receiveFrom(connection: Connection): boolean {
    let worked = false;
    let bytes = 0;
    while (bytes < BYTES_PER_TURN && connection.open && connection.wantsInput && connection.intake.look()) {
      worked = true;
      const received = connection.intake.taken();
      bytes += received;
      connection.lastProgress = this.#now;
      if (received === 0) {
        // Between two requests a client may just have closed its own direction.
        if (connection.betweenRequests) connection.end();
        else connection.close();
        this.#endIfDone(connection);
        return true;
      }
      const all = connection.intake.filledUp(received);
      connection.advance();
      if (!all) break;
    }
    return worked;
  }

  #send(): boolean {
    const sending = this.#sending;
    this.#sending = this.#sendingNow;
    this.#sendingNow = sending;
    let worked = false;
    for (let i = 0; i < sending.length; i++) {
      const connection = sending[i];
      connection.listed = false;
      if (connection.open) worked = this.#sendTo(connection) || worked;
      else if (connection.inFlight === 0) this.#unused.push(connection);
    }
    sending.length = 0;
    return worked;
  }

  #sendTo(connection: Connection): boolean {
    const sent = connection.send();
    if (sent) connection.lastProgress = this.#now;
    this.#endIfDone(connection);
    // What the kernel did not take is tried again.
    if (connection.open && connection.replies.count > 0 && !connection.listed) this.hasReplies(connection);
    return sent;
  }

  /** Lets those go on that waited for slots or for room among their replies, those first who got nothing last time. */
  #resume(): boolean {
    let worked = false;
    const connections = this.#connections;
    let next = -1;
    for (let left = connections.length, i = this.#resumeFrom; left > 0; left--, i++) {
      if (i >= connections.length) i = 0;
      const connection = connections[i];
      if (connection === undefined || !connection.paused || !connection.open) continue;
      const { accepted } = this.transmission;
      const { held } = connection;
      connection.advance();
      if (next < 0 && connection.paused && connection.held === held) next = i;
      // Now, and not before a sleep alone: while others keep the thread busy, there is none.
      if (!connection.paused) this.#watch(connection);
      worked = worked || !connection.paused || this.transmission.accepted !== accepted;
    }
    this.#resumeFrom = Math.max(0, next);
    return worked;
  }

  #endIfDone(connection: Connection): void {
    if (connection.open && connection.ending && connection.done) connection.close();
  }

  #accept(): boolean {
    let worked = false;
    for (;;) {
      const descriptor = this.#door.letIn(this.#connections.length, this.#now);
      if (descriptor < 0) break;
      const connection = this.#unused.pop() ?? new Connection(this);
      this.#connections.push(connection);
      this.#byDescriptor.set(descriptor, connection);
      this.#connected++;
      this.transmission.sharers = this.#connections.length;
      connection.lastProgress = this.#now;
      this.#set.add(descriptor, Ready.Read);
      connection.watched = Ready.Read;
      connection.start(descriptor);
      worked = true;
    }
    this.#door.watch(this.#connections.length, this.#now);
    return worked;
  }

  /** Makes the kernel watch a socket for what its connection can use now. */
  #watch(connection: Connection): void {
    if (!connection.open) return;
    const wanted = (connection.wantsInput ? Ready.Read : 0) | (connection.replies.count > 0 ? Ready.Write : 0);
    if (wanted === connection.watched) return;
    connection.watched = wanted;
    this.#set.modify(connection.descriptor, wanted);
  }

  /** What is to be done now and then. */
  #seeToTime(): void {
    this.#now = performance.now();
    this.#door.watch(this.#connections.length, this.#now);
    this.#endStalled();
  }

  /** Ends connections that get nowhere with slots that others wait for. */
  #endStalled(): void {
    if (this.slots.freeCount > 0) return;
    const waiting = this.#connections.filter(({ paused }) => paused);
    for (const connection of [...this.#connections]) {
      const others = waiting.length - (connection.paused ? 1 : 0);
      const stalls = connection.held > connection.inFlight && this.#now - connection.lastProgress > STALL_MS;
      if (others > 0 && stalls) connection.close();
    }
  }

  /** Answers what is there and lets nobody new in. Whether it goes on. */
  #drain(): boolean {
    if (this.#drainingSince === Infinity) {
      this.#drainingSince = this.#now = performance.now();
      this.#door.shut();
    }
    const overdue = this.#now - this.#drainingSince > DRAIN_MS;
    for (const connection of [...this.#connections]) {
      if (overdue) connection.close();
      else if (connection.open) connection.finish();
      this.#endIfDone(connection);
    }
    return this.#connections.length > 0;
  }

  /** Makes durable what was written, before the device is let go. */
  #flush(): void {
    const queue = this.#queue;
    if (!this.transmission.wrote || !queue.info.canFlush || this.#context.stopRequested()) return;
    queue.submit(0, Operation.Flush, 0, 0);
    if (queue.wait() === 0 && queue.status(0) !== 0) throw new WorkloadError("The last flush of the export failed");
  }
}
