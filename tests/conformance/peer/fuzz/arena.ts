/**
 * A link's memory that serves for one state after another: a new region for each would be most of the work.
 *
 * @module
 */

import { type LinkChanges, type LinkEnds, linkEnds, linkOptions } from "../../../helpers/link.ts";

/** A region, both of its ends, and room for a copy. */
export interface Arena {
  /** The two ends. */
  readonly ends: LinkEnds;
  /** As many words as the region has. */
  readonly copy: Int32Array;
  /** Makes all of it new. */
  readonly reset: () => void;
}

/** Arenas of such links, which are made when they are first asked for. */
export function arenas(links: readonly LinkChanges[]): () => readonly Arena[] {
  let made: readonly Arena[] | null = null;
  return () => made ??= links.map((changes) => arenaFor(linkEnds(linkOptions(changes))));
}

function arenaFor(ends: LinkEnds): Arena {
  const copy = new Int32Array(ends.memory.words.length);
  const reset = (): void => {
    ends.memory.words.fill(0);
    ends.responder?.completion?.memory.words.fill(0);
    for (const { events } of [ends.front, ends.back, ...(ends.responder === null ? [] : [ends.responder])]) {
      for (const { port } of [ends.front, ends.back]) {
        events.unmask(port);
        events.clear(port);
      }
    }
  };
  return { ends, copy, reset };
}
