/**
 * Exit statuses.
 *
 * @module
 */

/** What the program's end says. */
export const ExitStatus = {
  /** All cells ran, and all expectations are met. */
  Ok: 0,
  /** A cell failed, an expectation is not met, or a result could not be saved. */
  Failed: 1,
  /** The command or a scenario is invalid, or a permission is missing; nothing ran. */
  Invalid: 2,
  /** Interrupted; what was measured is saved. */
  Interrupted: 130,
} as const;
