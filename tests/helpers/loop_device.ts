/**
 * Block devices for tests: Linux's loop devices on sparse images. Only root can attach them.
 *
 * @module
 */

/** How a {@link loopDevice} is made. */
export interface LoopDeviceOptions {
  /** Its size in bytes. */
  readonly sizeBytes: number;
  /** Its logical sector size in bytes: 512, or 4096 as of a 4Kn disk. */
  readonly sectorSize?: number;
  /** Whether the device itself refuses writes. */
  readonly readOnly?: boolean;
}

/** A block device. */
export interface LoopDevice extends Disposable {
  /** The device: `/dev/loop0`. */
  readonly path: string;
  /** The file behind it. */
  readonly image: string;
}

/** A loop device on a new image, both gone after the test: `using disk = loopDevice({ sizeBytes: 1 << 20 })`. */
export function loopDevice({ sizeBytes, sectorSize = 512, readOnly = false }: LoopDeviceOptions): LoopDevice {
  using undo = new DisposableStack();
  const image = Deno.makeTempFileSync({ suffix: ".img" });
  undo.defer(() => Deno.removeSync(image));
  Deno.truncateSync(image, sizeBytes);
  const flags = ["--find", "--show", "--sector-size", String(sectorSize), ...(readOnly ? ["--read-only"] : [])];
  const path = losetup(...flags, image).trim();
  undo.defer(() => losetup("--detach", path));
  const kept = undo.move();
  return { path, image, [Symbol.dispose]: () => kept.dispose() };
}

/** Why there are no loop devices here, or null. */
export function loopDeviceRefusal(): string | null {
  try {
    loopDevice({ sizeBytes: 1 << 20, sectorSize: 4096 })[Symbol.dispose]();
    return null;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

function losetup(...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command("losetup", { args }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr).split("\n")[0]);
  return new TextDecoder().decode(stdout);
}
