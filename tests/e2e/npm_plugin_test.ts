/** Plugins from npm: a registry on the loopback, a cache of packages and a home of their own. */

import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { type NpmPackage, type NpmRegistry, serveRegistry } from "../helpers/npm_registry.ts";
import { CLI, type Outcome, PROJECT, runDeno, withFiles } from "../helpers/run_deno.ts";

/** A policy in plain JavaScript, as a package that needs zod and another package. */
function policyPackage(version: string, spinNs: number): NpmPackage {
  return {
    name: "@acme/iddr-policy",
    version,
    json: { exports: "./index.js", dependencies: { zod: "^4.0.0", "@acme/spins": "1" } },
    files: {
      "index.js": `import { z } from "zod";
import { spinNs } from "@acme/spins";
export default {
  apiVersion: "iddr/v1",
  kind: "policy",
  name: "acme-spin",
  description: "Spins as long as another package says.",
  options: z.strictObject({ factor: z.number().positive().default(${spinNs}) }),
  create: ({ factor }) => ({ plan(plan) { plan.spinNs = spinNs * factor; } }),
};
`,
    },
  };
}

const PACKAGES: readonly NpmPackage[] = [
  policyPackage("1.2.3", 2),
  policyPackage("2.0.0", 3),
  {
    name: "@acme/spins",
    version: "1.0.1",
    json: { exports: "./s.js" },
    files: { "s.js": "export const spinNs = 1e4;" },
  },
];

const SCENARIO = `apiVersion: iddr/v1
kind: Scenario
name: test
device: { use: ramdisk, with: { size: 1MiB } }
policy: { use: "npm:@acme/iddr-policy@^1" }
workload: { use: sysbench-fileio, with: { blockSize: 4KiB } }
run: { warmup: 10ms, duration: 20ms, repetitions: 2 }
`;

/** Where Deno keeps the packages that this project uses. */
async function packageCache(): Promise<string> {
  const { stdout } = await runDeno(["info", "--json"], { cwd: PROJECT });
  return JSON.parse(stdout).npmCache;
}

interface World {
  readonly folder: string;
  readonly registry: NpmRegistry;
  /** Runs the command line with what the flags of Deno add. */
  run(flags: readonly string[], args: readonly string[]): Promise<Outcome>;
}

/** A folder with the scenario, a registry, and a cache that knows this project's packages and no others. */
async function withWorld(body: (world: World) => Promise<void>): Promise<void> {
  const registry = await serveRegistry(PACKAGES);
  const lock = await Deno.readTextFile(`${PROJECT}deno.lock`);
  const files = {
    "s.yaml": SCENARIO,
    "own.lock": lock,
    "home/.npmrc": `@acme:registry=${registry.url}\n`,
  };
  try {
    await withFiles(files, async (folder) => {
      cpSync(`${await packageCache()}/registry.npmjs.org`, `${folder}/cache/npm/registry.npmjs.org`, {
        recursive: true,
      });
      const env = { HOME: `${folder}/home`, DENO_DIR: `${folder}/cache` };
      const allow = ["--allow-read", "--allow-run", "--allow-env=LOG_TOKENS,LOG_STREAM", "--allow-write=results"];
      const run: World["run"] = (flags, args) => {
        return runDeno(["run", "--quiet", "--no-prompt", ...allow, ...flags, CLI, ...args], { cwd: folder, env });
      };
      await body({ folder, registry, run });
      assert.equal(await Deno.readTextFile(`${PROJECT}deno.lock`), lock, "the project's lock file is as it was");
    });
  } finally {
    await registry.close();
  }
}

const ALLOW = "--allow-plugin=npm:@acme/iddr-policy@^1";
/** A lock file that may take in what the person's plugins need. */
const OWN_LOCK = ["--lock=own.lock", "--frozen=false"];

Deno.test("a policy from npm runs, with its range resolved, and what it needs in the cache of Deno", async () => {
  await withWorld(async ({ folder, registry, run }) => {
    const { code, stdout, stderr } = await run(OWN_LOCK, ["s.yaml", "--json", ALLOW]);
    assert.equal(code, 0, stderr);
    const [cell] = JSON.parse(stdout).cells;
    assert.equal(cell.labels.policy, "acme-spin");
    assert.equal(cell.samples.length, 2);
    assert.equal(registry.requests.filter((path) => path.endsWith(".tgz")).length, 2, registry.requests.join());
    assert(registry.requests.includes("/@acme/iddr-policy/-/1.2.3.tgz"));
    const own = await Deno.readTextFile(`${folder}/own.lock`);
    assert(own.includes("@acme/iddr-policy@1.2.3") && own.includes("@acme/spins@1.0.1"));
  });
});

