/**
 * Sockets for a thread that never gives way to an event loop: Unix and TCP, by the C library, none of them blocking.
 *
 * What Deno offers for sockets are promises, which a thread that spins never sees settled. Here every call returns at
 * once, and data goes straight from and to shared memory, by lists of places (`struct iovec` of POSIX).
 *
 * @module
 */

import { DeviceError, messageOf } from "./errors.ts";
import { type CLibrary, cLibraryNeed, describeErrno, openCLibrary } from "./libc.ts";
import { FRAME_SIZE, SharedMemory } from "./memory.ts";
import { type SocketAddress, socketAddressBytes, unixSocketPath } from "./socket_address.ts";

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  accept4: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

// Linux's values, from asm-generic/socket.h, bits/socket.h, netinet/tcp.h and asm-generic/errno.h.
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
const NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
const SHUT_RDWR = 2;
const EINPROGRESS = 115;
const EAGAIN = 11;
const EINTR = 4;

/** Connections that the kernel keeps until they are accepted. */
const BACKLOG = 512;
/** Only the owner may connect. */
const OWNER_ONLY = 0o600;
const FAMILIES = { unix: AF_UNIX, tcp4: AF_INET, tcp6: AF_INET6 } as const;

/** Most places in a list: what fits into a frame behind the message's head, and well below the kernel's own 1024. */
export const MAX_PLACES = 240;

// struct msghdr of 64-bit Linux: name, its length, the list, its count, control, its length, flags; 56 bytes.
const MESSAGE_LIST = 16 / 4;
const MESSAGE_COUNT = 24 / 4;
const LIST_START = 64;
const PLACE_WORDS = 4;
const TWO_32 = 2 ** 32;

/** A list of places in memory that one call fills or sends, in order. Made once and used again and again. */
export class PlaceList {
  /** The message's head, then the list; in shared memory, as the kernel needs addresses that stay. */
  readonly #memory = SharedMemory.allocate(1);
  readonly #words: Uint32Array<SharedArrayBuffer>;
  /** How many places it has. */
  count = 0;
  /** Bytes of all places. */
  byteLength = 0;

  /** An empty list. */
  constructor() {
    this.#words = new Uint32Array(this.#memory.buffer, 0, FRAME_SIZE / 4);
    const list = this.#memory.address + LIST_START;
    this.#words[MESSAGE_LIST] = list;
    this.#words[MESSAGE_LIST + 1] = list / TWO_32;
  }

  /** Makes it empty. */
  clear(): void {
    this.count = 0;
    this.byteLength = 0;
  }

  /**
   * Appends a place. On the hot path.
   *
   * @param address where it is; see {@link SharedMemory.address}
   * @param byteLength its length, below 4 GiB
   */
  add(address: number, byteLength: number): void {
    const at = LIST_START / 4 + this.count * PLACE_WORDS;
    const words = this.#words;
    words[at] = address;
    words[at + 1] = address / TWO_32;
    words[at + 2] = byteLength;
    this.count++;
    this.byteLength += byteLength;
  }

  /** Whether no more places can be appended. */
  get full(): boolean {
    return this.count >= MAX_PLACES;
  }

  /** Takes away the first bytes, which were transferred; what is left keeps its order. */
  consume(byteLength: number): void {
    const words = this.#words;
    let left = byteLength;
    let first = 0;
    while (first < this.count) {
      const at = LIST_START / 4 + first * PLACE_WORDS;
      const length = words[at + 2];
      if (left < length) {
        const address = words[at] + words[at + 1] * TWO_32 + left;
        words[at] = address;
        words[at + 1] = address / TWO_32;
        words[at + 2] = length - left;
        break;
      }
      left -= length;
      first++;
    }
    const from = LIST_START / 4 + first * PLACE_WORDS;
    const to = LIST_START / 4 + this.count * PLACE_WORDS;
    if (first > 0) words.copyWithin(LIST_START / 4, from, to);
    this.count -= first;
    this.byteLength -= byteLength;
  }

  /** The message's head, with the count filled in. */
  message(): Uint8Array<SharedArrayBuffer> {
    this.#words[MESSAGE_COUNT] = this.count;
    return this.#memory.bytes;
  }
}

/** One thread's way to sockets. Descriptors are numbers, valid in the whole process. */
export class Sockets {
  readonly #library: CLibrary<typeof SYMBOLS>;
  readonly #symbols: CLibrary<typeof SYMBOLS>["symbols"];

  private constructor(library: CLibrary<typeof SYMBOLS>) {
    this.#library = library;
    this.#symbols = library.symbols;
  }

  /**
   * Opens the C library.
   *
   * @throws {DeviceError} where it may not be called
   */
  static open(): Sockets {
    const library = openCLibrary(SYMBOLS);
    if (library === null) throw new DeviceError(`Sockets need the C library: allow --allow-ffi=${cLibraryNeed()}`);
    return new Sockets(library);
  }

