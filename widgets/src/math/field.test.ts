import { describe, expect, it } from "vitest";
import type { Info } from "../kernel/contract";
import { changed, kernelOf, limitsOf, offGrid, onGrid } from "./field";
import { gaussianMixtureKernel, MIN_SIGMA } from "./gaussians";
import { octavesPerBand } from "./units";

const cfHz = [500, 900, 2000, 4100, 8000, 9000];
const axes = { cfHz, F: 6, T: 10, dtMs: 5 };
const info = {
  limits: {
    "strf.center_hz": [500, 9000],
    "strf.center_ms": [0, 45],
    "strf.sigma_bands": [MIN_SIGMA, 6],
    "strf.sigma_ms": [MIN_SIGMA * 5, 50],
    "strf.weight": [null, null],
  },
} as unknown as Info;
const g = { center_hz: 2100, center_ms: 12, sigma_oct: 0.8, sigma_ms: 9, weight: -0.5 };

describe("a Gaussian in natural units", () => {
  it("returns from the grid", () => {
    const back = offGrid(onGrid(g, axes), g.weight, axes);
    for (const [name, value] of Object.entries(g)) {
      expect(back[name as keyof typeof g]).toBeCloseTo(value, 9);
    }
  });

  it("keeps its width in bands when its centre moves", () => {
    const moved = changed(g, { center_hz: 700 }, info, axes);
    expect(onGrid(moved, axes).sigmaBands).toBeCloseTo(onGrid(g, axes).sigmaBands, 10);
    expect(moved.sigma_oct).not.toBeCloseTo(g.sigma_oct, 3);
  });

  it("stays within the limits", () => {
    expect(changed(g, { center_hz: 1 }, info, axes).center_hz).toBe(500);
    expect(changed(g, { center_ms: -3 }, info, axes).center_ms).toBe(0);
    expect(changed(g, { weight: 1e6 }, info, axes).weight).toBe(1e6);
    const narrow = changed(g, { sigma_oct: 0, sigma_ms: 0 }, info, axes);
    const { band, sigmaBands, sigmaFrames } = onGrid(narrow, axes);
    expect(sigmaBands).toBeCloseTo(MIN_SIGMA, 12);
    expect(sigmaFrames).toBeCloseTo(MIN_SIGMA, 12);
    expect(limitsOf("sigma_oct", narrow, info, axes)[1]).toBeCloseTo(6 * octavesPerBand(band, cfHz), 12);
  });

  it("leaves alone what is not changed, even where training left it outside the limits", () => {
    const outside = { ...g, center_hz: 20_000, center_ms: -10 };
    const next = changed(outside, { weight: 1 }, info, axes);
    expect(next).toEqual({ ...outside, weight: 1 });
  });

  it("ignores what is not a number", () => {
    expect(changed(g, { weight: Number.NaN, center_hz: Number.POSITIVE_INFINITY }, info, axes)).toEqual(g);
  });
});

it("kernelOf is the mixture of the Gaussians on the grid", () => {
  const p = onGrid(g, axes);
  const direct = gaussianMixtureKernel(
    [p.band, p.frame],
    [p.sigmaBands - MIN_SIGMA, p.sigmaFrames - MIN_SIGMA],
    [g.weight],
    6,
    10,
  );
  const natural = kernelOf([g.center_hz, g.center_ms, g.sigma_oct, g.sigma_ms, g.weight], 1, axes);
  natural.forEach((v, i) => {
    expect(v).toBeCloseTo(direct[i], 12);
  });
});
