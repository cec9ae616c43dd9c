/**
 * The programs of the host that the test bench calls.
 *
 * @module
 */

/** Which Debian package has a program. The bench always needs all but xz, which later releases of Debian ask for. */
const PACKAGES: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  "apt-cache": "apt",
  blkid: "util-linux",
  "dpkg-deb": "dpkg",
  ldd: "libc-bin",
  "mkfs.ext4": "e2fsprogs",
  debugfs: "e2fsprogs",
  e2fsck: "e2fsprogs",
  "nbd-client": "nbd-client",
  "qemu-system-x86_64": "qemu-system-x86",
  tar: "tar",
  xz: "xz-utils",
};

/** Folders that an ordinary user's PATH does not have. */
const FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

/** Something that the bench needs and cannot make. The message says what to do. */
export class BenchError extends Error {
  override name = "BenchError";
}

/** The full path of a program. Throws a {@link BenchError} that says what to install. */
export function pathOf(program: string): string {
  const path = find(program);
  if (path !== null) return path;
  const name = PACKAGES[program] ?? program;
  throw new BenchError(`missing: ${program}. On Debian: apt-get install --no-install-recommends ${name}`);
}

/** The full path of a program, or null. */
export function find(program: string): string | null {
  for (const folder of [...(Deno.env.get("PATH") ?? "").split(":"), ...FOLDERS]) {
    const path = `${folder}/${program}`;
    try {
      if (Deno.statSync(path).isFile) return path;
    } catch {
      // Not in this one.
    }
  }
  return null;
}

/** Throws a {@link BenchError} that names all programs which are missing, before any work is done. */
export function requireTools(): void {
  const missing = Object.keys(PACKAGES).filter((program) => program !== "xz" && find(program) === null);
  if (missing.length === 0) return;
  const names = [...new Set(missing.map((program) => PACKAGES[program]))].join(" ");
  throw new BenchError(`missing: ${missing.join(", ")}. On Debian: apt-get install --no-install-recommends ${names}`);
}

/** Runs a program to its end and returns what it printed. Throws a {@link BenchError} with what it complained of. */
export async function tool(program: string, args: readonly string[], cwd?: string): Promise<Uint8Array<ArrayBuffer>> {
  const { success, code, stdout, stderr } = await new Deno.Command(pathOf(program), {
    args: [...args],
    cwd,
    env: { LC_ALL: "C" },
    stdin: "null",
  }).output();
  if (success) return stdout;
  const complaint = new TextDecoder().decode(stderr).trim();
  throw new BenchError(`${program} ${args.join(" ")}: status ${code}${complaint === "" ? "" : `: ${complaint}`}`);
}

/** What a program printed, as text. */
export async function toolText(program: string, ...args: readonly string[]): Promise<string> {
  return new TextDecoder().decode(await tool(program, args));
}
