/**
 * Makes operations fail, as a bad disk does.
 *
 * @module
 */

import { Operation, Status } from "../../core/blkif.ts";
import type { BlockRequest } from "../../core/block_device.ts";
import { passThrough } from "../../core/filter.ts";
import { mulberry32 } from "../../core/mulberry32.ts";
import { API_VERSION, definePlugin, type FilterPlugin } from "../../core/plugin.ts";
import { z } from "../../core/schema.ts";
import { size } from "../../core/units.ts";
import { chosenOperations, OPERATION_CHOICES } from "./operations.ts";

/** What a failed operation can be answered with, as Xen's block interface calls it (`BLKIF_RSP_…`). */
const STATUSES = { "error": Status.Error, "unsupported": Status.NotSupported } as const;

const options = z.strictObject({
  operations: z.enum(OPERATION_CHOICES).default("all").describe(
    "Which operations; writes are all that change the device.",
  ),
  from: size().prefault("0B").describe("Of these, those alone that touch bytes of the device from here on."),
  to: size().optional().describe("And before here: up to the device's end when absent. A flush touches all bytes."),
  every: z.int().min(1).default(1).describe("Of these, every so many-th."),
  share: z.number().gt(0).max(1).default(1).describe("And of these, this share, at random."),
  status: z.enum(["error", "unsupported"]).default("error").describe("What they are answered with."),
  seed: z.int().min(1).max(2 ** 31 - 1).default(1).describe("Seeds which of them fail."),
}).refine(({ from, to }) => to === undefined || from < to, { path: ["to"], message: "must be above from" });

/** The filter `error`. */
const plugin: FilterPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "filter",
  name: "error",
  description: "Makes operations fail: all of a kind, a share of them, or those on a part of the device.",
  options,
  counters: { injectedErrors: "Operations that were made to fail. The device below never saw them." },

  create({ operations, from, to = Infinity, every, share, status, seed }, next) {
    const chosen = chosenOperations(operations);
    const random = mulberry32(seed);
    let untilNext = every;
    let injectedErrors = 0;

    const fails = ({ operation, offsetBytes, byteLength }: BlockRequest): boolean => {
      if (chosen[operation] === 0) return false;
      if (operation !== Operation.Flush && (offsetBytes >= to || offsetBytes + byteLength <= from)) return false;
      if (--untilNext > 0) return false;
      untilNext = every;
      return share === 1 || random() < share;
    };
    return passThrough(next, {
      submit(request) {
        if (!fails(request)) return next.submit(request);
        injectedErrors++;
        request.status = STATUSES[status];
        return true;
      },
      counters: () => ({ injectedErrors }),
    });
  },
});

export default plugin;
