/**
 * What a domain is handed, as text for another process: memory goes as the descriptor by which it is mapped.
 *
 * @module
 */

import { DomainError } from "../errors.ts";
import { attachMemoryFile } from "../memory_file.ts";
import type { DomainBoot } from "./boot.ts";

/** Stands for memory. No plugin's data has a key that begins with a control character by chance. */
const MEMORY = "\x1ememory";

/** A boot message, and the descriptors of memory that are named in it. */
export interface EncodedBoot {
  /** One line of text. */
  readonly text: string;
  /** What the process must inherit to map what it is handed. */
  readonly descriptors: readonly number[];
}

/**
 * Writes a boot message.
 *
 * @param descriptorOf by which another process maps some memory; undefined where none can
 * @throws {DomainError} when it contains what no other process can be handed
 */
export function encodeBoot(
  boot: DomainBoot,
  descriptorOf: (memory: SharedArrayBuffer) => number | undefined,
): EncodedBoot {
  const descriptors = new Set<number>();
  const text = JSON.stringify(boot, (key, value: unknown) => {
    if (value instanceof SharedArrayBuffer) {
      const descriptor = descriptorOf(value);
      if (descriptor === undefined) {
        throw new DomainError(
          `Cannot hand ${key} of the domain ${boot.plan.name} to another process: it is memory of this one. A medium's ` +
            "memory comes from the context's allocate",
        );
      }
      descriptors.add(descriptor);
      return { [MEMORY]: [descriptor, value.byteLength] };
    }
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || typeof value === "bigint") {
      throw new DomainError(
        `Cannot hand ${key} of the domain ${boot.plan.name} to another process: it is no plain data`,
      );
    }
    return value;
  });
  return { text, descriptors: [...descriptors] };
}

/**
 * Reads a boot message, and maps the memory in it.
 *
 * @throws {DeviceError} when memory cannot be mapped
 */
export function decodeBoot(text: string): DomainBoot {
  const mapped = new Map<number, SharedArrayBuffer>();
  return JSON.parse(text, (_key, value: unknown) => {
    const memory = (value as Record<string, unknown> | null)?.[MEMORY];
    if (!Array.isArray(memory)) return value;
    const [descriptor, byteLength] = memory as [number, number];
    const known = mapped.get(descriptor);
    if (known !== undefined) return known;
    const buffer = attachMemoryFile(descriptor, byteLength);
    mapped.set(descriptor, buffer);
    return buffer;
  });
}
