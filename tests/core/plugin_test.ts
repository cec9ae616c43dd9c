import assert from "node:assert/strict";
import { PluginError } from "../../core/errors.ts";
import { driverNeeds } from "../../core/permissions.ts";
import {
  API_VERSION,
  type DevicePlugin,
  loadPlugin,
  type PermissionNeeds,
  type PluginKind,
} from "../../core/plugin.ts";
import ramdisk from "../../plugins/devices/ramdisk.ts";
import { builtins } from "../../plugins/mod.ts";

function moduleUrl(source: string): string {
  return `data:application/javascript,${encodeURIComponent(source)}`;
}

/** The members of a plugin, each as source. */
const MEMBERS: Readonly<Record<string, string>> = {
  apiVersion: `apiVersion: "${API_VERSION}"`,
  kind: 'kind: "policy"',
  name: 'name: "mine"',
  description: 'description: "Does it."',
  options: "options: { _zod: { version: { major: 4 } } }",
  create: "create() {}",
};

Deno.test("a module whose default export is a plugin of the kind is loaded", async () => {
  assert.equal((await loadPlugin("policy", moduleUrl(`export default {${Object.values(MEMBERS)}}`))).name, "mine");
});

for (const [member, text] of Object.entries(MEMBERS)) {
  Deno.test(`a plugin without ${member} is refused, and so is one whose ${member} is a number`, async () => {
    for (const instead of ["", `${member}: 7`]) {
      const url = moduleUrl(`export default {${Object.values({ ...MEMBERS, [member]: instead }).filter(Boolean)}}`);
      await assert.rejects(loadPlugin("policy", url), (error) => {
        const found = instead === "" ? "missing" : "7";
        return error instanceof PluginError && error.message.includes(`: ${member} is ${found}, allowed is `);
      }, text);
    }
  });
}

Deno.test("a schema of zod 4 is one whichever copy of zod made it; one of zod 3 is none", async () => {
  const source = (options: string) => moduleUrl(`export default {${Object.values({ ...MEMBERS, options })}}`);
  await loadPlugin("policy", source("options: { _zod: { version: { major: 4, minor: 99 } } }"));
  await assert.rejects(loadPlugin("policy", source("options: { _def: {}, parse() {} }")), /a schema of zod 4/);
});

Deno.test("what a plugin may say of itself by a function is refused where it is none", async () => {
  for (
    const member of [
      "permissions",
      "driverPermissions",
      "applicationPermissions",
      "destroys",
      "runs",
      "openAgain",
      "closeMedium",
    ]
  ) {
    const url = moduleUrl(`export default {${Object.values({ ...MEMBERS, [member]: `${member}: {}` })}}`);
    const said = new RegExp(`${member} is an object, allowed is a function or nothing`);
    await assert.rejects(loadPlugin("policy", url), said);
  }
});

Deno.test("figures are counters with headings, and nothing else", async () => {
  const load = (figures: string) => {
    const members = {
      ...MEMBERS,
      kind: 'kind: "workload"',
      needs: "needs() {}",
      counters: 'counters: { hits: "Hits." }',
    };
    return loadPlugin("workload", moduleUrl(`export default {${Object.values({ ...members, figures })}}`));
  };
  await load('figures: { hits: "hits/s" }');
  for (const [figures, found] of [['{ misses: "x" }', "an object"], ["{ hits: 7 }", "an object"], ["7", "7"]]) {
    await assert.rejects(load(`figures: ${figures}`), {
      message: new RegExp(`figures is ${found}, allowed is names of its counters, each with a heading, or nothing`),
    });
  }
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

Deno.test("whether a device needs events is said by true or false", async () => {
  const url = moduleUrl(`export default {${Object.values({ ...MEMBERS, events: "events: 1" })}}`);
  await assert.rejects(loadPlugin("policy", url), /events is 1, allowed is true, false or nothing/);
});

Deno.test("a driver may touch what its plugin says, and no more than the person has granted to the plugin", () => {
  const device = (members: Partial<DevicePlugin>): DevicePlugin => ({
    ...ramdisk as unknown as DevicePlugin,
    ...members,
  });
  const permissions = (): PermissionNeeds => ({ read: ["/a", "/b"], ffi: ["/libc"], scratch: true });
  assert.deepEqual(driverNeeds(device({}), {}), {});
  assert.deepEqual(driverNeeds(device({ permissions }), {}), permissions());
  for (const less of [{}, { ffi: ["/libc"] }, { read: ["/b"], scratch: true }]) {
    assert.deepEqual(driverNeeds(device({ permissions, driverPermissions: () => less }), {}), less);
  }
  const more = { read: ["/a", "/c"], net: ["x:1"], scratch: true };
  assert.throws(
    () => driverNeeds(device({ permissions: () => ({ read: ["/a"] }), driverPermissions: () => more }), {}),
    /^PluginError: The driverPermissions of ramdisk name read \/c, net x:1, scratch; allowed is what its permissions/,
  );
});
