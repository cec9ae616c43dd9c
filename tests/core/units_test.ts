import assert from "node:assert/strict";
import fc from "fast-check";
import { z } from "../../core/schema.ts";
import { duration, formatDuration, formatPercentage, formatSize, percentage, size } from "../../core/units.ts";

Deno.test("a size is bytes in the program, whatever its unit", () => {
  for (
    const [text, bytes] of [["0B", 0], ["512B", 512], ["16KiB", 16384], ["1.5MiB", 1572864], ["1TiB", 2 ** 40]] as const
  ) {
    assert.equal(size().parse(text), bytes);
  }
});

Deno.test("a time is nanoseconds in the program, whatever its unit", () => {
  for (const [text, ns] of [["7ns", 7], ["50us", 50_000], ["0.5ms", 5e5], ["2s", 2e9], ["1min", 60e9]] as const) {
    assert.equal(duration().parse(text), ns);
  }
});

Deno.test("a number without a known unit is refused, with an example in the message", () => {
  for (const bad of ["", "16", "16 KiB", "16kb", "16KB", "-1KiB", "1e3B", ".5MiB", "KiB", "1KiB1B", "1.KiB", "0x1B"]) {
    assert.match(size().safeParse(bad).error?.message ?? "accepted", /16KiB/, `"${bad}"`);
  }
  for (const bad of ["", "50", "50 us", "50µs", "1m", "1h", "-1s", "s"]) {
    assert.match(duration().safeParse(bad).error?.message ?? "accepted", /50us/, `"${bad}"`);
  }
  for (const bad of [16384, null, undefined, {}]) assert.equal(size().safeParse(bad).success, false);
});

Deno.test("what is written can be read again, to the byte and the nanosecond", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (value) => {
    assert.equal(size().parse(formatSize(value)), value);
    assert.equal(duration().parse(formatDuration(value)), value);
    assert.equal(size().encode(value), formatSize(value));
    assert.equal(duration().encode(value), formatDuration(value));
  }));
});

Deno.test("a number is written with the largest unit that keeps it whole", () => {
  assert.deepEqual([0, 1, 1024, 1536, 16384, 2 ** 30].map(formatSize), ["0B", "1B", "1KiB", "1536B", "16KiB", "1GiB"]);
  assert.deepEqual([0, 1500, 50_000, 1e9, 90e9, 120e9].map(formatDuration), [
    "0ns",
    "1500ns",
    "50us",
    "1s",
    "90s",
    "2min",
  ]);
});

Deno.test("a whole number of a unit is read exactly", () => {
  fc.assert(fc.property(fc.nat(4096), fc.constantFrom("B", "KiB", "MiB", "GiB", "TiB"), (count, unit) => {
    const factor = 1024 ** ["B", "KiB", "MiB", "GiB", "TiB"].indexOf(unit);
    assert.equal(size().parse(`${count}${unit}`), count * factor);
  }));
});

Deno.test("a percentage is a share in the program, and comes back as it was written", () => {
  const schema = percentage();
  for (const [text, share] of [["2%", 0.02], ["0.5%", 0.005], ["7%", 0.07], ["150%", 1.5]] as const) {
    assert.ok(Math.abs(z.decode(schema, text) - share) < 1e-12);
    assert.equal(z.encode(schema, z.decode(schema, text)), text);
    assert.equal(formatPercentage(share), text);
  }
  for (const text of ["2", "-1%", "%", "2 %", "0%", ""]) assert.equal(schema.safeParse(text).success, false, text);
});
