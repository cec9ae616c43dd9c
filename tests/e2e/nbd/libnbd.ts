/**
 * Runs scripts for libnbd's Python module, the one that nbdsh is a shell for: it sends what no well-behaved client would.
 *
 * @module
 */

import { join } from "node:path";
import { client, succeed } from "./served.ts";

/** The Python that has the module: Debian's, as a rule, which need not be the first in PATH. */
const PYTHON = await findPython();

/** Why there is no libnbd for Python, or null. */
export const libnbdRefusal: string | null = PYTHON === null ? "no python3 here has libnbd's module nbd" : null;

async function findPython(): Promise<string | null> {
  for (const python of ["/usr/bin/python3", "python3"]) {
    const code = await client(python, "-c", "import nbd").then(({ code }) => code, () => 1);
    if (code === 0) return python;
  }
  return null;
}

const HELPERS = `
import nbd, os
def expect(error, call):
    try:
        call()
    except nbd.Error as e:
        assert e.errno == error, f"{e.errno}, not {error}: {e}"
        return
    raise AssertionError(f"no error {error}")
size = 4 * 1024 * 1024
h = nbd.NBD()
`;
const CONNECT = `
h.add_meta_context("base:allocation")
h.connect_uri(uri)
`;

/**
 * Runs a script with \`h\`, a handle, which is connected to \`uri\` unless the script shall do so itself; \`expect("EINVAL",
 * call)\`; and \`uri\`. Throws when it fails.
 */
export async function libnbd(
  directory: string,
  uri: string,
  script: string,
  { connects = true }: { readonly connects?: boolean } = {},
): Promise<void> {
  const path = join(directory, "script.py");
  const parts = [HELPERS, `uri = ${JSON.stringify(uri)}`, connects ? CONNECT : "", script, 'print("done")', ""];
  await Deno.writeTextFile(path, parts.join("\n"));
  const printed = await succeed(PYTHON as string, path);
  if (!printed.endsWith("done\n")) throw new Error(`the script did not come to its end: ${printed}`);
}
