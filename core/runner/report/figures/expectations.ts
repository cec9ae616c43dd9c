/**
 * What was expected, and what became of it.
 *
 * @module
 */

import { labelsInLine } from "../../labels.ts";
import type { Dimensions } from "../dimensions.ts";
import type { Figure } from "../figure.ts";

/** The table; null when nothing was expected. */
export function expectationsTable({ result: { expectations }, shown }: Dimensions): Figure | null {
  if (expectations.length === 0) return null;
  const unmet = expectations.filter(({ status }) => status === "unmet").length;
  return {
    ...{ name: "expectations", title: "Expectations" },
    caption: unmet === 0 ? "All are met." : `${unmet} of ${expectations.length} are not met.`,
    table: {
      columns: [
        { key: "status", title: "status" },
        { key: "expectation", title: "expectation" },
        { key: "cells", title: "cells" },
        { key: "left", title: "left", unit: "count" },
        { key: "right", title: "right", unit: "count" },
      ],
      rows: expectations.map(({ status, text, labels, left, right }) => {
        return [status, text, labelsInLine(labels, shown), left, right];
      }),
    },
    charts: [],
  };
}
