/**
 * Which operations a filter is about, as its options say it.
 *
 * @module
 */

import { Operation } from "../../core/blkif.ts";

/** What a filter can be about. Writes are all that changes the device: discards and write-zeroes, too. */
export const OPERATION_CHOICES = ["all", "reads", "writes", "flushes"] as const;
/** One of the {@link OPERATION_CHOICES}. */
export type OperationChoice = typeof OPERATION_CHOICES[number];

const { Read, Write, Flush, Discard, WriteZeroes, WriteFua } = Operation;
const CHOSEN: Readonly<Record<OperationChoice, readonly Operation[]>> = {
  all: [Read, Write, Flush, Discard, WriteZeroes, WriteFua],
  reads: [Read],
  writes: [Write, Discard, WriteZeroes, WriteFua],
  flushes: [Flush],
};
/** More than the number of any operation. */
const OPERATIONS = 32;

/** A table that has 1 at each operation that is chosen, and 0 at all others. */
export function chosenOperations(choice: OperationChoice): Uint8Array {
  const table = new Uint8Array(OPERATIONS);
  for (const operation of CHOSEN[choice]) table[operation] = 1;
  return table;
}
