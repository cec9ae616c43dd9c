/**
 * The form of the list of attacks: for each item, what a hostile frontend does to a backend and a hostile backend to a
 * frontend, or why there is nothing that it could do.
 *
 * @module
 */

/** Attacks by what the peer does, or the reason why there are none. */
export type Attacks = Readonly<Record<string, () => void | Promise<void>>> | string;

/** One kind of attack. */
export interface HostileItem {
  /** What goes wrong. */
  readonly what: string;
  /** What a hostile frontend does. */
  readonly againstBackend: Attacks;
  /** What a hostile backend does. */
  readonly againstFrontend: Attacks;
}
