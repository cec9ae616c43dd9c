import assert from "node:assert/strict";
import { PluginError } from "../../../core/errors.ts";
import { cLibraryNeed } from "../../../core/libc.ts";
import { strictAvailability } from "../../../core/sandbox/availability.ts";
import { confinementOf, DEFAULT_LIMITS } from "../../../core/sandbox/confinement.ts";
import { shortfalls } from "../../../core/sandbox/landlock.ts";
import { runDeno, withFiles } from "../../helpers/run_deno.ts";

const NOTHING = { unix: false, tcpPorts: [], udp: false };

Deno.test("who declares nothing reads its modules and no more", () => {
  assert.deepEqual(confinementOf({}, ["/iddr/core"], null), {
    ...{ read: ["/iddr/core"], write: [], sockets: NOTHING, ioUring: false, capabilities: [], limits: DEFAULT_LIMITS },
  });
});

Deno.test("what is declared can be reached: paths, libraries, the run's folder, facts of the system, io_uring", () => {
  const found = confinementOf(
    {
      ...{ read: ["/a"], write: ["/b"], ffi: ["/lib/x.so"], sys: ["cpus", "uid"] },
      system: { ioUring: true, capabilities: ["CAP_SYS_RAWIO"] },
    },
    ["/m"],
    "/scratch",
  );
  const cpus = ["/proc/cpuinfo", "/proc/stat", "/sys/devices/system/cpu"];
  assert.deepEqual(found.read, ["/m", "/scratch", "/a", "/lib/x.so", ...cpus]);
  assert.deepEqual(found.write, ["/scratch", "/b"]);
  assert.equal(found.ioUring, true);
  assert.deepEqual(found.capabilities, ["CAP_SYS_RAWIO"]);
});

for (
  const [net, sockets] of [
    [["127.0.0.1:10809"], { tcpPorts: [10809] }],
    [["[::1]:10809", "localhost:80", "10.0.0.1:80"], { tcpPorts: [10809, 80] }],
    [["127.0.0.1"], { tcpPorts: "any" }],
    [["127.0.0.1:80", "[::1]"], { tcpPorts: "any" }],
    [["*:80"], { tcpPorts: [80] }],
    [["disks.example:10809"], { tcpPorts: [10809], udp: true }],
    [["unix:/run/x:1.sock"], { unix: true }],
    [["unix:/run/x.sock", "127.0.0.1:1"], { unix: true, tcpPorts: [1] }],
  ] as const
) {
  Deno.test(`the sockets of who declares the hosts ${net.join(" and ")}`, () => {
    const found = confinementOf({ net }, [], null);
    assert.deepEqual(found.sockets, { ...NOTHING, ...sockets });
    assert.equal(found.read.includes("/etc/resolv.conf"), found.sockets.udp);
  });
}

Deno.test("who starts programs cannot be confined, and is told what to do", () => {
  assert.throws(() => confinementOf({ run: ["blkid"] }, [], null), (error) => {
    return error instanceof PluginError && /names? under run blkid: take `sandbox: permissions`/.test(error.message);
  });
});

Deno.test("of an older Landlock it is told what it does not keep from a process", () => {
  assert.deepEqual(shortfalls(7), []);
  assert.deepEqual(shortfalls(6), []);
  assert.equal(shortfalls(5).length, 1);
  assert.match(shortfalls(3).join(), /TCP ports/);
  assert.match(shortfalls(2).join(), /cut short/);
  assert.equal(shortfalls(1).length, 4);
});

Deno.test("where the C library may not be called, it says that a strict sandbox takes it", async () => {
  const module = new URL("../../../core/sandbox/availability.ts", import.meta.url).href;
  const program = `import { strictAvailability } from "${module}"; console.log(JSON.stringify(strictAvailability()));`;
  await withFiles({ "ask.ts": program }, async (folder) => {
    const ask = async (...flags: string[]): Promise<unknown> => {
      const outcome = await runDeno(["run", "--no-prompt", "--no-lock", ...flags, "ask.ts"], { cwd: folder });
      return JSON.parse(outcome.stdout);
    };
    const need = `--allow-ffi=${cLibraryNeed()}`;
    assert.deepEqual(await ask(), {
      ...{ missing: [`To confine a process takes the C library: allow ${need}`], notes: [] },
    });
    assert.deepEqual(await ask(need), strictAvailability());
  });
});
