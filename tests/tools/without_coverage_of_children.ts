/**
 * Loaded before the tests: processes that tests start collect no coverage. Deno tells them to by the environment; they
 * would be many times slower, and one that a test kills leaves a file that no report can be made of.
 *
 * @module
 */

for (const name of Object.keys(Deno.env.toObject())) if (name.startsWith("DENO_COVERAGE")) Deno.env.delete(name);
