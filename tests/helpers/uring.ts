/**
 * Whether there is an io_uring.
 *
 * @module
 */

import { messageOf } from "../../core/errors.ts";
import { IoUring } from "../../core/io_uring.ts";

/**
 * Why tests that need an io_uring are skipped, or null.
 *
 * @param queues see {@link IoUring}
 */
export function uringRefusal(queues: "ours" | "kernel" | "either" = "either"): string | null {
  try {
    new IoUring(1, queues).close();
    return null;
  } catch (thrown) {
    return messageOf(thrown);
  }
}
