/**
 * What holds for every plugin's module and definition, whatever its kind.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Plugin } from "../../core/plugin.ts";

/**
 * Registers the tests for one plugin's definition.
 *
 * @param name what the plugin must be called
 * @param url its module
 * @param load loads it
 */
export function testDefinition(name: string, url: string, load: () => Promise<Plugin>): void {
  Deno.test(`${name}: it is called so, and says in a sentence what it is`, async () => {
    const plugin = await load();
    assert.equal(plugin.name, name);
    assert.match(plugin.description, /^[A-Z].*\.$/);
  });

  Deno.test(`${name}: options that it does not know are refused`, async () => {
    const { options } = await load();
    assert.match(options.safeParse({ nosuch: 1 }).error?.message ?? "accepted", /nosuch/);
  });

  Deno.test(`${name}: importing it needs no permission and does nothing`, async () => {
    const args = ["run", "--quiet", "--no-prompt", "--no-lock", "--no-check", url];
    const command = new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } });
    const { success, stdout, stderr } = await command.output();
    assert(success, new TextDecoder().decode(stderr));
    assert.deepEqual([stdout.length, stderr.length], [0, 0]);
  });
}
