/** Plugins that are not built in, as a person uses them through the command line. */

import assert from "node:assert/strict";
import { runCli, withFiles } from "../helpers/run_deno.ts";

/** A policy's module, with lines before it and other members. */
function policy(name: string, { before = "", members = "" } = {}): string {
  return `import { API_VERSION, definePlugin, duration, z } from "iddr";
${before}
export default definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: ${JSON.stringify(name)},
  description: "Spins for a while.",
  options: z.strictObject({ spin: duration().prefault("20us") }),
  ${members}
  create: ({ spin }) => ({ plan: (plan) => void (plan.spinNs = spin) }),
});
`;
}

function scenario(use: string, more = ""): string {
  return `apiVersion: iddr/v1
kind: Scenario
name: test
device: { use: ramdisk, with: { size: 1MiB } }
policy: { use: "${use}" }
workload: { use: sysbench-fileio, with: { blockSize: 4KiB } }
run: { warmup: 10ms, duration: 20ms, repetitions: 1 }
${more}`;
}

Deno.test("a plugin that was not allowed is not imported, by check neither; the mistake says where and which flag", async () => {
  const loud = policy("mine", { before: 'console.log("it was imported");' });
  await withFiles({ "a/s.yaml": scenario("./mine.ts"), "a/mine.ts": loud }, async (folder) => {
    for (const args of [["a/s.yaml"], ["check", "a/s.yaml"], ["check", "a/s.yaml", "--allow-plugin=./other.ts"]]) {
      const { code, stdout, stderr } = await runCli(args, folder);
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.equal(
        stderr,
        'a/s.yaml:5:16: policy.use: "./mine.ts" is somebody\'s code, which runs only when you allow it. If you trust it, ' +
          "add --allow-plugin=./mine.ts\niddr: 1 mistake; nothing was run\n",
      );
    }
  });
});

Deno.test("a plugin is allowed by the scenario's words, by a path to the file, or by a file URL", async () => {
  await withFiles({ "a/s.yaml": scenario("../b/mine.ts"), "b/mine.ts": policy("mine") }, async (folder) => {
    await Deno.symlink(`${folder}/b`, `${folder}/link`);
    for (
      const allow of [
        "../b/mine.ts",
        "b/mine.ts",
        "./b/mine.ts",
        `${folder}/b/mine.ts`,
        `file://${folder}/b/mine.ts`,
        "link/mine.ts",
      ]
    ) {
      const { code, stderr } = await runCli(["check", "a/s.yaml", "--allow-plugin", allow], folder);
      assert.equal(code, 0, `${allow}: ${stderr}`);
    }
    for (const allow of ["mine.ts", "b", "a/../b/mine", "npm:mine"]) {
      assert.equal((await runCli(["check", "a/s.yaml", "--allow-plugin", allow], folder)).code, 2, allow);
    }
  });
});

Deno.test("a result names a plugin as the scenario did, so that what it holds can be run again", async () => {
  await withFiles({ "a/s.yaml": scenario("../b/mine.ts"), "b/mine.ts": policy("mine") }, async (folder) => {
    const { code, stdout, stderr } = await runCli(
      ["a/s.yaml", "--allow-plugin=b/mine.ts", "--quick", "--json", "--no-progress"],
      folder,
    );
    assert.equal(code, 0, stderr);
    const { scenario, cells } = JSON.parse(stdout);
    assert.equal(scenario.policy.backend.use, "../b/mine.ts");
    assert.equal(cells[0].labels.policy, "mine");
  });
});

Deno.test("a scenario may name its plugins by an absolute path or a file URL", async () => {
  await withFiles({ "mine.ts": policy("mine") }, async (folder) => {
    for (const use of [`${folder}/mine.ts`, `file://${folder}/mine.ts`]) {
      await Deno.writeTextFile(`${folder}/s.yaml`, scenario(use));
      const { code, stderr } = await runCli(["check", "s.yaml", "--allow-plugin=mine.ts"], folder);
      assert.equal(code, 0, stderr);
    }
  });
});

Deno.test("labels have the plugin's own name; two modules that look the same have different ids", async () => {
  const files = {
    "s.yaml": scenario(
      "./one.ts",
      "matrix: { policy: [{ use: ./one.ts }, { use: ./two.ts, with: { spin: 5us } }, { use: ./two.ts }] }",
    ),
    "one.ts": policy("mine"),
    "two.ts": policy("mine"),
  };
  await withFiles(files, async (folder) => {
    const { code, stdout, stderr } = await runCli(
      ["s.yaml", "--json", "--allow-plugin=./one.ts", "--allow-plugin=./two.ts"],
      folder,
    );
    assert.equal(code, 0, stderr);
    const { cells } = JSON.parse(stdout) as { cells: { id: string; labels: { policy: string } }[] };
    assert.deepEqual(cells.map(({ labels }) => labels.policy), ["mine", "mine(spin=5us)", "mine"]);
    assert.equal(new Set(cells.map(({ id }) => id)).size, 3);
  });
});

