import assert from "node:assert/strict";
import fs from "node:fs";
import { DEFAULT_LIMITS } from "../../../core/sandbox/confinement.ts";
import { Kernel } from "../../../core/sandbox/kernel.ts";
import { confinedCommand } from "../../../core/sandbox/launch.ts";
import { ARCHITECTURES } from "../../../core/sandbox/syscalls.ts";
import { confined, type Options, programArguments, runConfined, runFree } from "../../helpers/sandbox/confined.ts";
import { testUnless } from "../../helpers/test_unless.ts";
import { uringRefusal } from "../../helpers/uring.ts";

const DECLARER = "./declarer.ts";
const FAILED = /^failed: /;

/** What a confined program has to say of some actions. */
async function declared(actions: readonly string[], options?: Options): Promise<Record<string, unknown>> {
  const { stdout, ...end } = await runConfined(DECLARER, actions, options);
  assert.deepEqual(end, { code: 0, signal: null, stderr: "" });
  return JSON.parse(stdout);
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "iddr-sandbox-" }));
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("declared paths can be used, as they were declared; what lies beside them not", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/scratch`);
    for (const name of ["readable", "writable", "other"]) await Deno.writeTextFile(`${folder}/${name}`, name);
    const [readable, writable, other] = ["readable", "writable", "other"].map((name) => `${folder}/${name}`);
    const found = await declared(
      [`read=${readable}`, `write=${readable}`, `write=${writable}`, `read=${writable}`, `read=${other}`]
        .concat([`write=${other}`, `make=${folder}/scratch`, `make=${folder}`]),
      { needs: { read: [readable, `${folder}/missing`], write: [writable, `${folder}/scratch`] } },
    );
    assert.equal(found[`read=${readable}`], "readable");
    assert.equal(found[`write=${writable}`], "done");
    assert.equal(found[`make=${folder}/scratch`], "done");
    for (
      const action of [`write=${readable}`, `read=${writable}`, `read=${other}`, `write=${other}`, `make=${folder}`]
    ) {
      assert.match(String(found[action]), FAILED, action);
    }
    assert.equal(await Deno.readTextFile(`${folder}/scratch/moved`), "made");
    assert.equal(await Deno.readTextFile(writable), "written");
    assert.equal(await Deno.readTextFile(readable), "readable");
  });
});

Deno.test("declared sockets can be used: TCP of their ports alone, Unix sockets where any is declared", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/socket`;
    using unix = Deno.listen({ transport: "unix", path });
    using tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using another = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accept = async (listener: Deno.Listener): Promise<void> => {
      for await (const connection of listener) connection.close();
    };
    const accepting = [unix, tcp, another].map(accept);
    const [port, otherPort] = [tcp.addr.port, another.addr.port];
    const actions = [`connect=${port}`, `connect=${otherPort}`, `unix=${path}`];
    const outcomes = async (options: Options): Promise<string> => {
      const found = await declared(actions, options);
      return actions.map((action) => FAILED.test(String(found[action])) ? "no" : "yes").join(" ");
    };
    assert.equal(await outcomes({}), "no no no");
    assert.equal(await outcomes({ needs: { net: [`127.0.0.1:${port}`] } }), "yes no no");
    assert.equal(await outcomes({ needs: { net: ["127.0.0.1"] } }), "yes yes no");
    assert.equal(await outcomes({ needs: { net: [`unix:${path}`] } }), "no no yes");
    for (const listener of [unix, tcp, another]) listener.close();
    await Promise.all(accepting);
  });
});

testUnless(uringRefusal(), "an io_uring is made where it is declared", async () => {
  assert.match(String((await declared(["uring"])).uring), /EPERM/);
  assert.equal((await declared(["uring"], { needs: { system: { ioUring: true } } })).uring, "done");
});

Deno.test("threads, workers and signals to itself go on as they do unconfined", async () => {
  assert.deepEqual(await declared(["worker", "pool", "raise"]), { worker: "a worker's", pool: true, raise: "done" });
});

Deno.test("it does not fork", async () => {
  assert.deepEqual(await declared(["fork"]), { fork: { errno: 1 } });
});

Deno.test("it has no capability, no new privileges, a filter, and its limits", async () => {
  const limits = { openFiles: 77, fileBytes: 1 << 20, lockedBytes: 4096 };
  const { state } = await declared(["state"], { confinement: { limits } });
  assert.deepEqual(state, {
    ...{ noNewPrivileges: 1, seccomp: 2, capabilities: Array(6).fill(0), bound: Deno.uid() === 0 ? [] : boundOfThis() },
    limits: { core: [0, 0], openFiles: [77, 77], fileBytes: [1 << 20, 1 << 20], lockedBytes: [4096, 4096] },
  });
});

