/**
 * What a scenario may say in place of a built-in's name: `./path.ts`, an absolute path, a file URL, or
 * `npm:package@range`. And what it takes to be allowed: a scenario is data, and must not run code that nobody asked for.
 *
 * @module
 */

import { realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { messageOf } from "../errors.ts";

/** Whether it names a module, and not a built-in plugin. */
export function isReference(use: string): boolean {
  return /^(\.{0,2}\/|file:|npm:)/.test(use);
}

/** Whether a module is a package, which Deno finds; else it is a file. */
export function isPackage(url: string): boolean {
  return url.startsWith("npm:");
}

/**
 * The URL of the module that is named.
 *
 * @param file the scenario's file; paths are relative to the folder in which it lies
 * @throws {TypeError} when it is no URL
 */
export function moduleUrl(use: string, file: string): string {
  if (isPackage(use)) return use;
  return use.startsWith("file:") ? new URL(use).href : pathToFileURL(resolve(dirname(file), use)).href;
}

/** Why nothing can be imported from a URL, as the end of a sentence; null if there is something. */
export async function moduleMistake(url: string): Promise<string | null> {
  if (isPackage(url)) return null;
  const path = fileURLToPath(url);
  try {
    const { isFile } = await Deno.stat(path);
    return isFile ? null : `is a folder, ${path}: name a module in it`;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return `leads to ${path}, where no file is`;
    return `leads to ${path}, which cannot be read: ${messageOf(thrown)}`;
  }
}

/** Whether a module was allowed: by the very words of the scenario, or by a path or URL that leads to the same file. */
export function isAllowed(use: string, url: string, allowed: readonly string[]): boolean {
  if (allowed.includes(use)) return true;
  if (isPackage(url)) return false;
  const path = realPath(fileURLToPath(url));
  return allowed.some((each) => !isPackage(each) && realPath(fromWorkingDirectory(each)) === path);
}

/** Text as one word of a shell's command line. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,.\/^-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The path that a person means on the command line: from the working directory, or by a file URL. */
export function fromWorkingDirectory(path: string): string {
  return path.startsWith("file:") ? fileURLToPath(path) : resolve(path);
}

/** Where a path leads after all links; the path itself where nothing is. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