/** What a module must not be, and what is said of it. */
const WRONG: Readonly<Record<string, readonly [module: string | null, said: RegExp]>> = {
  "is not there": [null, /leads to \/.*\/m\.ts, where no file is$/],
  "has no default export": ["export const x = 1;", /m\.ts is no policy for iddr\/v1: it has no default export$/],
  "throws": ['throw new Error("out of order");', /Cannot load the policy file:\/\/.*m\.ts: out of order$/],
  "is no TypeScript": ["export default {", /Cannot load the policy .*m\.ts: .*Unexpected token/],
  "imports what is not there": ['import "./gone.ts";', /Cannot load the policy .*Module not found .*gone\.ts/],
  "is another kind": [
    'export default { apiVersion: "iddr/v1", kind: "device" };',
    /kind is "device", allowed is "policy"; name is missing, allowed is lower-case letters, digits and hyphens; description is missing/,
  ],
  "is for another version": [
    policy("mine").replace("API_VERSION,\n  kind", '"iddr/v7" as typeof API_VERSION,\n  kind'),
    /is no policy for iddr\/v1: apiVersion is "iddr\/v7", allowed is "iddr\/v1"$/,
  ],
  "has options without a schema": [
    policy("mine").replace(/options: .*/, "options: {} as never,"),
    /is no policy for iddr\/v1: options is an object, allowed is a schema of zod 4$/,
  ],
};

Deno.test("a module that cannot be a plugin is a mistake in its place", async () => {
  for (const [what, [module, said]] of Object.entries(WRONG)) {
    const files = { "s.yaml": scenario("./m.ts"), ...(module === null ? {} : { "m.ts": module }) };
    await withFiles(files, async (folder) => {
      const { code, stdout, stderr } = await runCli(["s.yaml", "--allow-plugin=./m.ts"], folder);
      const [line, end] = stderr.trim().split("\n");
      assert.deepEqual([code, stdout, end], [2, "", "iddr: 1 mistake; nothing was run"], `${what}: ${stderr}`);
      assert(line.startsWith("s.yaml:5:16: policy.use: "), line);
      assert.match(line, said, what);
    });
  }
});

Deno.test("a folder in place of a module is a mistake in its place", async () => {
  await withFiles({ "s.yaml": scenario("./m"), "m/mod.ts": policy("mine") }, async (folder) => {
    const { code, stderr } = await runCli(["s.yaml", "--allow-plugin=./m"], folder);
    assert.equal(code, 2);
    assert.equal(stderr.split("\n")[0], `s.yaml:5:16: policy.use: "./m" is a folder, ${folder}/m: name a module in it`);
  });
});

Deno.test("a plugin may import what lies in its folder, and nothing else; the cell's error says so", async () => {
  const helper = "export const spinNs = 10_000;";
  const files = {
    "s.yaml": scenario(
      "./plugins/inside.ts",
      "matrix: { policy: [{ use: ./plugins/inside.ts }, { use: ./plugins/outside.ts }] }",
    ),
    "plugins/inside.ts": policy("inside", { before: 'import "./lib/helper.ts";' }),
    "plugins/outside.ts": policy("outside", { before: 'import "../helper.ts";' }),
    "plugins/lib/helper.ts": helper,
    "helper.ts": helper,
  };
  await withFiles(files, async (folder) => {
    const allow = ["--allow-plugin=plugins/inside.ts", "--allow-plugin=plugins/outside.ts"];
    const { code, stdout, stderr } = await runCli(["s.yaml", "--json", ...allow], folder);
    assert.equal(code, 1, stderr);
    const [inside, outside] = JSON.parse(stdout).cells;
    assert.equal(inside.status, "ok", inside.error);
    assert.equal(outside.status, "failed");
    assert(
      outside.error.includes(
        `outside.ts: it needs ${folder}/helper.ts, which may not be read. A domain reads the plugin's own folder, ` +
          `${folder}/plugins/, and what the plugin's permissions name`,
      ),
      outside.error,
    );
  });
});

Deno.test("what a plugin's permissions name reaches its domain, also modules outside of its folder", async () => {
  const before = 'import "../helper.ts";';
  const members =
    'permissions: () => ({ read: [new URL("../helper.ts", import.meta.url).pathname], env: ["IDDR_SPIN"] }),';
  const reads = policy("reads", { before, members }).replace(
    "plan.spinNs = spin",
    'plan.spinNs = Deno.env.get("IDDR_SPIN") ? 1 : spin',
  );
  const files = { "s.yaml": scenario("./plugins/reads.ts"), "plugins/reads.ts": reads, "helper.ts": "export {};" };
  await withFiles(files, async (folder) => {
    const args = ["s.yaml", "--json", "--allow-plugin=plugins/reads.ts"];
    const { code, stdout, stderr } = await runCli(args, folder, ["--allow-env=IDDR_SPIN"]);
    assert.equal(code, 0, stdout + stderr);
  });
});

