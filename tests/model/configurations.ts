/**
 * Which variants of the models are checked, and which changes of them must be found.
 *
 * @module
 */

import type { Configuration, Mutant, Property } from "./spin.ts";

const SUPPRESSIONS: readonly (readonly [name: string, define: string])[] = [
  ["event indices", "EVENT_INDEX"],
  ["sleep flags", "SLEEP_FLAG"],
];
const ONE_RING = "RINGS=1";
/** The second ring's application spins: it never sleeps, so it asks for no notification. */
const TWO_RINGS = ["RINGS=2", "SECOND_SLEEPS=0", "RING_SIZE=1"];
const TWO_SLEEPING = ["RINGS=2", "SECOND_SLEEPS=1", "RING_SIZE=1"];
/** The search for a request among others at the device, of which there are none with one entry. */
const SEARCH_AT_DEVICE = /^driver\.pml:\d+: at = /;

/** Notifications to the second application, which never asks for one; with an event index it is asked for at first. */
const NOTIFICATION_OF_SECOND = /^link\.pml:\d+: (?:.*\(\(2\*1\)\+1\).*|D_STEP\d+)$/;
/** A driver that asks for a longer distance; and the end of a driver at a place that Spin counts twice. */
const OF_RESTARTS = [/^restart\.pml:\d+: distance = \(distance\+1\)$/, /^restart\.pml:\d+: \(killed\[own\]\)$/];

type More = Pick<Configuration, "size" | "unreached"> & { readonly property?: Property };

/** One variant for each suppression. */
function both(file: string, name: string, defines: readonly string[], more: More = {}): Configuration[] {
  return SUPPRESSIONS.map((suppression) => one(file, name, defines, suppression, more));
}

function one(
  file: string,
  name: string,
  defines: readonly string[],
  [suppression, define]: readonly [string, string],
  { property = "safety", ...more }: More = {},
): Configuration {
  return { name: `${name}, ${suppression}`, file, defines: [...defines, define], property, ...more };
}

const [EVENT_INDEX, SLEEP_FLAG] = SUPPRESSIONS;
const ALL = ["BATCH", "LATE", "LEAVE"];
const LINK = "link.pml";
const THREADS = "response_thread.pml";
const RESTART = "restart.pml";

/** What is checked at every run of the tests. */
export const configurations: readonly Configuration[] = [
  ...both(LINK, "one ring of 1 entry", [ONE_RING, "RING_SIZE=1", ...ALL]),
  ...both(LINK, "one ring of 2", [ONE_RING, "RING_SIZE=2", ...ALL]),
  ...both(LINK, "one ring of 2, indices modulo 8", [ONE_RING, "RING_SIZE=2", "INDEX_RANGE=8", "BATCH"]),
  ...both(LINK, "one ring of 4", [ONE_RING, "RING_SIZE=4", "BATCH"]),
  ...both(LINK, "one ring of 2, each request is answered", [ONE_RING, "RING_SIZE=2", "BATCH"], {
    property: "liveness",
  }),
  ...both(LINK, "one ring of 1, told to stop at any time", [ONE_RING, "RING_SIZE=1", "STOP", ...ALL]),
  ...both(LINK, "one ring of 1, asleep on descriptors", [ONE_RING, "RING_SIZE=1", "BATCH", "DESCRIPTOR"], {
    unreached: [SEARCH_AT_DEVICE],
  }),
  one(LINK, "one ring of 2, asleep on descriptors", [ONE_RING, "RING_SIZE=2", "DESCRIPTOR"], SLEEP_FLAG),
  one(
    LINK,
    "one ring, a flag taken down by a store in place of the exchange",
    [ONE_RING, "RING_SIZE=2", "BATCH", "FLAG_STORED"],
    SLEEP_FLAG,
  ),
  ...both(LINK, "two rings of 1, one driver", TWO_RINGS, { unreached: [NOTIFICATION_OF_SECOND] }),
  ...both(THREADS, "two consumers of one ring of 1", ["RING_SIZE=1", "BATCH"]),
  one(THREADS, "two consumers of one ring of 2", ["RING_SIZE=2"], SLEEP_FLAG),
  ...both(RESTART, "a ring of 1, two restarts", ["RING_SIZE=1", "RESTARTS=2"], { unreached: OF_RESTARTS }),
  one(RESTART, "a ring of 2, one restart", ["RING_SIZE=2", "RESTARTS=1"], SLEEP_FLAG, { unreached: OF_RESTARTS }),
];

/** What takes minutes each: `deno task model`. */
export const largeConfigurations: readonly Configuration[] = [
  ...both(LINK, "one ring of 4 with all its variants", [ONE_RING, "RING_SIZE=4", ...ALL], { size: "large" }),
  one(LINK, "one ring of 2, asleep on descriptors", [ONE_RING, "RING_SIZE=2", "DESCRIPTOR"], EVENT_INDEX, {
    size: "large",
  }),
  ...both(LINK, "two rings of 1, all asleep", TWO_SLEEPING, { size: "large" }),
  one(LINK, "two rings of 1, applications leave", [...TWO_RINGS, "LEAVE"], SLEEP_FLAG, { size: "large" }),
  one(THREADS, "two consumers of one ring of 2", ["RING_SIZE=2"], EVENT_INDEX, { size: "large" }),
  one(RESTART, "a ring of 2, one restart", ["RING_SIZE=2", "RESTARTS=1"], EVENT_INDEX, { size: "large" }),
  one(RESTART, "a ring of 2, two restarts", ["RING_SIZE=2", "RESTARTS=2"], SLEEP_FLAG, { size: "large" }),
];

