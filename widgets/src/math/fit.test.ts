import { describe, expect, it } from "vitest";
import { levelOf } from "./fit";

const NAN = Number.NaN;
const correlation = (x: number[], y: number[]) => levelOf(x, y).r;
const RECORDED = [0, 2, 4, 2];

describe("a prediction", () => {
  // Mean 2, variance 2 of the recorded response; the numbers follow from 1 - mean((y - x)²) / 2 by hand.
  it.each([
    ["itself", [0, 2, 4, 2], 1, 1, 0, ""],
    ["a tenth of it around its mean", [1.8, 2, 2.2, 2], 1, 0.19, 0, "too flat"],
    ["twice as steep", [-2, 2, 6, 2], 1, 0, 0, "too steep"],
    ["2 higher", [2, 4, 6, 4], 1, -1, 1, "mean too high"],
    ["2 lower", [-2, 0, 2, 0], 1, -1, -1, "mean too low"],
    ["upside down", [4, 2, 0, 2], -1, -3, 0, "too steep"],
  ])("that is %s", (_, predicted, r, explained, bias, mismatch) => {
    const level = levelOf(predicted, RECORDED);
    expect(level.r).toBeCloseTo(r, 9);
    expect(level.explained).toBeCloseTo(explained, 9);
    expect(level.rate_bias).toBeCloseTo(bias, 9);
    expect(level.mismatch).toBe(mismatch);
  });

  it("counts the recorded bins only, and is undefined without two of them or without variance", () => {
    expect(levelOf([0, 2, 4, 2, 99], [...RECORDED, NAN]).explained).toBeCloseTo(1, 9);
    expect(levelOf([1], [1])).toEqual({ r: null, explained: null, rate_bias: null, mismatch: "" });
    expect(levelOf([1, 2], [3, 3]).explained).toBeNull();
    expect(levelOf([2, 2, 2, 2], RECORDED)).toMatchObject({ r: null, explained: 0, mismatch: "" });
  });
});

describe("correlation", () => {
  it("leaves out what was not recorded", () => {
    expect(correlation([1, 2, 9, 3], [2, 4, Number.NaN, 6])).toBeCloseTo(1, 12);
    expect(correlation([1, 2, 3], [6, 4, 2])).toBeCloseTo(-1, 12);
    expect(correlation([1, 1, 1], [1, 2, 3])).toBeNull();
    expect(correlation([1, 2], [])).toBeNull();
  });
});
