import { describe, expect, it } from "vitest";
import { histogram, quantiles, recordedMeans, sharesBeyond } from "./drive-summary";

describe("the drive in numbers", () => {
  it("has quantiles that occur, without the gaps", () => {
    const values = [5, 1, Number.NaN, 3, 2, 4, Number.POSITIVE_INFINITY];
    expect(quantiles(values, 0, 0.5, 1)).toEqual([1, 3, 5]);
    expect(quantiles([Number.NaN], 0.5)).toBeNull();
    expect(quantiles([-10, 9, -1], 0, 1)).toEqual([-10, 9]);
  });

  it("is counted in bins whose edges are multiples of their width", () => {
    // 0.5 belongs to [0.5, 1); 7 and NaN lie in no bin and still count as time.
    const { from, width, share } = histogram([-0.2, 0.5, 0.6, 7, Number.NaN], 0.5, -0.3, 1.1);
    expect([from, width]).toEqual([-0.5, 0.5]);
    expect([...share]).toEqual([0.2, 0, 0.4, 0]);
    expect(histogram([1], 0.5, 2, 1).share).toHaveLength(0);
  });

  it("has the mean and the standard error of what was recorded in each", () => {
    const drive = [0.1, 0.3, 0.2, 1.5, 1.7, 1.6, 1.9, -4];
    const recorded = [1, 3, Number.NaN, 0, 2, 2, 4, 9];
    const means = recordedMeans(drive, recorded, 1, 0, 2, 2);
    // 1 and 3: variance 2, error sqrt(2 / 2) = 1. 0, 2, 2, 4: variance 8 / 3, error sqrt(8 / 12).
    expect(means).toEqual([
      { drive: expect.closeTo(0.2, 12), rate: 2, error: expect.closeTo(1, 12), count: 2 },
      { drive: expect.closeTo(1.675, 12), rate: 2, error: expect.closeTo(Math.sqrt(2 / 3), 12), count: 4 },
    ]);
    expect(recordedMeans(drive, recorded, 1, 0, 2, 3)).toHaveLength(1);
    expect(recordedMeans([0.5], [2], 1, 0, 1, 1)).toEqual([{ drive: 0.5, rate: 2, error: 0, count: 1 }]);
  });

  it("has shares of the time at its ends", () => {
    expect(sharesBeyond([0, 0.5, 1, 2], 0, 1)).toEqual([0.25, 0.5]);
    expect(sharesBeyond([], 0, 1)).toEqual([0, 0]);
  });
});