  /**
   * A socket that listens. One of a Unix path can be connected to by its owner alone (mode 0600), and the path must not
   * be there yet.
   *
   * @throws {DeviceError} when that is impossible, with the kernel's reason
   */
  listen(address: SocketAddress): number {
    const symbols = this.#symbols;
    const descriptor = this.#socket(address);
    // A Unix socket's file gets the mode that the socket has when it is bound.
    if (address.kind === "unix") symbols.fchmod(descriptor, OWNER_ONLY);
    else this.#setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    try {
      const failed = unixSocketPath(address, (given) => {
        const bytes = socketAddressBytes(given);
        return symbols.bind(descriptor, bytes, bytes.length) < 0 || symbols.listen(descriptor, BACKLOG) < 0;
      });
      if (!failed) return descriptor;
      throw new DeviceError(describeErrno(this.#library.errno()));
    } catch (cause) {
      this.close(descriptor);
      throw new DeviceError(`Cannot listen on ${describeAddress(address)}: ${messageOf(cause)}`, { cause });
    }
  }

  /** The port that a listening TCP socket got, where 0 was asked for. */
  localPort(descriptor: number): number {
    const name = new Uint8Array(28);
    this.#symbols.getsockname(descriptor, name, Uint32Array.of(name.length));
    return name[2] * 256 + name[3];
  }

  /** The next connection of a listening socket, or a negative errno (`-EAGAIN`, when there is none). */
  accept(listening: number): number {
    const descriptor = this.#symbols.accept4(listening, null, null, NONBLOCK_CLOEXEC);
    return descriptor >= 0 ? descriptor : -this.#library.errno();
  }

  /**
   * Begins to connect. When the descriptor gets writable, {@link connectError} says what came of it.
   *
   * @returns the descriptor, or a negative errno
   */
  connect(address: SocketAddress): number {
    const descriptor = this.#socket(address);
    const result = unixSocketPath(address, (given) => {
      const bytes = socketAddressBytes(given);
      return this.#symbols.connect(descriptor, bytes, bytes.length);
    });
    const errno = result < 0 ? this.#library.errno() : 0;
    if (errno === 0 || errno === EINPROGRESS) return descriptor;
    this.close(descriptor);
    return -errno;
  }

  /** What has gone wrong with a socket since it was last asked: an errno, 0 for nothing. */
  connectError(descriptor: number): number {
    const value = new Int32Array(1);
    this.#symbols.getsockopt(descriptor, SOL_SOCKET, SO_ERROR, value, Uint32Array.of(4));
    return value[0];
  }

  /** Sends small messages of a TCP socket at once. */
  setNoDelay(descriptor: number): void {
    this.#setOption(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  }

  /**
   * Has the kernel ask the peer's kernel now and then whether it is still there, so that a machine that has gone ends the
   * connection within a minute. A process that has merely stopped does not.
   */
  setKeepAlive(descriptor: number): void {
    this.#setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    this.#setOption(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 15);
    this.#setOption(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    this.#setOption(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 3);
  }

  /**
   * Takes what has arrived, as much as the places hold. On the hot path.
   *
   * @returns bytes; 0 when the peer has sent all it will; −1 when nothing is there. After an error it is −1 once, then 0,
   * so that nobody needs to ask which error it was
   */
  receive(descriptor: number, into: PlaceList): number {
    return this.#symbols.recvmsg(descriptor, into.message(), MSG_DONTWAIT_NOSIGNAL);
  }

  /**
   * Sends as much of the places as the kernel takes. On the hot path.
   *
   * @returns bytes; −1 when it takes none now or the connection is broken: see {@link failed}
   */
  send(descriptor: number, from: PlaceList): number {
    return this.#symbols.sendmsg(descriptor, from.message(), MSG_DONTWAIT_NOSIGNAL);
  }

  /** Asked at once after a call that returned −1: whether the connection is broken, and not merely busy. */
  get failed(): boolean {
    const errno = this.errno;
    return errno !== EAGAIN && errno !== EINTR;
  }

  /** Asked at once after a call that returned −1: why. */
  get errno(): number {
    return this.#library.errno();
  }

  /** Ends a connection in both directions; the descriptor stays. */
  shutdown(descriptor: number): void {
    this.#symbols.shutdown(descriptor, SHUT_RDWR);
  }

  /** Closes a descriptor. */
  close(descriptor: number): void {
    this.#symbols.close(descriptor);
  }

  /** Lets go of the C library; descriptors stay open. */
  detach(): void {
    this.#library.close();
  }

  #socket(address: SocketAddress): number {
    const descriptor = this.#symbols.socket(FAMILIES[address.kind], SOCK_STREAM_NONBLOCK_CLOEXEC, 0);
    if (descriptor >= 0) return descriptor;
    throw new DeviceError(`Cannot make a socket: ${describeErrno(this.#library.errno())}`);
  }

  #setOption(descriptor: number, level: number, option: number, value: number): void {
    this.#symbols.setsockopt(descriptor, level, option, Int32Array.of(value), 4);
  }
}

function describeAddress(address: SocketAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.kind === "tcp6" ? `tcp:[${address.host}]:${address.port}` : `tcp:${address.host}:${address.port}`;
}
