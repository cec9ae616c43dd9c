/**
 * What tells the cells of a run from each other, as the runner has it.
 *
 * @module
 */

export { counted, labelsInLine, shorten, shortName, varyingLabels } from "../core/runner/labels.ts";
