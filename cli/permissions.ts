/**
 * Permissions: what is needed and why, asked for on a terminal, named in one line without one.
 *
 * @module
 */

import { cLibraryNeed } from "../core/libc.ts";
import { reportDirectory } from "./page_file.ts";
import { dirname, fromFileUrl } from "./paths.ts";
import { missingFolder } from "./report_file.ts";
import { DEFAULT_OUT, resultDirectory } from "./result_file.ts";

/** One permission. */
export interface PermissionNeed {
  /** What to ask Deno for. */
  readonly descriptor: Deno.PermissionDescriptor;
  /** The flag that grants it. */
  readonly flag: string;
  /** Completes "needed to …". */
  readonly reason: string;
}

const PROJECT = dirname(dirname(fromFileUrl(import.meta.url)));

/**
 * What a command line needs, as far as it can be told before it is parsed: so that everything is asked for, or named, at
 * once.
 */
export function permissionsOf(args: readonly string[]): PermissionNeed[] {
  if (args[0] === "serve") return [...basePermissions(args), ...servePermissions()];
  if (args[0] === "faults") return [...basePermissions(args), ...faultPermissions()];
  if (args[0] === "compare") return [...basePermissions(args), ...resultPermissions(args.slice(1))];
  const out = args.find((arg) => arg.startsWith("--out="))?.slice("--out=".length) ??
    (args.includes("--out") ? args[args.indexOf("--out") + 1] : undefined);
  if (args[0] === "report") return [...basePermissions(args), ...reportPermissions(args, out)];
  const runs = args.some((arg) => /\.ya?ml$/.test(arg)) && args[0] !== "check";
  if (!runs || out === "") return basePermissions(args); // The command itself refuses an empty one.
  return [...basePermissions(args), ...runPermissions(resultDirectory(out ?? DEFAULT_OUT))];
}

/** What every command needs: to read itself and the files that are named. */
function basePermissions(args: readonly string[]): PermissionNeed[] {
  const files = args.filter((arg) => /\.ya?ml$/.test(arg) && !arg.startsWith("-"));
  return [
    ...[PROJECT, ...files].map((path): PermissionNeed => {
      return { descriptor: { name: "read", path }, flag: "--allow-read", reason: "read scenarios and plugins" };
    }),
    ...["LOG_TOKENS", "LOG_STREAM"].map((variable): PermissionNeed => {
      return {
        descriptor: { name: "env", variable },
        flag: "--allow-env=LOG_TOKENS,LOG_STREAM",
        reason: "parse YAML (its parser has two debugging switches)",
      };
    }),
  ];
}

/** What it takes to read results: whatever is named, and of options too much rather than too little. */
function resultPermissions(args: readonly string[]): PermissionNeed[] {
  return args.filter((arg) => !arg.startsWith("-")).map((path): PermissionNeed => {
    return { descriptor: { name: "read", path }, flag: "--allow-read", reason: "read results" };
  });
}

/** What it takes to run scenarios and save their results in a folder. */
export function runPermissions(resultDirectory: string): PermissionNeed[] {
  return [
    processPermission("start each measurement as a process of its own"),
    {
      descriptor: { name: "write", path: resultDirectory },
      flag: `--allow-write=${resultDirectory}`,
      reason: "save what was measured",
    },
  ];
}

/** What it takes to read results and write their report. */
function reportPermissions(args: readonly string[], out: string | undefined): PermissionNeed[] {
  const files = args.slice(1).filter((arg) => !arg.startsWith("-") && arg !== out);
  if (files.length === 0 || out === "") return []; // The command itself refuses this.
  const directory = reportDirectory(files, out);
  return [
    ...files.map((path): PermissionNeed => {
      return { descriptor: { name: "read", path }, flag: "--allow-read", reason: "read results" };
    }),
    {
      descriptor: { name: "write", path: directory },
      flag: `--allow-write=${directory}`,
      reason: "write the report",
    },
  ];
}

/** What it takes to serve a device that is there. */
function servePermissions(): PermissionNeed[] {
  const path = cLibraryNeed();
  return [
    processPermission("run the machine in a process of its own"),
    { descriptor: { name: "ffi", path }, flag: `--allow-ffi=${path}`, reason: "serve sockets" },
  ];
}

/** What it takes to try faults. */
function faultPermissions(): PermissionNeed[] {
  const path = cLibraryNeed();
  return [
    processPermission("run the machines in processes of their own"),
    {
      descriptor: { name: "ffi", path },
      flag: `--allow-ffi=${path}`,
      reason: "share memory with processes, and see what they leave behind",
    },
  ];
}

/** What it takes to save a report, and to make the folder for it where there is none. */
export function filePermissions(file: string): PermissionNeed[] {
  const path = missingFolder(file) ?? file;
  return [{ descriptor: { name: "write", path }, flag: `--allow-write=${path}`, reason: "save the report" }];
}

/** What it takes to make a device's medium in a folder. */
export function mediaPermissions(directory: string): PermissionNeed[] {
  return [{
    descriptor: { name: "write", path: directory },
    flag: `--allow-write=${directory}`,
    reason: "make the device's medium",
  }];
}

function processPermission(reason: string): PermissionNeed {
  return { descriptor: { name: "run", command: Deno.execPath() }, flag: "--allow-run", reason };
}

/**
 * Makes sure of permissions: on a terminal Deno asks for those that are missing, each after its reason; without one the
 * flags to add are printed in one line.
 *
 * @returns whether all are granted
 */
export function ensurePermissions(needs: readonly PermissionNeed[]): boolean {
  const missing = needs.filter(({ descriptor }) => Deno.permissions.querySync(descriptor).state !== "granted");
  if (missing.length === 0) return true;
  const flags = joinFlags(missing.map(({ flag }) => flag)).join(" ");
  if (Deno.stdin.isTerminal()) {
    for (const { descriptor, reason } of missing) {
      console.error(`iddr needs this to ${reason}:`);
      if (Deno.permissions.requestSync(descriptor).state !== "granted") {
        console.error(`iddr: not allowed to ${reason}. To allow it, add: ${flags}`);
        return false;
      }
    }
    return true;
  }
  const reasons = [...new Set(missing.map(({ reason }) => reason))].join("; ");
  console.error(`iddr: permissions are missing. Add: ${flags}   (to ${reasons})`);
  return false;
}

/** Each flag once, with all its values; the one without values allows everything. */
function joinFlags(flags: readonly string[]): string[] {
  const values = new Map<string, string[]>();
  for (const flag of flags) {
    const [name, ...value] = flag.split("=");
    values.set(name, [...values.get(name) ?? [], value.join("=")]);
  }
  return [...values].map(([name, all]) => all.includes("") ? name : `${name}=${[...new Set(all)].join(",")}`);
}
