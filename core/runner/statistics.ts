/**
 * The library of statistics. Everything takes it from here.
 *
 * @module
 */

// deno-lint-ignore no-import-prefix -- named in full, so that this folder can be imported from any project
export { errorFunction, median, quantileSorted } from "npm:simple-statistics@7.12.1";