Deno.test("once it is in the cache, a package runs without the registry", async () => {
  await withWorld(async ({ registry, run }) => {
    assert.equal((await run(OWN_LOCK, ["check", "s.yaml", ALLOW])).code, 0);
    await registry.close();
    const { code, stderr } = await run(OWN_LOCK, ["s.yaml", ALLOW]);
    assert.equal(code, 0, stderr);
  });
});

Deno.test("a package that was not allowed is neither asked for nor loaded", async () => {
  await withWorld(async ({ registry, run }) => {
    for (const allow of [[], ["--allow-plugin=npm:@acme/iddr-policy@^2"], ["--allow-plugin=@acme/iddr-policy"]]) {
      const { code, stderr } = await run(OWN_LOCK, ["check", "s.yaml", ...allow]);
      assert.equal(code, 2);
      assert(stderr.startsWith('s.yaml:5:16: policy.use: "npm:@acme/iddr-policy@^1" is somebody\'s code'), stderr);
      assert(stderr.includes(`add ${ALLOW}\n`), stderr);
    }
    assert.deepEqual(registry.requests, []);
  });
});

Deno.test("with the project's own lock file, which is frozen, a package is refused with what to do", async () => {
  await withWorld(async ({ run }) => {
    const { code, stderr } = await run([], ["check", "s.yaml", ALLOW]);
    assert.equal(code, 2);
    assert.match(stderr, /^s\.yaml:5:16: policy\.use: Cannot load the policy npm:@acme\/iddr-policy@\^1: .*--no-lock/);
    assert.equal(stderr.trim().split("\n").length, 2);
  });
});

Deno.test("a package that the registry does not have is a mistake in its place", async () => {
  await withWorld(async ({ folder, run }) => {
    await Deno.writeTextFile(`${folder}/s.yaml`, SCENARIO.replace("@acme/iddr-policy@^1", "@acme/nothing@1"));
    const { code, stderr } = await run(OWN_LOCK, ["check", "s.yaml", "--allow-plugin=npm:@acme/nothing@1"]);
    assert.equal(code, 2);
    assert.match(stderr, /^s\.yaml:5:16: policy\.use: Cannot load the policy npm:@acme\/nothing@1: .*\n.*1 mistake/);
  });
});

Deno.test("a file may import packages, which its machine then finds too", async () => {
  await withWorld(async ({ folder, run }) => {
    const file = `import acme from "${"npm:@acme/iddr-policy@2"}";\nexport default { ...acme, name: "wrapped" };\n`;
    await Deno.writeTextFile(`${folder}/wrapped.ts`, file);
    await Deno.writeTextFile(`${folder}/s.yaml`, SCENARIO.replace("npm:@acme/iddr-policy@^1", "./wrapped.ts"));
    const { code, stdout, stderr } = await run(OWN_LOCK, ["s.yaml", "--json", "--allow-plugin=wrapped.ts"]);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).cells[0].labels.policy, "wrapped");
  });
});

Deno.test("a plugin may bring a copy of zod of its own", async () => {
  await withWorld(async ({ folder, run }) => {
    const zod = `${await packageCache()}/registry.npmjs.org/zod`;
    const [{ name: version }] = [...Deno.readDirSync(zod)].filter(({ isDirectory }) => isDirectory);
    cpSync(`${zod}/${version}`, `${folder}/plugin/zod`, { recursive: true });
    const { files } = policyPackage("1.0.0", 2);
    const source = files["index.js"].replace('from "zod"', 'from "./zod/index.js"').replace(
      /import \{ spinNs.*/,
      "const spinNs = 1;",
    );
    await Deno.writeTextFile(`${folder}/plugin/policy.js`, source);
    const use = '"./plugin/policy.js", with: { factor: 4 }';
    await Deno.writeTextFile(`${folder}/s.yaml`, SCENARIO.replace('"npm:@acme/iddr-policy@^1"', use));
    const allow = "--allow-plugin=plugin/policy.js";
    const { code, stdout, stderr } = await run([], ["s.yaml", "--json", allow]);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).cells[0].labels.policy, "acme-spin(factor=4)");
    const wrong = await run([], ["check", "s.yaml", allow, "--set", "policy.with={ fctor: 1 }"]);
    assert.match(wrong.stderr, /policy\.with\.fctor.*: is not a known key; did you mean factor\? \(allowed: factor\)/);
  });
});
