/**
 * Where the regions of one machine come from: memory of this process, or memory that other processes can map, where one of
 * the domains is a process.
 *
 * @module
 */

import { FRAME_SIZE, SharedMemory } from "./memory.ts";
import { MemoryFile } from "./memory_file.ts";

/** The regions of one machine. */
export class MachineMemory {
  /** Whether other processes can map it. */
  readonly betweenProcesses: boolean;
  readonly #files = new Map<SharedArrayBuffer, MemoryFile>();

  /** No regions yet. */
  constructor(betweenProcesses: boolean) {
    this.betweenProcesses = betweenProcesses;
  }

  /**
   * New, zeroed memory.
   *
   * @throws {RangeError} when there is not so much
   * @throws {DeviceError} when processes must share it and libc may not be called
   */
  allocate(byteLength: number): SharedArrayBuffer {
    if (!this.betweenProcesses) return new SharedArrayBuffer(byteLength, { maxByteLength: byteLength });
    const file = MemoryFile.create(byteLength);
    this.#files.set(file.buffer, file);
    return file.buffer;
  }

  /** New, zeroed frames. */
  allocateFrames(frameCount: number): SharedMemory {
    return SharedMemory.attach(this.allocate(frameCount * FRAME_SIZE));
  }

  /** The descriptor by which another process maps memory; undefined where it came from elsewhere. */
  descriptorOf(memory: SharedArrayBuffer): number | undefined {
    return this.#files.get(memory)?.descriptor;
  }

  /** Lets go of memory that nobody else will be handed. */
  forget(memory: SharedArrayBuffer): void {
    this.#files.get(memory)?.close();
    this.#files.delete(memory);
  }

  /** Closes all descriptors. Who has mapped a region keeps it. */
  close(): void {
    for (const memory of [...this.#files.keys()]) this.forget(memory);
  }
}
