import assert from "node:assert/strict";
import { WorkloadError } from "../../../core/errors.ts";
import { FIGURES, readableCommand, readerFor, readFigures } from "../../../plugins/workloads/mounted/figures.ts";

/** What the programs printed, of the versions that Debian 12 has. */
function captured(name: string): string {
  return Deno.readTextFileSync(new URL(`./fixtures/${name}.txt`, import.meta.url));
}

const SYSBENCH_RNDRW = {
  events: 66352,
  readsPerSecond: 38181,
  writesPerSecond: 25454,
  fsyncsPerSecond: 2549,
  readBytesPerSecond: Math.round(596.59 * 2 ** 20),
  writtenBytesPerSecond: Math.round(397.72 * 2 ** 20),
  latencyMeanNs: 14734,
  latencyP95Ns: 10_000,
};

const FIO_RANDRW = {
  events: 1024,
  readsPerSecond: 11022,
  writesPerSecond: 11733,
  readBytesPerSecond: 45147022,
  writtenBytesPerSecond: 48059733,
  readLatencyMeanNs: 83268,
  readLatencyP50Ns: 66048,
  readLatencyP95Ns: 83456,
  readLatencyP99Ns: 201728,
  writeLatencyMeanNs: 4127,
  writeLatencyP50Ns: 3792,
  writeLatencyP95Ns: 6176,
  writeLatencyP99Ns: 10816,
};

const FIO_TWO_JOBS = {
  events: 1024,
  readsPerSecond: 22024,
  writesPerSecond: 0,
  readBytesPerSecond: 90210515,
  writtenBytesPerSecond: 0,
  readLatencyMeanNs: 89191,
};

Deno.test("sysbench 1.0: rates, throughput, and latencies as exact as they are printed", () => {
  assert.deepEqual(readFigures("sysbench", { stdout: captured("sysbench_rndrw"), stderr: "" }), SYSBENCH_RNDRW);
  assert.deepEqual(readFigures("sysbench", { stdout: captured("sysbench_rndrd"), stderr: "" }), {
    events: 462711,
    readsPerSecond: 462067,
    writesPerSecond: 0,
    fsyncsPerSecond: 0,
    readBytesPerSecond: Math.round(7219.80 * 2 ** 20),
    writtenBytesPerSecond: 0,
    latencyMeanNs: 1937,
    latencyP99Ns: 0,
  });
});

Deno.test("sysbench 1.1 prints another report, which is read as well", () => {
  // After the project's own test of its output, tests/t/test_fileio.t, with figures in place of its wildcards.
  const stdout = `
Throughput:
         read:  IOPS=2902.03 45.34 MiB/s (47.55 MB/s)
         write: IOPS=1935.02 30.23 MiB/s (31.70 MB/s)
         fsync: IOPS=774.41

Latency (ms):
         min:                                  0.05
         avg:                                  0.18
         max:                                 10.33
         95th percentile:                      0.28
         sum:                               1989.03
`;
  assert.deepEqual(readFigures("sysbench", { stdout, stderr: "" }), {
    readsPerSecond: 2902,
    writesPerSecond: 1935,
    fsyncsPerSecond: 774,
    readBytesPerSecond: Math.round(45.34 * 2 ** 20),
    writtenBytesPerSecond: Math.round(30.23 * 2 ** 20),
    latencyMeanNs: 180_000,
    latencyP95Ns: 280_000,
  });
});

Deno.test("fio: reads and writes by themselves, and no percentiles of several jobs together", () => {
  const message = "fio: a message before the document {\n";
  assert.deepEqual(readFigures("fio", { stdout: message + captured("fio_randrw"), stderr: "" }), FIO_RANDRW);
  assert.deepEqual(readFigures("fio", { stdout: captured("fio_two_jobs"), stderr: "" }), FIO_TWO_JOBS);
});

Deno.test("dd: bytes over seconds, of the last copy", () => {
  assert.deepEqual(readFigures("dd", { stdout: "", stderr: captured("dd") }), {
    copiedBytesPerSecond: Math.round(655360 / 0.000497151),
  });
  const stderr = `${captured("dd")}1+0 records in\n1+0 records out\n1 byte copied, 1.2e-05 s, 83 kB/s\n`;
  assert.deepEqual(readFigures("dd", { stdout: "", stderr }), { copiedBytesPerSecond: 83333 });
});

Deno.test("every figure that is read is one that the plugin says it counts", () => {
  const read = [
    readFigures("sysbench", { stdout: captured("sysbench_rndrw"), stderr: "" }),
    readFigures("sysbench", { stdout: captured("sysbench_rndrd"), stderr: "" }),
    readFigures("fio", { stdout: captured("fio_randrw"), stderr: "" }),
    readFigures("dd", { stdout: "", stderr: captured("dd") }),
  ];
  assert.deepEqual([...new Set(read.flatMap(Object.keys))].sort(), Object.keys(FIGURES).sort());
});

Deno.test("an output without figures is an error that says what is missing and how the output ends", () => {
  const message = (reader: "sysbench" | "fio" | "dd", text: string): string => {
    try {
      readFigures(reader, { stdout: text, stderr: text });
    } catch (thrown) {
      assert.ok(thrown instanceof WorkloadError);
      return thrown.message;
    }
    throw new Error(`${reader} was read from ${text}`);
  };
  assert.match(
    message("sysbench", "sysbench 1.0.20\nCPU speed: 5"),
    /^The output of sysbench has no reads\/s; .*speed: 5/,
  );
  assert.match(message("fio", "fio-3.33"), /has no JSON document with jobs; it ends with "fio-3.33"/);
  assert.match(message("fio", '{ "jobs": [] }'), /has no JSON document with jobs/);
  assert.match(message("dd", ""), /has no line with bytes and seconds: it is empty.*figures: none/);
  assert.deepEqual(readFigures(null, { stdout: "anything", stderr: "" }), {});
});

Deno.test("who reads a command's output goes by its name, and fio is asked for JSON", () => {
  assert.equal(readerFor(["sysbench", "fileio", "run"]), "sysbench");
  assert.equal(readerFor(["/usr/bin/fio", "job.fio"]), "fio");
  assert.equal(readerFor(["dd"]), "dd");
  assert.equal(readerFor(["ddrescue"]), null);
  assert.deepEqual(readableCommand(["fio", "job.fio"], "fio"), ["fio", "job.fio", "--output-format=json"]);
  assert.deepEqual(readableCommand(["dd", "of=x"], "dd"), ["dd", "of=x"]);
});
