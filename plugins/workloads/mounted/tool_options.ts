/**
 * Which options a scenario may hand on to mkfs and to mount: those that say how the file system is.
 *
 * Others would make these two write to another device than the one that is attached, or run programs that nobody was
 * asked about: `mke2fs -c` gives a shell the name of its device, and `umount` runs the helper that mount was told.
 *
 * @module
 */

/** Options of mke2fs that take a value. */
const MKFS_VALUED = "bCdeEgGiIJLmMNoOrTU";
/** Options of mke2fs that take none. */
const MKFS_PLAIN = "Djv";

const MKFS_OPTION = new RegExp(`^-(?:(?<plain>[${MKFS_PLAIN}]+)|(?<valued>[${MKFS_VALUED}])(?<value>.*))$`, "s");

/** Options of mount that name a program, or another device. */
const MOUNT_REFUSED = ["helper", "uhelper", "journal_path", "journal_dev"];

/** What is wrong with arguments for mke2fs, and with which of them, from 0; undefined if nothing is. */
export function mkfsMistake(argv: readonly string[]): { readonly index: number; readonly message: string } | undefined {
  for (let index = 0; index < argv.length; index++) {
    const option = index;
    const { plain, valued, value } = MKFS_OPTION.exec(argv[option])?.groups ?? {};
    if (plain !== undefined) continue;
    if (valued === undefined) {
      const allowed = [...MKFS_VALUED, ...MKFS_PLAIN].map((letter) => `-${letter}`).join(" ");
      const found = JSON.stringify(argv[option]);
      return { index, message: `is ${found}; allowed are the options ${allowed} of mke2fs, with their values` };
    }
    // It would take the device for its value, and mke2fs another argument for the device.
    if (value === "" && ++index === argv.length) {
      return { index: option, message: `must be followed by -${valued}'s value` };
    }
    const given = value === "" ? argv[index] : value;
    if (valued === "J" && given.includes("device")) {
      return { index, message: `is ${JSON.stringify(given)}; a journal on another device is not allowed` };
    }
  }
}

/** What is wrong with the options of mount, separated by commas; undefined if nothing is. */
export function mountMistake(options: string): string | undefined {
  const names = options.split(",").map((option) => option.split("=")[0].trim());
  const refused = MOUNT_REFUSED.find((name) => names.includes(name));
  return refused === undefined ? undefined : `must not have ${refused}, which names a program or another device`;
}
