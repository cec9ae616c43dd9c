/** The suite and the fuzzer find what is wrong: each mistake that the model server can make fails what should find it. */

import assert from "node:assert/strict";
import { fuzz } from "./fuzz/fuzz.ts";
import type { Fault } from "./model_server/faults.ts";
import { modelServer } from "./model_server/server.ts";
import { runCase, suiteCases } from "./server_suite.ts";
import { deadline } from "./wire.ts";

const SIZE_BYTES = 34 << 20;
/** Some mistakes are that something never comes. Nobody need wait long for that. */
const SHORT_DEADLINE_MS = 1000;

/** The case of the suite that finds a mistake. */
const FOUND_BY: Readonly<Record<Fault, string>> = {
  "greets with a flag too many":
    "it greets with the fixed newstyle and the offer to leave out the zeroes, and nothing else",
  "takes any export's name": "it ends the connection of an EXPORT_NAME that it does not know",
  "sends the reserved zeroes in any case":
    "it lets a client in by EXPORT_NAME, with the reserved zeroes or without them",
  "leaves out the reserved zeroes in any case":
    "it lets a client in by EXPORT_NAME, with the reserved zeroes or without them",
  "takes flags of clients that it does not know": "it ends the connection of a client with flags that it does not know",
  "does not skip the data of options that it does not know":
    "it says of options that it does not know that it does not, skips their data and goes on",
  "acknowledges with some data": "it acknowledges ABORT, whatever comes with it, and ends the connection",
  "takes INFO with an item too few": "it refuses INFO and GO whose lengths do not fit together, and goes on",
  "lists nothing": "it lists its export by name, again and again",
  "selects contexts by a wildcard":
    "it selects the metadata contexts of the last question only, and none by a wildcard",
  "keeps the contexts of a question before": "a refused question for metadata contexts leaves none selected",
  "takes any number of options": "a handshake that never ends is ended",
  "tells another block size": "INFO tells the export's name and its block sizes, if it is asked for them",
  "keeps connections open that are over": "it answers what a client has asked before it stopped sending",
  "stays when a request begins with something else":
    "it ends the connection of a request that does not begin as one, and does nothing of what follows",
  "stays after DISC": "it lets a client in by GO, with simple replies",
  "answers with another cookie": "a cookie may be any number, and may be used again, with simple replies",
  "answers twice": "it serves many requests in flight, each once, in any order, with simple replies",
  "never answers a FLUSH": "it flushes, whether anything was written or not, with simple replies",
  "does not skip the payload of a WRITE that it refuses": "it refuses what is not of whole blocks, with simple replies",
  "writes one block too far on": "what is written is read, and nothing else has changed, with simple replies",
  "writes what it refuses": "write-zeroes and trims that are too long are refused, or done to the end",
  "writes to a read-only export": "a read-only export is read, and refuses all that would change it",
  "zeroes one byte too few": "write-zeroes make zeroes of their range, with all of its flags, with simple replies",
  "trims one block too many": "a trim changes nothing beside its range, with simple replies",
  "keeps writes from other connections": "what one connection has flushed, or written through, all connections read",
  "looks at 64 bits of a request's end only": "it refuses what ends after the export, with structured replies",
  "takes what is not of whole blocks": "it refuses what is not of whole blocks, with structured replies",
  "takes flags of requests that it does not know":
    "it refuses flags that it does not know, or that are of another command, with simple replies",
  "takes a BLOCK_STATUS of nothing": "it refuses to tell the state of nothing, or if no context was selected",
  "calls everything zero": "what it calls zero reads as zero, wherever it is asked about",
  "tells two extents where one was asked for": "the whole export can be walked over, extent by extent",
  "fragments in spite of DF": "it keeps a reply in one piece if it is asked to, or says that it is too long for that",
  "sends a chunk twice": "what is written is read, and nothing else has changed, with structured replies",
  "leaves out a chunk": "what is written is read, and nothing else has changed, with structured replies",
  "forgets the last chunk's flag": "it flushes, whether anything was written or not, with structured replies",
  "answers a structured READ by a simple reply": "it lets a client in by GO, with structured replies",
  "writes half a payload elsewhere when the rest does not come":
    "a WRITE whose payload never comes to its end changes nothing beside its range",
  "ends the connection at an error": "it refuses commands that it does not know, with simple replies",
};

/** Mistakes that the fuzzer finds in its first sessions. */
const FOUND_BY_FUZZER: readonly Fault[] = [
  "takes any export's name",
  "does not skip the data of options that it does not know",
  "stays when a request begins with something else",
  "answers twice",
  "does not skip the payload of a WRITE that it refuses",
  "writes one block too far on",
  "writes what it refuses",
  "zeroes one byte too few",
  "trims one block too many",
  "takes what is not of whole blocks",
  "takes flags of requests that it does not know",
  "calls everything zero",
  "writes half a payload elsewhere when the rest does not come",
  "ends the connection at an error",
];

/** Runs a body that waits for what will never come. */
async function impatiently(body: () => Promise<void>): Promise<void> {
  const before = deadline.ms;
  deadline.ms = SHORT_DEADLINE_MS;
  try {
    await body();
  } finally {
    deadline.ms = before;
  }
}

for (const [fault, name] of Object.entries(FOUND_BY) as [Fault, string][]) {
  Deno.test(`the suite finds a server that ${fault}`, async () => {
    const suiteCase = suiteCases.find((suiteCase) => suiteCase.name === name);
    assert(suiteCase, `there is no case "${name}"`);
    await impatiently(async () => {
      await assert.rejects(runCase(suiteCase, modelServer(SIZE_BYTES, fault), {}));
    });
  });
}

for (const fault of FOUND_BY_FUZZER) {
  Deno.test(`the fuzzer finds a server that ${fault}`, async () => {
    await impatiently(async () => {
      const server = await modelServer(1 << 20, fault)({ readOnly: false });
      try {
        await assert.rejects(fuzz(server, { seed: 7, sessions: 500 }));
      } finally {
        await server.stop();
      }
    });
  });
}
