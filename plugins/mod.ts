/**
 * The built-in plugins, by kind and name.
 *
 * @module
 */

import type { PluginTable } from "../core/plugin.ts";

export { Trace, TraceError, type TraceHeader, type TraceRecord } from "./trace/format.ts";

/** Where each built-in plugin is. A name in a scenario is a name here; to add a plugin is to add a file and a line. */
export const builtins: Required<PluginTable> = {
  policy: {
    "interrupt": import.meta.resolve("./policies/interrupt.ts"),
    "fixed-spin": import.meta.resolve("./policies/fixed_spin.ts"),
    "adaptive-spin": import.meta.resolve("./policies/adaptive_spin.ts"),
    "auto": import.meta.resolve("./policies/auto.ts"),
    "busy-poll": import.meta.resolve("./policies/busy_poll.ts"),
    "hybrid-poll": import.meta.resolve("./policies/hybrid_poll.ts"),
    "halt-poll": import.meta.resolve("./policies/halt_poll.ts"),
    "competitive-spin": import.meta.resolve("./policies/competitive_spin.ts"),
    "coalesce": import.meta.resolve("./policies/coalesce.ts"),
  },
  device: {
    "null": import.meta.resolve("./devices/null.ts"),
    "ramdisk": import.meta.resolve("./devices/ramdisk.ts"),
    "loop-file": import.meta.resolve("./devices/loop_file.ts"),
    "sata": import.meta.resolve("./devices/sata.ts"),
    "nbd": import.meta.resolve("./devices/nbd.ts"),
  },
  filter: {
    "delay": import.meta.resolve("./filters/delay.ts"),
    "rate": import.meta.resolve("./filters/rate.ts"),
    "error": import.meta.resolve("./filters/error.ts"),
    "readonly": import.meta.resolve("./filters/readonly.ts"),
    "trace": import.meta.resolve("./filters/trace.ts"),
  },
  workload: {
    "sysbench-fileio": import.meta.resolve("./workloads/sysbench_fileio.ts"),
    "open-loop": import.meta.resolve("./workloads/open_loop.ts"),
    "dd": import.meta.resolve("./workloads/dd.ts"),
    "verify": import.meta.resolve("./workloads/verify.ts"),
    "nbd-export": import.meta.resolve("./workloads/nbd_export.ts"),
    "mounted": import.meta.resolve("./workloads/mounted.ts"),
    "replay": import.meta.resolve("./workloads/replay.ts"),
    "idle": import.meta.resolve("./workloads/idle.ts"),
  },
};
