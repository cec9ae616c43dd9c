import assert from "node:assert/strict";
import { sleepExactly, timerSlackNs } from "../../core/measure/thread.ts";
import { testUnless } from "../helpers/test_unless.ts";

// Opens the C library for good, before a sanitizer counts what a test opens.
const unknown = timerSlackNs() === null ? "without FFI there is no way to ask" : null;

testUnless(unknown, "a thread that is to sleep exactly has no timer slack", () => {
  assert.equal(sleepExactly(), true);
  assert.equal(timerSlackNs(), 1);
});
