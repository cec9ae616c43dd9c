/**
 * Tests that need something which is not everywhere.
 *
 * @module
 */

/** Registers a test, or one that is skipped for a reason. */
export function testUnless(refusal: string | null, name: string, body: () => void | Promise<void>): void {
  if (refusal === null) Deno.test(name, body);
  else Deno.test.ignore(`${name} (skipped: ${refusal})`, () => {});
}
