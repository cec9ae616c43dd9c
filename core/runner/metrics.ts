/**
 * What of a sample is estimated: the value of a repetition, and the same in pieces of its window.
 *
 * @module
 */

import type { PieceRatios, Repeated } from "./bootstrap.ts";
import type { EstimateName, Sample, Windows } from "./result.ts";

/** What the repetitions say of a metric; null where one of them, or none, measured it. */
export function repeated(samples: readonly Sample[], name: EstimateName): readonly Repeated[] | null {
  const all = samples.map((sample): Repeated | null => {
    const value = VALUES[name](sample);
    return value === null ? null : { value, pieces: sample.windows === null ? null : piecesOf(sample.windows, name) };
  });
  return all.length === 0 || all.includes(null) ? null : all as Repeated[];
}

const VALUES: Readonly<Record<EstimateName, (sample: Sample) => number | null>> = {
  iops: ({ iops }) => iops,
  bytesPerSecond: ({ bytesPerSecond }) => bytesPerSecond,
  latencyP50Ns: ({ latencyNs }) => latencyNs?.p50 ?? null,
  latencyP99Ns: ({ latencyNs }) => latencyNs?.p99 ?? null,
  latencyP999Ns: ({ latencyNs }) => latencyNs?.p999 ?? null,
  cpuCores: totalCores,
  iopsPerCpuCore: (sample) => {
    const cores = totalCores(sample);
    return cores === null || cores === 0 ? null : sample.iops / cores;
  },
};

/** Cores that the domains of one repetition used together; null where they could not be measured. */
function totalCores({ cpuCores, notifications }: Sample): number | null {
  const isolated = notifications.backend !== null;
  if (cpuCores.application === null || (isolated && cpuCores.driver === null)) return null;
  return cpuCores.application + (cpuCores.driver ?? 0);
}

function piecesOf(windows: Windows, name: EstimateName): PieceRatios | null {
  const { durationNs, operations, bytes } = windows;
  switch (name) {
    case "iops":
      return { numerators: operations, denominators: durationNs };
    case "bytesPerSecond":
      return { numerators: bytes, denominators: durationNs };
    case "cpuCores":
    case "iopsPerCpuCore": {
      const cpuNs = cpuTimes(windows);
      if (cpuNs === null) return null;
      return name === "cpuCores"
        ? { numerators: cpuNs, denominators: durationNs }
        : { numerators: operations, denominators: cpuNs };
    }
    default:
      return null;
  }
}

/** CPU time of all threads in each piece; null where it is not known in all. */
function cpuTimes({ application, driver }: Windows): number[] | null {
  const all = application.cpuNs.map((ns, piece) => {
    const driverNs = driver === null ? 0 : driver.cpuNs[piece];
    return ns === null || driverNs === null ? null : ns + driverNs;
  });
  return all.includes(null) ? null : all as number[];
}
