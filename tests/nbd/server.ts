/**
 * What the suite and the fuzzer need to know of a server that they test, and what they let it off.
 *
 * @module
 */

/** A server that runs, with one export. */
export interface NbdServerUnderTest {
  /** Its Unix socket. */
  readonly path: string;
  /** The name that it gives to its export. The empty name must mean it too. */
  readonly exportName: string;
  /** The export's size, more than 33 MiB for the suite, so that a request can be too long without reaching its end. */
  readonly sizeBytes: number;
  /** The smallest block that it takes and advertises, in bytes. */
  readonly sectorSize: number;
  readonly readOnly: boolean;
  /** How much memory it holds. Absent where nobody can tell. */
  memoryBytes?(): number;
  /**
   * How many descriptors it has open: all of its process's, if it has one of its own. Absent where nobody can tell.
   *
   * A connection's is closed only when nothing that it has asked for goes on: a client that connects again must not
   * find that an older write of its own lands on a newer one.
   */
  openDescriptors?(): number;
  /** Ends it. Connections that are open end too. */
  stop(): Promise<void>;
}

/** Starts a server of its own for one test. What its export holds is the server's choice. */
export type StartServer = (wanted: { readonly readOnly: boolean }) => Promise<NbdServerUnderTest>;

/** Where a server may differ, and how much is asked of it. */
export interface Expectations {
  /** The cases that it is not held to, by their names, each with the reason. */
  readonly exempt?: Readonly<Record<string, string>>;
  /** How many connections are made one after another; 300 when absent. */
  readonly connections?: number;
}

/** One of the things that every server is held to. */
export interface SuiteCase {
  /** A sentence: what the server does. */
  readonly name: string;
  /** Whether the export must be read-only; false when absent. */
  readonly readOnly?: boolean;
  /** Throws if the server does otherwise. */
  run(server: NbdServerUnderTest, expectations: Expectations): Promise<void>;
}
