/**
 * Hostile peers: either side of a link, played by hand or by a fuzzer, against code that must survive it.
 *
 * @module
 */

export { HostileBackend } from "./hostile_backend.ts";
export { HostileFrontend } from "./hostile_frontend.ts";
export { BACKEND_WORDS, ControlWords, FRONTEND_WORDS, SLEEP_WORDS, State } from "./control_words.ts";
export { FIRST_REFERENCE, GrantFlag, GrantWords } from "./grant_words.ts";
export { fuzzRing, type RingFuzzOptions } from "./fuzz/fuzz.ts";
export type { FuzzReport } from "./fuzz/report.ts";
export type { FoundRequest, FoundResponse, RequestFields, Segment, Wide } from "./wire.ts";
