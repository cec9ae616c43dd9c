/**
 * What plugins need to touch.
 *
 * @module
 */

/**
 * What a plugin does by system calls of its own, through FFI. To Deno it is all `ffi`; a strict sandbox refuses what is not
 * declared.
 */
export interface SystemNeeds {
  /** Whether it makes io_urings. */
  readonly ioUring?: boolean;
  /**
   * Where it listens by sockets of its own: `unix:PATH`, `unix` for a socket in the folder of its run, `127.0.0.1:10809`. To
   * listen Deno asks nothing of who may use FFI.
   */
  readonly listens?: readonly string[];
  /** Capabilities of Linux that it uses where the user has them: `CAP_SYS_RAWIO`. */
  readonly capabilities?: readonly string[];
}

/** Deno permissions that a plugin's domain needs, as the values of the flags. */
export interface PermissionNeeds {
  /** Paths to read. */
  readonly read?: readonly string[];
  /** Paths to write. */
  readonly write?: readonly string[];
  /** Whether it puts files into the folder of its run (`scratchDirectory`). */
  readonly scratch?: boolean;
  /** Hosts to reach: `localhost:10809`, `unix:/run/x.sock`. By sockets of its own, too, in a strict sandbox. */
  readonly net?: readonly string[];
  /** Environment variables to read. */
  readonly env?: readonly string[];
  /** Programs to start. */
  readonly run?: readonly string[];
  /** Libraries to load, by full path. */
  readonly ffi?: readonly string[];
  /** Facts of the system to ask for, by the names that `--allow-sys` has. */
  readonly sys?: readonly string[];
  /** What else it does by system calls of its own. */
  readonly system?: SystemNeeds;
}

/** All that some plugins need together. */
export function mergeNeeds(needs: readonly PermissionNeeds[]): Required<PermissionNeeds> {
  const all = (kind: Exclude<keyof PermissionNeeds, "scratch" | "system">): string[] => {
    return [...new Set(needs.flatMap((each) => each[kind] ?? []))];
  };
  return {
    read: all("read"),
    write: all("write"),
    net: all("net"),
    env: all("env"),
    run: all("run"),
    ffi: all("ffi"),
    sys: all("sys"),
    scratch: needs.some(({ scratch }) => scratch === true),
    system: {
      ioUring: needs.some(({ system }) => system?.ioUring === true),
      listens: [...new Set(needs.flatMap(({ system }) => system?.listens ?? []))],
      capabilities: [...new Set(needs.flatMap(({ system }) => system?.capabilities ?? []))],
    },
  };
}