Deno.test("what a plugin needs and the person did not grant is named in one line, with who needs it", async () => {
  const needs =
    '{ net: ["localhost:1", "localhost:2"], env: ["IDDR_A"], run: ["ls"], ffi: ["/lib/x.so"], sys: ["hostname"], write: ["/w"] }';
  const members = `permissions: () => (${needs}),`;
  await withFiles({ "s.yaml": scenario("./m.ts"), "m.ts": policy("needy", { members }) }, async (folder) => {
    const narrow = ["--deny-run=ls", "--deny-ffi=/lib/x.so", "--deny-sys=hostname"];
    const { code, stderr } = await runCli(["s.yaml", "--allow-plugin=m.ts"], folder, narrow);
    assert.equal(code, 2);
    assert.equal(stderr.trim().split("\n").length, 1);
    for (
      const flag of ["net=localhost:1,localhost:2", "env=IDDR_A", "run=ls", "ffi=/lib/x.so", "sys=hostname", "write=/w"]
    ) {
      assert(stderr.includes(` --allow-${flag} `), `${flag} in ${stderr}`);
    }
    assert(stderr.includes("let the policy needy reach localhost:2"), stderr);
    assert.equal((await runCli(["check", "s.yaml", "--allow-plugin=m.ts"], folder)).code, 0, "check needs none of it");
  });
});

Deno.test("permissions, needs and options that cannot be are mistakes in their places", async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      policy("m", { members: 'permissions: () => ({ read: [""] }),' }),
      /:5:16: policy\.use: The permissions of m name under read \[""\]/,
    ],
    [
      policy("m", { members: 'permissions: () => ({ net: ["a b"] }),' }),
      /under net "a b", which Deno refuses: invalid host/,
    ],
    [
      policy("m").replace('duration().prefault("20us")', "z.number().default(1).transform(() => () => 1)").replace(
        "= spin",
        "= spin()",
      ),
      /policy(\.with)?: make options that are no plain data/,
    ],
    [
      policy("m").replace('duration().prefault("20us")', "z.number().default(1).transform((x) => x)"),
      /policy\.use: The options of m cannot be written back: use z\.codec/,
    ],
  ];
  for (const [module, said] of cases) {
    await withFiles({ "s.yaml": scenario("./m.ts"), "m.ts": module }, async (folder) => {
      const { code, stderr } = await runCli(["s.yaml", "--allow-plugin=m.ts"], folder);
      assert.equal(code, 2, stderr);
      assert.match(stderr, said);
    });
  }
});

Deno.test("a name that is no plugin's and looks like a file is told how files are named", async () => {
  await withFiles({ "s.yaml": scenario("mine.ts") }, async (folder) => {
    const { code, stderr } = await runCli(["check", "s.yaml"], folder);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /"mine\.ts" is not a known policy.*; a file is named \.\/file\.ts, a package npm:package@range/,
    );
  });
});

Deno.test("a plugin that fails after its import, outside of any call, ends the command in one line", async () => {
  const late = policy("late", { before: 'setTimeout(() => { throw new Error("too late"); });' });
  const slow = policy("slow", { before: "await new Promise((resolve) => setTimeout(resolve, 50));" });
  const files = { "s.yaml": scenario("./late.ts", "matrix: { policy: [{ use: ./late.ts }, { use: ./slow.ts }] }\n") };
  await withFiles({ ...files, "late.ts": late, "slow.ts": slow }, async (folder) => {
    const { code, stderr } = await runCli(
      ["check", "s.yaml", "--allow-plugin=./late.ts", "--allow-plugin=./slow.ts"],
      folder,
    );
    assert.equal(code, 1);
    assert.match(stderr, /^iddr: ended by an error that nothing caught: too late .*late\.ts:2:[^\n]*\n$/);
  });
});

Deno.test("what a device throws when it opens its medium names the device, and is told whatever it is", async () => {
  const device = `import { API_VERSION, definePlugin, z } from "iddr";
export default definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "shy",
  description: "Cannot be opened.",
  options: z.strictObject({}),
  openMedium() {
    throw { code: 7 };
  },
  create() {
    throw new Error("nobody gets here");
  },
});
`;
  const text = scenario("interrupt").replace("{ use: ramdisk, with: { size: 1MiB } }", "{ use: ./shy.ts }");
  await withFiles({ "s.yaml": text, "shy.ts": device }, async (folder) => {
    const { code, stdout } = await runCli(["s.yaml", "--allow-plugin=./shy.ts"], folder);
    assert.equal(code, 1);
    assert.match(stdout, /^failed: .*: The medium of shy cannot be opened: \{"code":7\}$/m);
  });
});
