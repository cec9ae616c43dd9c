/**
 * What can be wrong with an NBD server: each is a mistake that somebody could make.
 *
 * @module
 */

/** The mistakes that the model server can make. */
export const FAULTS = [
  "greets with a flag too many",
  "takes any export's name",
  "sends the reserved zeroes in any case",
  "leaves out the reserved zeroes in any case",
  "takes flags of clients that it does not know",
  "does not skip the data of options that it does not know",
  "acknowledges with some data",
  "takes INFO with an item too few",
  "lists nothing",
  "selects contexts by a wildcard",
  "keeps the contexts of a question before",
  "takes any number of options",
  "tells another block size",
  "keeps connections open that are over",
  "stays when a request begins with something else",
  "stays after DISC",
  "answers with another cookie",
  "answers twice",
  "never answers a FLUSH",
  "does not skip the payload of a WRITE that it refuses",
  "writes one block too far on",
  "writes what it refuses",
  "writes to a read-only export",
  "zeroes one byte too few",
  "trims one block too many",
  "keeps writes from other connections",
  "looks at 64 bits of a request's end only",
  "takes what is not of whole blocks",
  "takes flags of requests that it does not know",
  "takes a BLOCK_STATUS of nothing",
  "calls everything zero",
  "tells two extents where one was asked for",
  "fragments in spite of DF",
  "sends a chunk twice",
  "leaves out a chunk",
  "forgets the last chunk's flag",
  "answers a structured READ by a simple reply",
  "writes half a payload elsewhere when the rest does not come",
  "ends the connection at an error",
] as const;

/** One of {@link FAULTS}. */
export type Fault = typeof FAULTS[number];
