// fio offers an open loop of its own to an export: what reached the device is what fio counted.
import assert from "node:assert/strict";
import { join } from "node:path";
import { builtins, expandScenario, ScenarioDocument, serveScenario, servingOverrides } from "../../../mod.ts";
import { threadUsage } from "../../../core/measure/thread.ts";
import { testUnless } from "../../helpers/test_unless.ts";
import { withDirectory } from "../command.ts";
import { clientRefusal, describe, SETUPS, succeed } from "./served.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

const OPERATIONS = 512;
const BLOCK_BYTES = 4096;

const refusal = clientRefusal("fio") ?? await withoutNbd();

/** fio may be built without libnbd. */
async function withoutNbd(): Promise<string | null> {
  return /\bnbd\b/.test(await succeed("fio", "--enghelp")) ? null : "fio has no engine nbd here";
}

const plugins = {
  ...builtins,
  device: { "tally-disk": import.meta.resolve("../../helpers/plugins/tally_disk.ts") },
};

for (const setup of SETUPS) {
  testUnless(
    refusal,
    `operations and bytes are fio's, to the last, of requests that come at random: ${describe(setup)}`,
    async () => {
      await withDirectory(async (directory) => {
        const socket = join(directory, "nbd.sock");
        const scenario = {
          ...{ apiVersion: "iddr/v1", kind: "Scenario", name: "test" },
          ...{ device: { use: "tally-disk" }, ...setup, recovery: { hangTimeout: "20s" } },
        };
        const overrides = servingOverrides("nbd-export", { listen: `unix:${socket}` });
        const document = ScenarioDocument.parse("test.yaml", JSON.stringify(scenario), overrides);
        const listening = Promise.withResolvers<string>();
        const finish = new AbortController();
        const serving = serveScenario(await expandScenario(document, plugins, { oneCell: true }), {
          finish: finish.signal,
          onNote: (text) => listening.resolve(/^listening on (\S+)$/.exec(text)?.[1] ?? text),
        });
        const load = async () => {
          try {
            const printed = await succeed(
              "fio",
              ...["--name=load", "--ioengine=nbd", `--uri=${await Promise.race([listening.promise, serving])}`],
              ...["--rw=randrw", "--rwmixread=70", "--iodepth=8", `--bs=${BLOCK_BYTES}`, "--size=1M", "--norandommap"],
              ...[`--io_size=${OPERATIONS * BLOCK_BYTES}`, "--rate_iops=1400,600", "--rate_process=poisson"],
              ...["--randseed=7", "--output-format=json"],
            );
            return JSON.parse(printed.slice(printed.indexOf("{"))).jobs[0];
          } finally {
            finish.abort();
          }
        };
        const [{ error, read, write }, sample] = await Promise.all([load(), serving]);
        const { diskReads, diskReadBytes, diskWrites, diskWrittenBytes, nbdRequests, nbdErrors } = sample.counters;
        assert.deepEqual([error, nbdErrors], [0, 0]);
        assert.equal(read.total_ios + write.total_ios, OPERATIONS);
        assert(read.total_ios > 0 && write.total_ios > 0);
        assert.deepEqual(
          { reads: diskReads, readBytes: diskReadBytes, writes: diskWrites, writtenBytes: diskWrittenBytes },
          {
            ...{ reads: read.total_ios, readBytes: read.io_bytes },
            ...{ writes: write.total_ios, writtenBytes: write.io_bytes },
          },
        );
        assert.equal(nbdRequests, OPERATIONS);
        // The window begins when the export does, and cannot have seen more; it ends after fio.
        assert(
          sample.operations <= OPERATIONS && sample.bytes === sample.operations * BLOCK_BYTES,
          `${sample.operations}`,
        );
      });
    },
  );
}
