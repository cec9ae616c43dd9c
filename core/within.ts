/**
 * Waits for promises that may never be settled.
 *
 * @module
 */

/** Waits for a time; less when the signal is aborted. */
export function rest(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const end = (): void => resolve();
  signal?.addEventListener("abort", end);
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  });
}

/**
 * Whether a promise is resolved within a time.
 *
 * @throws what it is rejected with by then
 */
export async function isWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const over = new AbortController();
  try {
    return await Promise.race([promise.then(() => true), rest(ms, over.signal).then(() => false)]);
  } finally {
    over.abort();
  }
}
