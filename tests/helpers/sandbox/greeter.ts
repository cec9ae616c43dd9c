/**
 * A worker that says so.
 *
 * @module
 */

(self as unknown as { postMessage(message: unknown): void }).postMessage("a worker's");
