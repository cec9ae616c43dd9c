/** docs/plugins.md as a reader follows it: its files, outside of the repository, run and tested as it says. */

import assert from "node:assert/strict";
import { PROJECT, runCli, runDeno, withFiles } from "../helpers/run_deno.ts";

/** The code blocks that begin with their file's name. */
async function filesOfDocument(): Promise<Record<string, string>> {
  const text = await Deno.readTextFile(`${PROJECT}docs/plugins.md`);
  const files: Record<string, string> = {};
  for (const [, body] of text.matchAll(/^```(?:ts|yaml|json)\n(.*?)^```$/gms)) {
    const name = /^(?:\/\/ |# |\{\s*"\/\/": ")(\w+\.\w+)/.exec(body)?.[1];
    assert(name, `a block without its file's name: ${body.slice(0, 60)}`);
    const folder = name.endsWith(".yaml") ? "experiments" : "plugins";
    files[`${folder}/${name}`] = body.replaceAll("/path/to/iddr/", PROJECT);
  }
  return files;
}

/** The arguments of the document's command line after `cli/main.ts`. */
async function argumentsOfDocument(): Promise<string[]> {
  const text = await Deno.readTextFile(`${PROJECT}docs/plugins.md`);
  const command = /cli\/main\.ts (experiments[^`]*)/.exec(text)?.[1] ?? "";
  return command.replaceAll("\\\n", " ").trim().split(/\s+/);
}

Deno.test("the plugins of the document run from a scenario in another folder, as it says", async () => {
  await withFiles(await filesOfDocument(), async (folder) => {
    const { code, stdout, stderr } = await runCli([...await argumentsOfDocument(), "--json"], folder);
    assert.equal(code, 0, stderr);
    const { cells } = JSON.parse(stdout);
    assert.deepEqual(cells.map(({ labels }: { labels: unknown }) => labels), [
      {
        policy: "busy-then-nap",
        device: "request-sizes > xor-disk(size=1MiB, key=7)",
        workload: "hotspot",
        placement: "isolated",
      },
      { policy: "busy-then-nap", device: "file-promises(size=1MiB)", workload: "hotspot", placement: "isolated" },
    ]);
    for (const { samples } of cells) assert(samples[0].operations > 0);
    const { counters, operations } = cells[0].samples[0]; // Of blocks of 4 KiB, counted from start to end.
    assert.equal(counters.longRequests, 0);
    assert(counters.shortRequests >= operations);
  });
});

Deno.test("the document's tests pass in a project of their own, which knows iddr by its import map alone", async () => {
  const lock = await Deno.readTextFile(`${PROJECT}deno.lock`); // So that nothing is asked of the network.
  await withFiles({ ...await filesOfDocument(), "plugins/deno.lock": lock }, async (folder) => {
    const { code, stdout, stderr } = await runDeno(["test", "--allow-all"], { cwd: `${folder}/plugins` });
    assert.equal(code, 0, stdout + stderr);
    const passed = Number(/(\d+) passed/.exec(stdout)?.[1]);
    for (const name of ["busy-then-nap", "hotspot", "xor-disk", "file-promises", "request-sizes"]) {
      assert.match(stdout, new RegExp(name));
    }
    assert(passed >= 39, `only ${passed} tests ran`);
  });
});
