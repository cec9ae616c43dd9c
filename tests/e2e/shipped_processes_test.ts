// Every shipped scenario that needs nothing special, with both of its domains in processes.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { threadUsage } from "../../core/measure/thread.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { runScenario } from "../../core/runner/run.ts";
import { builtins } from "../../plugins/mod.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

const FOLDER = fileURLToPath(import.meta.resolve("../../scenarios"));
/** A look at each. */
const BRIEF = [["run.repetitions", "1"], ["run.precision", "null"], ["run.warmup", "5ms"], [
  "run.duration",
  "20ms",
]] as const;
const KINDS = [["domains.application.kind", "process"], ["domains.driver.kind", "process"]] as const;
/** Folders whose scenarios take a disk, a server, root and a mounted device, or many restarts: other tests run those. */
const SPECIAL = ["sata", "nbd", "thesis", "faults"];

/** What is made a process. Some say so themselves, and an application with a response thread is none. */
function kindsFor(file: string): readonly (readonly [string, string])[] {
  if (file.includes("/processes/")) return [];
  return file.endsWith("/lab/completion.yaml") ? [["domains.driver.kind", "process"]] : KINDS;
}

function scenariosIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return SPECIAL.includes(name) ? [] : scenariosIn(`${folder}/${name}`);
    return name.endsWith(".yaml") ? [`${folder}/${name}`] : [];
  });
}

for (const file of scenariosIn(FOLDER).sort()) {
  Deno.test(`scenarios${file.slice(FOLDER.length)} works in processes`, async () => {
    const kinds = kindsFor(file);
    const overrides = [...BRIEF, ...kinds].map(([path, value]) => ({ path, value }));
    const expanded = await expandScenario(await ScenarioDocument.read(file, overrides), builtins);
    // The first cell and the last: what is between differs from them by less than they do.
    const cells = [...new Set([expanded.cells[0], expanded.cells[expanded.cells.length - 1]])];
    const scratchParent = await Deno.makeTempDir();
    try {
      const result = await runScenario({ ...expanded, cells, expectations: [] }, { scratchParent });
      for (const { status, error, samples } of result.cells) {
        assert.equal(status, "ok", error);
        assert.equal(samples[0].errors, 0);
      }
    } finally {
      await Deno.remove(scratchParent, { recursive: true });
    }
  });
}
