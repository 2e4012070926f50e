import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/gaussians.json";
import { gaussianMixtureKernel } from "./gaussians";

describe("gaussianMixtureKernel equals torch in float64", () => {
  it.each(vectors)("$name", ({ P, SIG, weight, F, T, G, kernel }) => {
    const mine = gaussianMixtureKernel(P, SIG, weight, F, T, G);
    expect(mine.length).toBe(kernel.length);
    const worst = Math.max(...kernel.map((value, i) => Math.abs(value - mine[i])));
    expect(worst).toBeLessThan(1e-12);
  });

  it("has the mass of its weights, wherever the centres lie", () => {
    const kernel = gaussianMixtureKernel([1e4, -1e4], [0, 0], [0.7], 5, 6);
    expect(kernel.reduce((sum, v) => sum + v, 0)).toBeCloseTo(0.7, 12);
  });

  it("is empty without Gaussians", () => {
    expect(gaussianMixtureKernel([], [], [], 3, 3).length).toBe(0);
  });
});
