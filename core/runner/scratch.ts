/**
 * Folders for the media of single repetitions. They are removed after it, and can be removed at once when the program
 * must end in the middle of one.
 *
 * @module
 */

const folders = new Set<string>();

/**
 * Makes a folder for as long as something runs.
 *
 * @param parent where; the system's own place by default
 */
export async function withScratchDirectory<T>(
  parent: string | undefined,
  run: (directory: string) => Promise<T>,
): Promise<T> {
  // In one step with its registration, so that there is no moment at which it would be forgotten.
  const directory = Deno.makeTempDirSync({ dir: parent, prefix: ".iddr-" });
  folders.add(directory);
  try {
    return await run(directory);
  } finally {
    if (folders.has(directory)) await Deno.remove(directory, { recursive: true });
    folders.delete(directory);
  }
}

/** Removes the folders of everything that runs: for who is about to end the process. */
export function removeScratchDirectories(): void {
  for (const directory of folders) {
    try {
      Deno.removeSync(directory, { recursive: true });
    } catch {
      // It is gone already, or cannot be removed; the process ends all the same.
    }
  }
  folders.clear();
}
