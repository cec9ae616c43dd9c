/**
 * A real browser, for tests of pages: Debian's Chromium.
 *
 * @module
 */

import { type Browser, chromium, type Page } from "playwright-core";

export type { Page };

const PROGRAM = ["chromium", "chromium-browser", "google-chrome"].map((name) => {
  return (Deno.env.get("PATH") ?? "").split(":").map((folder) => `${folder}/${name}`).find(isFile);
}).find((path) => path !== undefined);

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Why there is no browser here, or null. */
export const browserRefusal: string | null = PROGRAM === undefined ? "there is no chromium" : null;

/** Runs something with a browser of its own. */
export async function withBrowser(use: (browser: Browser) => Promise<void>): Promise<void> {
  // Its own sandbox needs another user than root; what it opens here are files that the test wrote.
  const args = Deno.uid() === 0 ? ["--no-sandbox"] : [];
  const browser = await chromium.launch({ executablePath: PROGRAM, args });
  try {
    await use(browser);
  } finally {
    await browser.close();
  }
}
