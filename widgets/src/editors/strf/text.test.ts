import { describe, expect, it } from "vitest";
import { AXES, INFO } from "../../testing/bench.fixture";
import { plainText, tuningText } from "./text";

/** A field of zeros with these weights at (band, frame). */
function field(...weights: [band: number, frame: number, weight: number][]): Float64Array {
  const made = new Float64Array(AXES.F * AXES.T);
  for (const [band, frame, weight] of weights) made[band * AXES.T + frame] = weight;
  return made;
}
const read = (of: Float64Array) => tuningText(of, AXES, INFO.unheard, 0);

it("a field of another kind is said to be edited from Python, and only Gaussians have handles", () => {
  expect(plainText("gaussians")).toBeUndefined();
  for (const kind of ["full", "separable", "ripple"]) expect(plainText(kind)).toMatch(/edited from Python/);
});

describe("the tuning of a field", () => {
  it("is of its excitation where that is the larger", () => {
    expect(read(field([1, 3, 2], [2, 1, -1]))).toMatch(/^best 2\.0 kHz · latency 10 ms/);
  });

  it("is of its inhibition where that is the larger, and says so", () => {
    expect(read(field([1, 3, 1], [2, 1, -2]))).toMatch(/^inhibition 4\.0 kHz · latency 30 ms/);
    expect(read(field([0, 4, -0.1]))).toMatch(/^inhibition 1\.0 kHz · latency 0\.0 ms/);
  });

  it("is shorter where there is little room, with the same numbers", () => {
    const text = tuningText(field([1, 3, 1], [2, 1, -2]), AXES, INFO.unheard, 0, true);
    expect(text).toMatch(/^inhibition 4\.0 kHz · 30 ms · sep\. [0-9.]+/);
  });

  it("is none of an empty field", () => {
    expect(read(field())).toMatch(/^no excitation/);
  });
});
