import assert from "node:assert/strict";
import fc from "fast-check";
import { parseQuantity, quantity, tick } from "../../../core/runner/report/quantity.ts";
import { formatDuration, formatSize } from "../../../core/units.ts";

Deno.test("labels with units are read as bytes, nanoseconds and plain numbers", () => {
  assert.deepEqual(parseQuantity("16KiB"), { value: 16384, unit: "bytes" });
  assert.deepEqual(parseQuantity("512B"), { value: 512, unit: "bytes" });
  assert.deepEqual(parseQuantity("20us"), { value: 20_000, unit: "time" });
  assert.deepEqual(parseQuantity("1.5ms"), { value: 1_500_000, unit: "time" });
  assert.deepEqual(parseQuantity("8"), { value: 8, unit: "plain" });
  assert.deepEqual(parseQuantity("0.5"), { value: 0.5, unit: "plain" });
  assert.deepEqual(parseQuantity("1e+21"), { value: 1e21, unit: "plain" });
  assert.deepEqual(parseQuantity("2%"), { value: 2, unit: "percent" });
});

Deno.test("what is no number is not taken for one", () => {
  for (const text of ["", "interrupt", "fixed-spin(spin=20us)", "16 of 20", "1.2.3", "0x10", "8constructor", "true"]) {
    assert.equal(parseQuantity(text), undefined, text);
  }
});

Deno.test("what the program writes as a size or a time is read back", () => {
  fc.assert(fc.property(fc.nat(), (number) => {
    assert.equal(parseQuantity(formatSize(number))?.value, number);
    const time = parseQuantity(formatDuration(number))?.value ?? NaN;
    assert.ok(Math.abs(time - number) <= number * 1e-12, `${formatDuration(number)} is ${time}`);
  }));
});

Deno.test("numbers are written in the unit that suits them", () => {
  assert.equal(quantity(12825.4, "count"), "12,825");
  assert.equal(quantity(3.14159, "count"), "3.14");
  assert.equal(quantity(999.7, "time"), "1.00 µs");
  assert.equal(quantity(69_123, "time"), "69.1 µs");
  assert.equal(quantity(1.5e9, "time"), "1.50 s");
  assert.equal(quantity(0, "time"), "0 ns");
  assert.equal(quantity(16384, "bytes"), "16 KiB");
  assert.equal(quantity(210_123_456, "megabytes"), "210");
  assert.equal(quantity(0.347, "cores"), "0.35");
  assert.equal(quantity(99.95, "percent"), "99.95 %");
});

Deno.test("ticks of axes are short", () => {
  assert.equal(tick(0, "time"), "0");
  assert.equal(tick(1e6, "count"), "1M");
  assert.equal(tick(250_000, "count"), "250k");
  assert.equal(tick(100_000, "time"), "100 µs");
  assert.equal(tick(1.5, "cores"), "1.5");
});
