/**
 * A worker that opens the library at a path, and answers why not, or null.
 *
 * @module
 */

import { messageOf } from "../../../core/errors.ts";

const scope = self as unknown as {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent<string>) => void) | null;
};

scope.onmessage = ({ data: path }) => {
  try {
    Deno.dlopen(path, { getpid: { parameters: [], result: "i32" } }).close();
    scope.postMessage(null);
  } catch (thrown) {
    scope.postMessage(messageOf(thrown));
  }
};
