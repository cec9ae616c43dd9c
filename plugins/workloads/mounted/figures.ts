/**
 * What the command says of itself, as counters.
 *
 * @module
 */

import type { Counters } from "../../../core/counters.ts";
import { ddFigures } from "./dd_output.ts";
import { fioFigures } from "./fio_output.ts";
import type { CommandOutput } from "./program.ts";
import { sysbenchFigures } from "./sysbench_output.ts";

/** Whose output can be read. */
export const READERS = ["sysbench", "fio", "dd"] as const;
/** One of {@link READERS}. */
export type Reader = typeof READERS[number];

/** All figures that there can be, each with a sentence. */
export const FIGURES: Readonly<Record<string, string>> = {
  events: "What the command finished: events of sysbench, which count fsyncs too; reads and writes of fio.",
  readsPerSecond: "Reads a second, as the command has them (sysbench, fio).",
  writesPerSecond: "Writes a second, as the command has them (sysbench, fio).",
  fsyncsPerSecond: "Fsyncs a second, as the command has them (sysbench).",
  readBytesPerSecond: "Bytes that were read a second (sysbench, fio).",
  writtenBytesPerSecond: "Bytes that were written a second (sysbench, fio).",
  copiedBytesPerSecond: "Bytes that were copied a second (dd).",
  latencyMeanNs: "The mean latency of all events (sysbench).",
  latencyP95Ns: "The 95th percentile of the latency of all events, to 10 us (sysbench).",
  latencyP99Ns: "The 99th percentile of the latency of all events, to 10 us (sysbench with --percentile=99).",
  readLatencyMeanNs: "The mean latency of reads, from submission to completion (fio).",
  readLatencyP50Ns: "The median latency of reads (fio with one job, or one group).",
  readLatencyP95Ns: "The 95th percentile of the latency of reads (fio with one job, or one group).",
  readLatencyP99Ns: "The 99th percentile of the latency of reads (fio with one job, or one group).",
  writeLatencyMeanNs: "The mean latency of writes, from submission to completion (fio).",
  writeLatencyP50Ns: "The median latency of writes (fio with one job, or one group).",
  writeLatencyP95Ns: "The 95th percentile of the latency of writes (fio with one job, or one group).",
  writeLatencyP99Ns: "The 99th percentile of the latency of writes (fio with one job, or one group).",
};

/** Those that tables show, each with its heading. */
export const HEADINGS: Readonly<Record<string, string>> = {
  readsPerSecond: "reads/s",
  writesPerSecond: "writes/s",
  copiedBytesPerSecond: "MB/s copied",
  latencyP95Ns: "p95",
  latencyP99Ns: "p99",
  readLatencyP99Ns: "read p99",
  writeLatencyP99Ns: "write p99",
};

/** Who can read the output of a command, by the name of its program; null if nobody. */
export function readerFor([program]: readonly string[]): Reader | null {
  const name = program.slice(program.lastIndexOf("/") + 1);
  return READERS.find((reader) => reader === name) ?? null;
}

/** A command as it must be for its output to be read. */
export function readableCommand(command: readonly string[], reader: Reader | null): readonly string[] {
  return reader === "fio" ? [...command, "--output-format=json"] : command;
}

/**
 * The figures in a command's output.
 *
 * @throws {WorkloadError} when they are not there
 */
export function readFigures(reader: Reader | null, { stdout, stderr }: CommandOutput): Counters {
  switch (reader) {
    case "sysbench":
      return sysbenchFigures(stdout);
    case "fio":
      return fioFigures(stdout);
    case "dd":
      return ddFigures(stderr);
    case null:
      return {};
  }
}