const ASLEEP = /^invalid end state$/;
const ONE_RESTART = ["RING_SIZE=1", "RESTARTS=1"];
const LINK_OF_2 = [ONE_RING, "RING_SIZE=2", "BATCH"];

function broken(
  name: string,
  file: string,
  defines: readonly string[],
  suppression: readonly [string, string],
  error: RegExp = ASLEEP,
): Mutant {
  return { ...one(file, name, defines, suppression, { size: "small" }), error };
}

/** The same for each suppression. */
function bothBroken(name: string, file: string, defines: readonly string[], error: RegExp = ASLEEP): Mutant[] {
  return SUPPRESSIONS.map((suppression) => broken(name, file, defines, suppression, error));
}

/** Changes that lose a wake-up, complete a request twice or overrun a ring: each must be found. */
export const mutants: readonly Mutant[] = [
  ...bothBroken("no look after arming", LINK, [...LINK_OF_2, "BREAK_NO_LOOK_AGAIN"]),
  ...bothBroken("no look after arming, asleep on descriptors", LINK, [
    ...[ONE_RING, "RING_SIZE=2", "DESCRIPTOR"],
    "BREAK_NO_LOOK_AGAIN",
  ]),
  ...bothBroken("asleep though the bell rang", LINK, [...LINK_OF_2, "BREAK_SLEEP_UNSEEN"]),
  ...bothBroken("the bell copied after looking", LINK, [...LINK_OF_2, "BREAK_BELL_SEEN_LATE"]),
  ...bothBroken("pending cleared after looking", LINK, [...LINK_OF_2, "BREAK_CLEAR_AFTER_LOOK"]),
  broken("the range taken after publishing", LINK, [...LINK_OF_2, "BREAK_RANGE"], EVENT_INDEX),
  broken("the flag taken down by a store, whatever it was", LINK, [...LINK_OF_2, "BREAK_FLAG_BLINDLY"], SLEEP_FLAG),
  broken("more responses awaited than are to come", LINK, [...LINK_OF_2, "BREAK_APPLICATION_DISTANCE"], EVENT_INDEX),
  broken("more requests awaited than one", LINK, [...LINK_OF_2, "BREAK_DRIVER_DISTANCE"], EVENT_INDEX),
  ...bothBroken("the bell looked at before the word that it sleeps on a descriptor", LINK, [
    ...[ONE_RING, "RING_SIZE=2", "DESCRIPTOR"],
    "BREAK_LOOK_THEN_SAY",
  ]),
  ...bothBroken("a command without a ring", LINK, [...LINK_OF_2, "STOP", "BREAK_STOP_UNRUNG"]),
  ...bothBroken("a change of state without a ring", LINK, [...LINK_OF_2, "LEAVE", "BREAK_LEAVE_UNSAID"]),
  ...bothBroken("more requests than entries", LINK, [...LINK_OF_2, "BREAK_OVERRUN"], /^assertion violated/),
  ...bothBroken("no lock", THREADS, ["RING_SIZE=2", "BREAK_NO_LOCK"], /^assertion violated .*asked/),
  broken("the event armed without the lock", THREADS, ["RING_SIZE=2", "BREAK_ARMED_WITHOUT_LOCK"], EVENT_INDEX),
  broken("the look after that without the lock", THREADS, ["RING_SIZE=2", "BREAK_NO_LOOK_UNDER_LOCK"], EVENT_INDEX),
  broken("no look after the flag", THREADS, ["RING_SIZE=2", "BREAK_NO_LOOK_AFTER_ARMING"], SLEEP_FLAG),
  ...bothBroken("no look at the queue", THREADS, ["RING_SIZE=2", "BREAK_NO_LOOK_AT_QUEUE"]),
  ...bothBroken("the other thread is not told", THREADS, ["RING_SIZE=2", "BREAK_NOT_TOLD"]),
  ...bothBroken("no fence", RESTART, [...ONE_RESTART, "BREAK_NO_FENCE"], /^assertion violated .*asked/),
  ...bothBroken("a driver that takes any connection for its own", RESTART, [...ONE_RESTART, "BREAK_ANY_GENERATION"]),
  ...bothBroken("the bell copied after looking for the generation", RESTART, [...ONE_RESTART, "BREAK_LOOK_THEN_BELL"]),
  ...bothBroken("a ring for a change of drivers taken for an answer's", RESTART, [
    ...ONE_RESTART,
    "BREAK_REPLACED_UNSEEN",
  ]),
  ...bothBroken(
    "requests reissued in another order",
    RESTART,
    ["RING_SIZE=2", "RESTARTS=1", "BREAK_REISSUE_BY_ID"],
    /^assertion violated executed/,
  ),
];
