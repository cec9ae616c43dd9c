// What a domain says that it used is what the kernel says of its thread, looked at from outside.
import assert from "node:assert/strict";
import { join } from "node:path";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { runMachineProcess } from "../../core/runner/machine_process.ts";
import { permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import { threadUsage } from "../../core/measure/thread.ts";
import { builtins } from "../../plugins/mod.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { threadId } from "../helpers/plugins/thread_id.ts";

const plugins = {
  ...builtins,
  device: { "tally-disk": import.meta.resolve("../helpers/plugins/tally_disk.ts") },
  workload: { "watched-reader": import.meta.resolve("../helpers/plugins/watched_reader.ts") },
};

/**
 * A thread that runs was last accounted for at the kernel's last tick, of which there are 100 a second or more. Both sides
 * read the same account, so that a reading from outside never is ahead; but the window's own may be up to date.
 */
const TICK_NS = 10e6;
/** `getrusage` rounds user and system time down to microseconds, at both ends of the window. */
const ROUNDING_NS = 4e3;

interface Usage {
  readonly cpuNs: number;
  readonly voluntary: number;
  readonly involuntary: number;
}

/** What the kernel says of a thread: `schedstat` and `status` of proc(5). */
function usageOf(process: number, thread: number): Usage {
  const read = (file: string): string => Deno.readTextFileSync(`/proc/${process}/task/${thread}/${file}`);
  const status = read("status");
  const switches = (name: string): number =>
    Number(new RegExp(`^${name}_ctxt_switches:\\s+(\\d+)$`, "m").exec(status)?.[1]);
  return {
    cpuNs: Number(read("schedstat").split(" ")[0]),
    voluntary: switches("voluntary"),
    involuntary: switches("nonvoluntary"),
  };
}

function difference(from: Usage, to: Usage): Usage {
  return {
    cpuNs: to.cpuNs - from.cpuNs,
    voluntary: to.voluntary - from.voluntary,
    involuntary: to.involuntary - from.involuntary,
  };
}

/** Why the kernel cannot be asked, or null. */
function kernelRefusal(): string | null {
  if (threadUsage().voluntarySwitches === null) return "without FFI a thread does not know what it used";
  try {
    const { cpuNs, voluntary, involuntary } = usageOf(Deno.pid, threadId());
    return cpuNs > 0 && voluntary >= 0 && involuntary >= 0 ? null : "the kernel does not account for threads";
  } catch (thrown) {
    return `the kernel tells nothing of threads: ${thrown}`;
  }
}

/** Texts that somebody waits for. */
class Heard {
  readonly #texts: string[] = [];
  #changed = Promise.withResolvers<void>();

  readonly hear = (text: string): void => {
    this.#texts.push(text);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  };

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const { promise } = this.#changed;
      for (const text of this.#texts) {
        const found = pattern.exec(text);
        if (found !== null) return found;
      }
      await promise;
    }
  }
}

const SIDES = ["application", "driver"] as const;

for (const kind of ["worker", "process"]) {
  testUnless(
    kernelRefusal(),
    `CPU time and context switches of a domain are the kernel's: domains of kind ${kind}`,
    async () => {
      const folder = await Deno.makeTempDir();
      try {
        const scenario = {
          ...{ apiVersion: "iddr/v1", kind: "Scenario", name: "test" },
          domains: { application: { kind }, driver: { kind } },
          device: { use: "tally-disk", with: { tellThread: true } },
          policy: { use: "interrupt" },
          workload: { use: "watched-reader", with: { folder } },
          recovery: { hangTimeout: "30s", onFailure: "fail" },
        };
        const { cells: [cell] } = await expandScenario(
          ScenarioDocument.parse("test.yaml", JSON.stringify(scenario), []),
          plugins,
        );
        const heard = new Heard();
        const failed = new AbortController();
        const running = runMachineProcess(
          { plan: planMachine(cell), window: null, affinity: "none" },
          { needs: permissionNeeds(cell), conductNs: 60e9, onNote: heard.hear, signal: failed.signal },
        );
        const say = (name: string): void => Deno.writeTextFileSync(join(folder, name), "");
        const watch = async (): Promise<Record<string, Usage>[]> => {
          const threads = await Promise.all(SIDES.map(async (side) => {
            const [, process, thread] = await heard.until(new RegExp(`^${side} (\\d+) (\\d+)$`));
            return [side, Number(process), Number(thread)] as const;
          }));
          const look = (): Record<string, Usage> => {
            return Object.fromEntries(threads.map(([side, process, thread]) => [side, usageOf(process, thread)]));
          };
          const before = look();
          say("measure");
          await heard.until(/^measuring$/);
          const within = look();
          await new Promise((resolve) => setTimeout(resolve, 300));
          const later = look();
          say("finish");
          await heard.until(/^finished$/);
          const after = look();
          say("end");
          return [before, within, later, after];
        };
        const [[before, within, later, after], { domains }] = await Promise.all([
          Promise.race([watch(), running.then((): never => assert.fail("it ended before it was looked at"))]),
          running,
        ]).catch((thrown) => {
          failed.abort();
          throw thrown;
        });
        for (const side of SIDES) {
          const { cpuNs, contextSwitches } = domains[side].sample;
          const inside = difference(within[side], later[side]);
          const outside = difference(before[side], after[side]);
          const found = `${side}: ${JSON.stringify({ inside, cpuNs, contextSwitches, outside })}`;
          assert(cpuNs !== null && contextSwitches !== null, found);
          assert(inside.cpuNs - TICK_NS - ROUNDING_NS <= cpuNs && cpuNs <= outside.cpuNs + ROUNDING_NS, found);
          for (const which of ["voluntary", "involuntary"] as const) {
            assert(inside[which] <= contextSwitches[which] && contextSwitches[which] <= outside[which], found);
          }
          assert(cpuNs > 0 && contextSwitches.voluntary > 0, found);
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}
