import { describe, expect, it } from "vitest";
import { css, ramp } from "./colormap";

const ends = (table: ReturnType<typeof ramp>) => [css(table, 0), css(table, 255)];

describe("a ramp", () => {
  it("begins at the panel's colour and ends at the other one", () => {
    expect(ends(ramp("#111111", "#ff8000"))).toEqual(["rgb(17 17 17)", "rgb(255 128 0)"]);
  });

  it("ends at a translucent colour as it looks on the panel", () => {
    expect(ends(ramp("#111111", "rgba(255, 255, 255, 0.87)"))).toEqual(["rgb(17 17 17)", "rgb(224 224 224)"]);
  });

  it("is white to black where a colour is not understood", () => {
    expect(ends(ramp("color(display-p3 0 0 0)", "#ffffff"))).toEqual(["rgb(255 255 255)", "rgb(0 0 0)"]);
  });
});
