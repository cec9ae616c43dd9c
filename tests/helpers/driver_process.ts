/**
 * A built-in device's driver in a process of its own, which has the descriptors that its medium inherits, libc, and
 * nothing else.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { handingOn } from "../../core/descriptor.ts";
import { cLibraryNeed } from "../../core/libc.ts";

const ROOT = new URL("../../", import.meta.url);

/** What a driver has done. */
export interface DriverOutcome {
  /** What the device is. */
  readonly info: Readonly<Record<string, unknown>>;
  /** The statuses of a write of sevens, a flush, a read of what was written, and a discard, each of 4 KiB at byte 4096. */
  readonly statuses: readonly number[];
  /** Whether what was read is what was written. */
  readonly same: boolean;
  /** What the device threw. */
  readonly reports: readonly string[];
}

/**
 * Runs a driver on a medium.
 *
 * @param file the plugin's file, without its ending
 * @param given the device's options
 * @param descriptors those that it inherits
 * @returns what it did, or what it died of
 */
export async function driverInProcess(
  file: string,
  given: unknown,
  medium: unknown,
  descriptors: readonly number[],
): Promise<DriverOutcome | string> {
  const module = (path: string): string => JSON.stringify(new URL(path, ROOT));
  const code = `
    import plugin from ${module(`plugins/devices/${file}.ts`)};
    import { Operation } from ${module("core/blkif.ts")};
    import { mediumContext } from ${module("tests/helpers/medium_context.ts")};
    import { OpenedDevice } from ${module("tests/helpers/opened_device.ts")};
    const options = plugin.options.parse(${JSON.stringify(given)});
    const device = new OpenedDevice(plugin.create(options, ${JSON.stringify(medium)}, mediumContext()));
    const { bytes } = device.memory;
    bytes.fill(7, 0, 4096);
    const statuses = [
      device.run(Operation.Write, 4096, [0, 4096]),
      device.runDataless(Operation.Flush),
      device.run(Operation.Read, 4096, [8192, 12288]),
    ];
    const same = bytes.subarray(8192, 12288).every((byte) => byte === 7);
    statuses.push(device.runDataless(Operation.Discard, 4096, 4096));
    const { info, reports } = device;
    device[Symbol.dispose]();
    console.log(JSON.stringify({ info, statuses, same, reports }));`;
  const config = fileURLToPath(new URL("deno.json", ROOT));
  const flags = ["--quiet", "--no-prompt", "--no-lock", "--config", config, `--allow-ffi=${cLibraryNeed()}`];
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const child = handingOn(descriptors, () => command.spawn());
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(code));
  await input.close();
  const { success, stdout, stderr } = await child.output();
  return success ? JSON.parse(new TextDecoder().decode(stdout)) : new TextDecoder().decode(stderr);
}
