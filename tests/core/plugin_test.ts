import assert from "node:assert/strict";
import { PluginError } from "../../core/errors.ts";
import { API_VERSION, loadPlugin, type PluginKind } from "../../core/plugin.ts";
import { builtins } from "../../plugins/mod.ts";

function moduleUrl(source: string): string {
  return `data:application/javascript,${encodeURIComponent(source)}`;
}

Deno.test("a module whose default export is a plugin of the kind is loaded", async () => {
  const source = `export default { apiVersion: "${API_VERSION}", kind: "policy", name: "mine" }`;
  assert.equal((await loadPlugin("policy", moduleUrl(source))).name, "mine");
});

const wrong: Readonly<Record<string, string>> = {
  "has no default export": "export const plugin = {};",
  "exports null": "export default null;",
  "exports a string": "export default 'policy';",
  "is of another kind": `export default { apiVersion: "${API_VERSION}", kind: "device" };`,
  "is for another version": `export default { apiVersion: "iddr/v2", kind: "policy" };`,
  "names no version": `export default { kind: "policy" };`,
  "throws when it is imported": "throw new Error('boom');",
  "cannot be parsed": "export default {",
};
for (const [what, source] of Object.entries(wrong)) {
  Deno.test(`a module that ${what} is refused, with its URL in the message`, async () => {
    const url = moduleUrl(source);
    await assert.rejects(loadPlugin("policy", url), (error) => {
      return error instanceof PluginError && error.message.includes(url) && error.code === "IDDR_PLUGIN";
    });
  });
}

Deno.test("a module that is not there is refused, with its URL in the message", async () => {
  await assert.rejects(loadPlugin("device", "file:///nonexistent/plugin.ts"), (error) => {
    return error instanceof PluginError && error.message.includes("/nonexistent/plugin.ts");
  });
});

Deno.test("every built-in is what the table says", async () => {
  for (const [kind, plugins] of Object.entries(builtins)) {
    assert(Object.keys(plugins).length > 0);
    for (const [name, url] of Object.entries(plugins)) {
      assert.equal((await loadPlugin(kind as PluginKind, url)).name, name);
    }
  }
});
