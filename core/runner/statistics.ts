/**
 * The library of statistics. Everything takes it from here. It is named by its full specifier, not by the import map, so
 * that this folder can be imported from any project.
 *
 * @module
 */

export { errorFunction, mean, median, quantileSorted, sampleVariance } from "npm:simple-statistics@7.12.1";