/** Capabilities that this process could at most have: who has none cannot lower that. */
function boundOfThis(): number[] {
  const kernel = Kernel.open()!;
  const bound = Array.from({ length: 41 }, (_, number) => number).filter((number) => {
    return kernel.call("learn a bound", "prctl", 23, number, 0, 0, 0) === 1;
  });
  kernel.close();
  return bound;
}

testUnless(
  Deno.uid() === 0 ? null : "it takes root",
  "root keeps the capabilities that are declared, and no other",
  async () => {
    const found = await declared(["state"], { needs: { system: { capabilities: ["CAP_SYS_RAWIO"] } } });
    const { capabilities, bound } = found.state as { capabilities: number[]; bound: number[] };
    assert.deepEqual(bound, [17]);
    assert.deepEqual(capabilities, [1 << 17, 1 << 17, 1 << 17, 0, 0, 0]);
  },
);

Deno.test("of the environment it has what it keeps, and the place of Deno's cache", async () => {
  const { env } = await declared(["env"], {
    keepEnv: ["IDDR_KEPT", "IDDR_MISSING"],
    env: { IDDR_KEPT: "a=b\nc", IDDR_OTHER: "secret" },
  });
  const { DENO_DIR, ...others } = env as Record<string, string>;
  assert.deepEqual(others, { IDDR_KEPT: "a=b\nc" });
  assert.equal(typeof DENO_DIR, "string");
});

Deno.test("it has the descriptors that it is given, and no other that could be inherited", async () => {
  await withFolder(async (folder) => {
    const kernel = Kernel.open()!;
    const opened = ["first", "second", "third"].map((name) => {
      fs.writeFileSync(`${folder}/${name}`, name);
      const descriptor = fs.openSync(`${folder}/${name}`, "r");
      kernel.call("make it inheritable", "fcntl", descriptor, 2, 0);
      return descriptor;
    });
    const [first, second, third] = opened;
    const found = await declared(["descriptors", `descriptor=${first}`, `descriptor=${third}`], {
      descriptors: [third, first],
    });
    assert.equal(found[`descriptor=${first}`], "first");
    assert.equal(found[`descriptor=${third}`], "third");
    const seen = Object.entries(found.descriptors as object).filter(([, path]) => path.startsWith(folder));
    assert.deepEqual(Object.fromEntries(seen), { [first]: `${folder}/first`, [third]: `${folder}/third` });
    kernel.call("make it private again", "fcntl", second, 2, 1);
    for (const descriptor of opened) fs.closeSync(descriptor);
    kernel.close();
  });
});

for (const call of ["execve", "execveat"]) {
  for (const path of [ARCHITECTURES[Deno.build.arch].interpreter, Deno.execPath()]) {
    Deno.test(`${call}: after the launcher's own no program is executed, not ${path} either, which may be`, async () => {
      const free = await runFree("./executor.ts", [call, path]);
      assert.match(free.stdout, /^before\n(?!still)/);
      const bound = await runConfined("./executor.ts", [call, path]);
      assert.equal(bound.stdout, "before\nstill the same program\n", bound.stderr);
    });
  }
}

Deno.test("what cannot be confined does not run, and says why", async () => {
  const cases: readonly (readonly [Options, RegExp])[] = [
    [{ needs: { write: ["/nonexistent/disk.img"] } }, /Cannot confine a process to \/nonexistent\/disk\.img: .*ENOENT/],
    [{ needs: { system: { capabilities: ["CAP_EVERYTHING"] } } }, /no capability CAP_EVERYTHING; there are CAP_CHOWN/],
    [{ descriptors: [3000] }, /Cannot pass on the descriptor 3000: it is not open/],
    [{ confinement: { limits: { ...DEFAULT_LIMITS, openFiles: -1 } } }, /limit/],
  ];
  for (const [options, why] of cases) {
    const { code, stdout, stderr } = await runConfined(DECLARER, ["env"], options);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, why);
  }
});

Deno.test("an order of another process than the parent is not obeyed", async () => {
  const { program, args } = confinedCommand(confined(DECLARER, ["env"]));
  const order = { ...JSON.parse(args.at(-1)!), parent: Deno.pid + 1 };
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args.slice(0, -1), JSON.stringify(order)],
    stdin: "null",
  }).output();
  assert.equal(code, 1);
  assert.equal(stdout.length, 0);
  assert.match(new TextDecoder().decode(stderr), /that started this one is gone/);
});

Deno.test("it is killed with its parent", async () => {
  const parent = new Deno.Command(Deno.execPath(), {
    args: programArguments("./sleeper.ts", ["./sleeper.ts"]),
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const lines = parent.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("\n")) said += (await lines.read()).value;
  const pid = Number(said);
  assert.ok(isAlive(pid));
  parent.kill("SIGKILL");
  await parent.status;
  for (let tries = 0; isAlive(pid) && tries < 1000; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(!isAlive(pid));
  await lines.cancel();
});

/** Whether a process runs: one that nobody has asked for its status after its death does not. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}
