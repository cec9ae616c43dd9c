/**
 * A device's medium as the hypervisor has it: opened, and opened again for the driver that takes over.
 *
 * @module
 */

import { destroyedPaths, type DevicePlugin, openMedium } from "../../core/plugin.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import type { DeviceOptions } from "./opened_device.ts";

/** One opening. */
export interface Opening {
  /** What drivers are handed. */
  readonly medium: unknown;
  /** Lets go of it: at the end at the latest, and once however often it is called. */
  close(): void;
}

/** A medium's openings. */
export interface OpenedMedia {
  /** What its first driver is handed. */
  readonly first: Opening;
  /** What its successor is handed: another opening, or the same where the plugin opens it once. */
  readonly second: Opening;
  /** The device's options, after the schema. */
  readonly options: unknown;
  /** The memory that the plugin asked for. */
  readonly memory: ReadonlySet<SharedArrayBuffer>;
  /** A folder of its own. */
  readonly directory: string;
}

/** Opens a medium in a folder of its own, again as before its first driver begins, and closes and removes all after `body`. */
export async function withMedia(
  plugin: DevicePlugin,
  given: DeviceOptions,
  body: (media: OpenedMedia) => void | Promise<void>,
): Promise<void> {
  const scratchDirectory = await Deno.makeTempDir();
  const openings: Opening[] = [];
  const memory = new Set<SharedArrayBuffer>();
  let made: unknown;
  const opened = (medium: unknown): Opening => {
    let isOpen = true;
    const opening = {
      medium,
      close(): void {
        if (isOpen) plugin.closeMedium?.(medium);
        isOpen = false;
      },
    };
    openings.push(opening);
    return opening;
  };
  try {
    made = typeof given === "function" ? await given(scratchDirectory) : given;
    const options = plugin.options.parse(made);
    const plain = mediumContext();
    // Who writes a test for a device that destroys something has made that for the test.
    const context = mediumContext({
      scratchDirectory,
      allowDestructive: destroyedPaths(plugin, options),
      allocate(byteLength) {
        const buffer = plain.allocate(byteLength);
        memory.add(buffer);
        return buffer;
      },
    });
    const first = opened(await openMedium(plugin, options, context));
    const second = plugin.openAgain === undefined
      ? first
      : opened(await plugin.openAgain(first.medium, options, context));
    await body({ first, second, options, memory, directory: scratchDirectory });
  } finally {
    for (const opening of openings) opening.close();
    (made as Partial<Disposable> | undefined)?.[Symbol.dispose]?.();
    await (made as Partial<AsyncDisposable> | undefined)?.[Symbol.asyncDispose]?.();
    await Deno.remove(scratchDirectory, { recursive: true });
  }
}

/**
 * Where in a medium something stands that cannot be handed to a driver in a process, and what; null when all can: plain
 * data, and memory that the context has allocated.
 */
export function notForProcesses(medium: unknown, memory: ReadonlySet<SharedArrayBuffer>, at = "it"): string | null {
  if (medium === null || ["boolean", "string"].includes(typeof medium)) return null;
  if (typeof medium === "number") return Number.isFinite(medium) ? null : `${at} is ${medium}`;
  if (medium instanceof SharedArrayBuffer) {
    return memory.has(medium) ? null : `${at} is memory that was not made by the context's allocate`;
  }
  const isPlain = typeof medium === "object" &&
    (Array.isArray(medium) || [Object.prototype, null].includes(Object.getPrototypeOf(medium)));
  if (!isPlain) return `${at} is ${typeof medium === "object" ? medium?.constructor.name : typeof medium}`;
  for (const [key, value] of Object.entries(medium as object)) {
    const found = notForProcesses(value, memory, `${at}.${key}`);
    if (found !== null) return found;
  }
  return null;
}
