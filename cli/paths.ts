/**
 * The few path functions that the command line needs: Deno std's role, filled by Node's module.
 *
 * @module
 */

export { dirname, join } from "node:path";
export { fileURLToPath as fromFileUrl } from "node:url";
