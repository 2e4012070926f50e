import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Spot, Stroke, type StrokeTool } from "./stroke";

const [F, T] = [6, 8];
const field = (of: (band: number, frame: number) => number) =>
  Float64Array.from({ length: F * T }, (_, i) => of(Math.floor(i / T), i % T));
const noise = field((band, frame) => Math.sin(3 * band + 5 * frame));

/** The field after some lines of one stroke. */
function drawn(start: Float64Array, width: number, tool: StrokeTool, amount: number, spots: Spot[]) {
  const stroke = new Stroke(start, F, T, width, tool, amount);
  const after = Float64Array.from(start);
  spots.forEach((spot, i) => {
    for (const cell of stroke.sweep(spots[Math.max(i - 1, 0)], spot)) {
      after[cell.band * T + cell.frame] = cell.value;
    }
  });
  return after;
}

describe("a stroke", () => {
  it("adds all of its strength in the middle and, as a cosine, less towards the edge of the brush", () => {
    const after = drawn(noise, 3, "add", 0.5, [{ band: 2, frame: 4 }]);
    const at = (band: number, frame: number) => after[band * T + frame] - noise[band * T + frame];
    // The brush of 3 cells reaches 2 cells from its middle.
    const share = (distance: number) => (1 + Math.cos((Math.PI * distance) / 2)) / 2;
    expect(at(2, 4)).toBeCloseTo(0.5, 12);
    expect(at(2, 5)).toBeCloseTo(0.5 * share(1), 12);
    expect(at(1, 3)).toBeCloseTo(0.5 * share(Math.SQRT2), 12);
    expect(at(2, 6)).toBe(0);
    expect(at(0, 4)).toBe(0);
  });

  it("of the smallest brush paints a row of cells", () => {
    const after = drawn(noise, 1, "subtract", 2, [
      { band: 3.3, frame: 1.4 },
      { band: 2.8, frame: 5.2 },
    ]);
    for (let i = 0; i < F * T; i++) {
      const inside = Math.floor(i / T) === 3 && i % T >= 1 && i % T <= 5;
      expect(after[i]).toBeCloseTo(noise[i] - (inside ? 2 : 0), 12);
    }
  });

  const spot = fc.record({
    band: fc.double({ min: -2, max: F + 1, noNaN: true }),
    frame: fc.double({ min: -2, max: T + 1, noNaN: true }),
  });
  const width = fc.integer({ min: 2, max: 9 });

  it("does not depend on how often the pointer reports, nor on how often it passes", () => {
    fc.assert(
      fc.property(spot, spot, fc.double({ min: 0, max: 1, noNaN: true }), width, (a, b, share, wide) => {
        const between = {
          band: a.band + share * (b.band - a.band),
          frame: a.frame + share * (b.frame - a.frame),
        };
        const once = drawn(noise, wide, "add", 1, [a, b]);
        const often = drawn(noise, wide, "add", 1, [a, between, b, a, between, b]);
        once.forEach((value, i) => {
          expect(often[i]).toBeCloseTo(value, 6);
        });
      }),
    );
  });

  it("erases to 0, smooths what is uneven and leaves what is even", () => {
    fc.assert(
      fc.property(spot, spot, width, (a, b, wide) => {
        const even = field(() => 0.75);
        for (const value of drawn(even, wide, "smooth", 1, [a, b])) expect(value).toBeCloseTo(0.75, 12);
        drawn(noise, wide, "erase", 1, [a, b]).forEach((value, i) => {
          expect(Math.abs(value)).toBeLessThanOrEqual(Math.abs(noise[i]));
        });
      }),
    );
    const gone = drawn(noise, 1, "erase", 1, [{ band: 1, frame: 1 }]);
    expect(gone[T + 1]).toBe(0);
    // Of a single peak three rounds of 1/4, 1/2, 1/4 leave (20/64)^2.
    const peak = field((band, frame) => (band === 3 && frame === 4 ? 1 : 0));
    const smooth = drawn(peak, 9, "smooth", 1, [{ band: 3, frame: 4 }]);
    expect(smooth[3 * T + 4]).toBeCloseTo((20 / 64) ** 2, 12);
  });
});
