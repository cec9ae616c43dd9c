import assert from "node:assert/strict";
import {
  ALL_COLOURS,
  COLOURS,
  lookOf,
  SERIES_COLOURS,
  STATE_COLOURS,
  TINTS,
} from "../../../core/runner/report/draw/palette.ts";

/** Relative luminance of a colour, as WCAG 2.2 defines it. */
function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

for (const theme of ["light", "dark"] as const) {
  Deno.test(`text has a contrast of 4.5 in the ${theme} theme, and what is drawn one of 3`, () => {
    const ground = COLOURS.ground[theme];
    // Links have the first series' colour.
    for (const colour of [COLOURS.ink, COLOURS.quiet, SERIES_COLOURS[0]]) {
      assert.ok(contrast(colour[theme], ground) >= 4.5, colour.name);
    }
    for (const colour of [...SERIES_COLOURS, ...STATE_COLOURS]) {
      assert.ok(contrast(colour[theme], ground) >= 3, `${colour.name}: ${contrast(colour[theme], ground)}`);
    }
  });
}

Deno.test("text on tints has a contrast of 4.5", () => {
  for (const theme of ["light", "dark"] as const) {
    for (const tint of TINTS) assert.ok(contrast(COLOURS.ink[theme], tint[theme]) >= 4.5, `${tint.name}, ${theme}`);
  }
});

Deno.test("each colour can be found by its value in the light theme and by its variable", () => {
  assert.equal(new Set(ALL_COLOURS.map(({ light }) => light)).size, ALL_COLOURS.length);
  assert.equal(new Set(ALL_COLOURS.map(({ name }) => name)).size, ALL_COLOURS.length);
});

Deno.test("working and sleeping, which have no pattern, differ in how light they are", () => {
  for (const theme of ["light", "dark"] as const) {
    assert.ok(contrast(STATE_COLOURS[0][theme], STATE_COLOURS[3][theme]) >= 2.4, theme);
  }
});

Deno.test("the looks of many series all differ, those of the first few by marker too", () => {
  const looks = Array.from({ length: 56 }, (_, style) => lookOf(style));
  assert.equal(new Set(looks.map((look) => JSON.stringify(look))).size, 56);
  assert.equal(new Set(looks.slice(0, 7).map(({ marker }) => marker)).size, 7);
});
