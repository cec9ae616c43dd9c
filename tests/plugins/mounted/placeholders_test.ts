import assert from "node:assert/strict";
import { WorkloadError } from "../../../core/errors.ts";
import { fillPlaceholders, mentions } from "../../../plugins/workloads/mounted/placeholders.ts";

const PLACES = { uri: "nbd+unix:///?socket=%2Ftmp%2Fa%20b%2Fs", device: "/dev/loop7", mount: "/run/mount" };

Deno.test("placeholders are replaced wherever they stand, others stay", () => {
  assert.deepEqual(
    fillPlaceholders(["dd", "of={device}", "{mount}/{mount}", "{socket}", "{uri}", "{other}", "$&"], PLACES),
    ["dd", "of=/dev/loop7", "/run/mount//run/mount", "/tmp/a b/s", PLACES.uri, "{other}", "$&"],
  );
});

Deno.test("the socket of an export that has none is an error", () => {
  assert.throws(
    () => fillPlaceholders(["{socket}"], { ...PLACES, uri: "nbd://localhost/" }),
    (thrown) => thrown instanceof WorkloadError && thrown.message.includes("nbd://localhost/ has none"),
  );
});

Deno.test("whether a command names a place", () => {
  assert.equal(mentions(["ls", "{mount}/x"], "mount"), true);
  assert.equal(mentions(["ls", "{device}"], "mount"), false);
});
