// What went wrong in real split drivers, in both directions: the worst outcome is a connection error.
import assert from "node:assert/strict";
import { item2 } from "./hostile/fetch_items.ts";
import { item10, item9 } from "./hostile/grant_items.ts";
import { item11, item14 } from "./hostile/life_items.ts";
import type { Attacks, HostileItem } from "./hostile/list.ts";
import { item12, item3, item4, item5 } from "./hostile/request_items.ts";
import { item6, item8 } from "./hostile/response_items.ts";
import { item1, item13, item7 } from "./hostile/ring_items.ts";
import { testWays } from "../helpers/completions.ts";

const item15: HostileItem = {
  what: "option floods, lengths and magic of NBD",
  againstBackend: "a link speaks no NBD: the server's clients are played by tests/nbd",
  againstFrontend: "a link speaks no NBD: the client's servers are played by tests/plugins/nbd_hostile_test.ts",
};

/** The list, in its order. */
const LIST: readonly HostileItem[] = [
  item1,
  item2,
  item3,
  item4,
  item5,
  item6,
  item7,
  item8,
  item9,
  item10,
  item11,
  item12,
  item13,
  item14,
  item15,
];

function register(title: string, attacks: Attacks): void {
  if (typeof attacks === "string") return;
  for (const [what, attack] of Object.entries(attacks)) testWays(`${title} ${what}`, attack);
}

for (const [index, { againstBackend, againstFrontend }] of LIST.entries()) {
  register(`hostile list ${index + 1}: a frontend`, againstBackend);
  register(`hostile list ${index + 1}: a backend`, againstFrontend);
}

Deno.test("the hostile list has attacks in both directions for each item, or a reason why not", () => {
  assert.equal(LIST.length, 15);
  for (const { what, againstBackend, againstFrontend } of LIST) {
    for (const attacks of [againstBackend, againstFrontend]) {
      assert(typeof attacks === "string" ? attacks.length > 20 : Object.keys(attacks).length > 0, what);
    }
  }
});
