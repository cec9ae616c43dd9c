/**
 * Starting a program confined.
 *
 * @module
 */

import { cLibraryNeed } from "../libc.ts";
import type { Confinement } from "./confinement.ts";

/** A program to start, and how it is confined. */
export interface Launch {
  /** What it may do. */
  readonly confinement: Confinement;
  /** Its path, absolute: Deno's executable. */
  readonly program: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Names of the variables that it keeps of the environment; it has no others but Deno's own cache folder. */
  readonly keepEnv: readonly string[];
  /** Descriptors that it is given beside input, output and errors. They must be inheritable: without `FD_CLOEXEC`. */
  readonly descriptors: readonly number[];
}

/** What the launcher is told, as JSON in its one argument. */
export interface LaunchOrder extends Launch {
  /** Who starts it: it is killed with this process. */
  readonly parent: number;
}

/** What `new Deno.Command` takes. */
export interface LaunchCommand {
  /** The program. */
  readonly program: string;
  /** Its arguments. */
  readonly args: string[];
}

/**
 * The command that starts a confined program. The process that it starts becomes the program itself, so its id, its death
 * and its pipes are the program's. Where it cannot be confined it ends with status 1 and a message, and nothing ran.
 *
 * It is killed when the thread that starts it ends: start it from the main thread.
 */
export function confinedCommand(launch: Launch): LaunchCommand {
  const order: LaunchOrder = { ...launch, parent: Deno.pid };
  const permissions = [`--allow-ffi=${cLibraryNeed()}`, "--allow-env"];
  return {
    program: launch.program,
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-remote", "--no-npm", ...permissions],
      import.meta.resolve("./launcher.ts"),
      JSON.stringify(order),
    ],
  };
}
