/**
 * What is on a disk, as far as `blkid` of util-linux knows it: the last question before it is written to.
 *
 * It answers for the moment in which it is asked. Nothing keeps another program from writing to the disk right after,
 * but the exclusive open of the disk itself.
 *
 * @module
 */

import { DeviceError, messageOf } from "../../../core/errors.ts";
import type { Consent } from "../../../core/plugin.ts";
import { readEnds } from "./read_ends.ts";

/** Where util-linux puts it. Full paths, as Deno checks the permission to run a program by its path. */
const CANDIDATES = ["/usr/sbin/blkid", "/sbin/blkid"];

/** Exit statuses of `blkid` (blkid(8)). */
const Found = { Something: 0, Nothing: 2, Several: 8 } as const;

/** Keys that say where a thing lies and not what is on it: a blank partition has them too. */
const PLACE_KEYS = /^(DEVNAME|PART_ENTRY_\w+)$/;

/** The path that `--allow-run` must name for {@link whatIsOn}. */
export function blkidNeed(): string {
  return CANDIDATES.find(isThere) ?? CANDIDATES[0];
}

/**
 * What is on a disk or an image, in words such as `a gpt partition table` or `an ext4 file system labelled "data"`.
 *
 * @returns null when it is blank
 * @throws {DeviceError} when that cannot be told: there is no `blkid`, it may not be run, or the disk cannot be read
 */
export function whatIsOn(path: string): string | null {
  readEnds(path);
  const { code, stdout, stderr } = runBlkid(path);
  const text = new TextDecoder();
  const complaint = text.decode(stderr).trim();
  if (code === Found.Several) return "more than one file system or the like (blkid calls it ambivalent)";
  if (code === Found.Something) return inWords(parse(text.decode(stdout)));
  if (code === Found.Nothing && complaint === "") return null;
  throw new DeviceError(
    `Cannot tell what is on ${path}: blkid ended with status ${code}${complaint === "" ? "" : ` (${complaint})`}`,
  );
}

/**
 * Makes sure that a disk may be written to: the person has agreed to lose what is on this path, and it is blank or the
 * person said that it need not be.
 *
 * @param path the disk, as the scenario names it
 * @throws {DeviceError} when it may not, with what was found and how one agrees; or when that cannot be told
 */
export function refuseToDestroy(path: string, { allowDestructive, force }: Omit<Consent, "allowCommands">): void {
  const flag = `--allow-destructive=${path}`;
  if (!allowDestructive.includes(path)) {
    throw new DeviceError(`${path} would be written to, and what is on it lost. If that is meant, add ${flag}`);
  }
  if (force) return;
  const found = whatIsOn(path);
  if (found === null) return;
  throw new DeviceError(`${path} holds ${found}; nothing was written. If that may be lost, add --force`);
}

function runBlkid(path: string): Deno.CommandOutput {
  const allowed = CANDIDATES.filter((command) => {
    return Deno.permissions.querySync({ name: "run", command }).state === "granted";
  });
  if (allowed.length === 0) {
    throw new DeviceError(`Cannot tell what is on ${path}: that takes --allow-run=${blkidNeed()}`);
  }
  for (const command of allowed) {
    try {
      return new Deno.Command(command, {
        args: ["-p", "-o", "export", "--", path],
        stdin: "null",
        // Its own variables would change what it finds; and where LD_* are set, Deno refuses to hand them on.
        clearEnv: true,
        env: { LC_ALL: "C" },
      }).outputSync();
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) continue;
      throw new DeviceError(`Cannot tell what is on ${path}: ${command} cannot be run: ${messageOf(cause)}`, { cause });
    }
  }
  throw new DeviceError(
    `Cannot tell what is on ${path}: there is no ${allowed.join(" or ")}. Install util-linux, or use --force`,
  );
}

/** `KEY=value` lines, with a backslash before what a shell would take for its own. */
function parse(output: string): ReadonlyMap<string, string> {
  const pairs = output.split("\n").map((line) => /^(\w+)=(.*)$/.exec(line)).filter((match) => match !== null);
  return new Map(pairs.map(([, key, value]) => [key, value.replaceAll(/\\(.)/g, "$1")]));
}

function inWords(found: ReadonlyMap<string, string>): string | null {
  const keys = [...found.keys()].filter((key) => !PLACE_KEYS.test(key));
  if (keys.length === 0) return null;
  const words: string[] = [];
  const table = found.get("PTTYPE");
  if (table !== undefined) words.push(`${withArticle(table)} partition table`);
  const type = found.get("TYPE");
  if (type !== undefined) words.push(contentInWords(type, found.get("USAGE")) + nameInWords(found));
  return words.length === 0 ? `something of which blkid knows ${keys.join(", ")}` : words.join(" and ");
}

function contentInWords(type: string, usage: string | undefined): string {
  switch (usage) {
    case "filesystem":
      return `${withArticle(type)} file system`;
    case "raid":
      return `a part of a RAID or a volume group (${type})`;
    case "crypto":
      return `encrypted data (${type})`;
    default:
      return type === "swap" ? "swap space" : `data of the type ${type}`;
  }
}

/** What tells it from others of its type. */
function nameInWords(found: ReadonlyMap<string, string>): string {
  const label = found.get("LABEL");
  if (label !== undefined) return ` labelled ${JSON.stringify(label)}`;
  const uuid = found.get("UUID");
  return uuid === undefined ? "" : ` with the UUID ${uuid}`;
}

function withArticle(type: string): string {
  return `${/^[aeiox]/i.test(type) ? "an" : "a"} ${type}`;
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // It may also be out of sight: then whoever runs it will say so.
  }
}
