import { describe, expect, it } from "vitest";
import models from "../../../tests/vectors/forward.json";
import vectors from "../../../tests/vectors/units.json";
import { changed, fieldOf, kernelOf, type Limits, limitsOf, naturalUnits } from "./field";
import { gaussianMixtureKernel, MIN_SIGMA } from "./gaussians";

const cfHz = [500, 900, 2000, 4100, 8000, 9000];
const axes = { cfHz, F: 6, T: 10, dtMs: 5, delayMs: 0 };
const limits: Limits = {
  "strf.band": [0, 5],
  "strf.frame": [0, 9],
  "strf.sigma_bands": [MIN_SIGMA, 6],
  "strf.sigma_frames": [MIN_SIGMA, 10],
  "strf.weight": [null, null],
};
const g = { band: 2.1, frame: 6.6, sigma_bands: 0.8, sigma_frames: 1.8, weight: -0.5 };

describe("a Gaussian on its grid", () => {
  it("keeps its width in bands when its centre moves", () => {
    const moved = changed(g, { band: 0.7 }, limits);
    expect(moved).toEqual({ ...g, band: 0.7 });
    expect(naturalUnits(moved, axes).octaves).not.toBeCloseTo(naturalUnits(g, axes).octaves, 3);
  });

  it("is shown in the units of Python", () => {
    const { cf_hz, band, band_to_hz, octaves_per_band } = vectors.frequency[1];
    const [{ T, dt_ms, delay_ms, frame, frame_to_lag_ms }] = vectors.lag;
    band.forEach((at, i) => {
      const j = i % frame.length;
      const shown = naturalUnits(
        { ...g, band: at, frame: frame[j] },
        { cfHz: cf_hz, F: cf_hz.length, T, dtMs: dt_ms, delayMs: delay_ms },
      );
      expect(shown.hz / band_to_hz[i]).toBeCloseTo(1, 12);
      expect(shown.octaves).toBeCloseTo(0.8 * octaves_per_band[i], 12);
      expect([shown.lagMs, shown.ms]).toEqual([expect.closeTo(frame_to_lag_ms[j], 9), 1.8 * dt_ms]);
    });
  });

  it("stays within the limits", () => {
    expect(changed(g, { band: -1 }, limits).band).toBe(0);
    expect(changed(g, { frame: 11 }, limits).frame).toBe(9);
    expect(changed(g, { weight: 1e6 }, limits).weight).toBe(1e6);
    const narrow = changed(g, { sigma_bands: 0, sigma_frames: 0 }, limits);
    expect([narrow.sigma_bands, narrow.sigma_frames]).toEqual([MIN_SIGMA, MIN_SIGMA]);
    expect(limitsOf("strf.sigma_bands", limits)).toEqual([MIN_SIGMA, 6]);
    expect(limitsOf("strf.weight", limits)).toEqual([-Infinity, Infinity]);
  });

  it("leaves alone what is not changed, even where training left it outside the limits", () => {
    const outside = { ...g, band: 8.5, frame: 12 };
    const next = changed(outside, { weight: 1 }, limits);
    expect(next).toEqual({ ...outside, weight: 1 });
  });

  it("ignores what is not a number", () => {
    expect(changed(g, { weight: Number.NaN, band: Number.POSITIVE_INFINITY }, limits)).toEqual(g);
  });
});

it("kernelOf is the mixture of the Gaussians on the grid", () => {
  const direct = gaussianMixtureKernel(
    [g.band, g.frame],
    [g.sigma_bands - MIN_SIGMA, g.sigma_frames - MIN_SIGMA],
    [g.weight],
    6,
    10,
  );
  const made = kernelOf([g.band, g.frame, g.sigma_bands, g.sigma_frames, g.weight], 1, axes);
  made.forEach((v, i) => {
    expect(v).toBeCloseTo(direct[i], 12);
  });
});

it("a separable field is, channel by channel, the product of the two profiles in every cell", () => {
  const frequency = [2, 3, 5, 7];
  const time = [11, 13, 17, 19, 23, 29];
  const columns = [
    { name: "strf.factor_f", shape: [2, 2] },
    { name: "strf.factor_t", shape: [2, 3] },
  ];
  const values = Float64Array.from([...frequency, ...time]);
  const field = fieldOf({ kind: "separable", n_channels: 2, columns }, values, { ...axes, F: 2, T: 3 });
  expect([...field]).toEqual([22, 26, 34, 33, 39, 51, 95, 115, 145, 133, 161, 203]);
});

it.each(models.filter(({ columns }) => columns.length > 0))("fieldOf is torch's kernel ($name)", (model) => {
  const { F, T, factors, kernel } = model;
  const field = fieldOf(model, Float64Array.from(factors), { ...axes, F, T });
  expect(field).toHaveLength(kernel.length);
  for (const [i, value] of kernel.entries()) expect(field[i]).toBeCloseTo(value, 9);
});

it.each(models.filter(({ kind }) => kind === "gaussians"))("kernelOf is torch's kernel ($name)", (model) => {
  const { gaussians, n_gaussians, kernel, F, T } = model;
  const field = kernelOf(gaussians, n_gaussians, { ...axes, F, T });
  expect(field).toHaveLength(kernel.length);
  for (const [i, value] of kernel.entries()) expect(field[i]).toBeCloseTo(value, 9);
});
