/**
 * Real file systems for tests that need one to be full, foreign or on a certain disk. Only root can mount them.
 *
 * @module
 */

/** Why nothing can be mounted here, or null. */
export const mountRefusal: string | null = tryMount();

/** A mounted file system, gone after the test: `using fs = mount("tmpfs", "size=1m")`. */
export function mount(type: string, options = "defaults", source = type): Disposable & { readonly folder: string } {
  const folder = Deno.makeTempDirSync();
  try {
    command("mount", "-t", type, "-o", options, source, folder);
  } catch (thrown) {
    Deno.removeSync(folder);
    throw thrown;
  }
  return {
    folder,
    [Symbol.dispose]() {
      command("umount", folder);
      Deno.removeSync(folder);
    },
  };
}

/** An ext4 file system on a disk with sectors of 4 KiB, gone after the test. */
export function mountWithLargeSectors(): Disposable & { readonly folder: string } {
  using undo = new DisposableStack();
  const image = Deno.makeTempFileSync();
  undo.defer(() => Deno.removeSync(image));
  Deno.truncateSync(image, 64 << 20);
  const disk = command("losetup", "--find", "--show", "--sector-size", "4096", image).trim();
  undo.defer(() => command("losetup", "--detach", disk));
  command("mkfs.ext4", "-q", disk);
  const mounted = undo.use(mount("ext4", "defaults", disk));
  const kept = undo.move();
  return { folder: mounted.folder, [Symbol.dispose]: () => kept.dispose() };
}

/** Why there is no {@link mountWithLargeSectors} here, or null. */
export function largeSectorsRefusal(): string | null {
  if (mountRefusal !== null) return mountRefusal;
  try {
    mountWithLargeSectors()[Symbol.dispose]();
    return null;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

function tryMount(): string | null {
  try {
    mount("tmpfs", "size=64k")[Symbol.dispose]();
    return null;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

function command(name: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(name, { args }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr).split("\n")[0]);
  return new TextDecoder().decode(stdout);
}
