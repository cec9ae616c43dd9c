/**
 * What tests of mounted devices need: a server to attach, a reason not to run, and a look at what is left behind.
 *
 * @module
 */

import { loopDeviceRefusal } from "./loop_device.ts";
import { mountRefusal } from "./mount.ts";

const PROGRAMS = ["nbdfuse", "nbdinfo", "nbdkit", "mkfs.ext2", "mkfs.ext4", "e2fsck", "unshare"];

/** Why nothing can be attached and mounted here, or null. */
export const attachRefusal: string | null = findRefusal();

function findRefusal(): string | null {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  const missing = PROGRAMS.filter((program) => !folders.some((folder) => exists(`${folder}/${program}`)));
  if (missing.length > 0) return `there is no ${missing.join(", ")}`;
  if (!exists("/dev/fuse")) return "there is no /dev/fuse";
  return mountRefusal ?? loopDeviceRefusal();
}

/** Why there is no such program here, or null. */
export function programRefusal(program: string): string | null {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.some((folder) => exists(`${folder}/${program}`)) ? null : `there is no ${program}`;
}

/** Whether a path exists. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** A server of a disk in memory. */
export interface Nbdkit extends AsyncDisposable {
  /** Its export. */
  readonly uri: string;
  /** Its process. */
  readonly pid: number;
}

/** Starts nbdkit, which ends with the test: `await using server = await startNbdkit(folder)`. */
export async function startNbdkit(folder: string, ...options: string[]): Promise<Nbdkit> {
  const socket = `${folder}/nbdkit.sock`;
  const child = new Deno.Command("nbdkit", {
    args: ["--foreground", "--unix", socket, ...options, "memory", "64M"],
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  await waitFor(() => exists(socket));
  return {
    uri: `nbd+unix:///?socket=${socket}`,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // The test has ended it.
      }
      await child.status;
    },
  };
}

/** Waits for something that will happen, with a limit so that a test never hangs. */
export async function waitFor(condition: () => boolean): Promise<void> {
  for (let look = 0; look < 3000; look++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never happened: ${condition}`);
}

/** What has to do with a folder and is still there: processes that name it, loop devices on its files, mounts in it. */
export function leftIn(folder: string): string[] {
  const left: string[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const said = read(`/proc/${name}/cmdline`).replaceAll("\0", " ");
    if (said.includes(folder) || read(`/proc/${name}/environ`).includes(`${MARK}=${folder}`)) {
      left.push(`process ${name}: ${said}`);
    }
  }
  for (const { name } of Deno.readDirSync("/sys/block")) {
    const file = read(`/sys/block/${name}/loop/backing_file`);
    // In the mount namespace of the attendant the file has another path than here.
    if (file.includes(folder.slice(folder.lastIndexOf("/")))) left.push(`${name} on ${file.trim()}`);
  }
  return [...left, ...read("/proc/self/mounts").split("\n").filter((line) => line.includes(folder))];
}

/** A variable that marks all processes which a test has started: its value is the test's folder. */
export const MARK = "IDDR_MOUNTED_TEST";

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // It has ended, or is no loop device.
  }
}
