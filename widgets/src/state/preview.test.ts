import { describe, expect, it } from "vitest";
import vectors from "../../../tests/vectors/forward.json";
import type { Info } from "../kernel/contract";
import { INFO } from "../testing/bench.fixture";
import { NOTHING, Preview } from "./preview";

const [vector] = vectors;
const AXES = { cfHz: vector.cf_hz, F: vector.F, T: vector.T, dtMs: vector.dt_ms, delayMs: 0 };
const FRAMES = vector.stimulus.length / vector.F;
/** What no forward pass gives: it tells the kernel's response from the page's own. */
const SAID = new Float32Array(FRAMES).fill(-7);

function made(over: Partial<Info> = {}) {
  const info = {
    ...INFO,
    n_bands: vector.F,
    n_lags: vector.T,
    n_channels: vector.n_channels,
    n_gaussians: vector.n_gaussians,
    n_frames: FRAMES,
    dt_ms: vector.dt_ms,
    delay_ms: 0,
    prefilter: vector.prefilter as Info["prefilter"],
    activation: vector.activation,
    local: true,
    limits: {},
    ...over,
  };
  const preview = new Preview();
  preview.begin(info, AXES, Float32Array.from(vector.stimulus));
  preview.adopt({
    ...NOTHING(),
    gaussians: Float64Array.from(vector.gaussians),
    kernel: Float64Array.from(vector.kernel),
    prefilter: Float64Array.from(vector.rows),
    activation: Float64Array.from(vector.curve),
    folding: Float64Array.from(vector.folding),
    rate: SAID,
  });
  return preview;
}
const largest = (values: ArrayLike<number>, of: (v: number, i: number) => number) =>
  Math.max(...Array.from(values, (v, i) => Math.abs(of(v, i))));

describe("the numbers on screen", () => {
  it("are the kernel's until a hand is ahead, and again when they are adopted", () => {
    const preview = made();
    expect(preview.rate).toBe(SAID);
    const b = { name: "activation.b", index: [0] };
    const before = preview.read(b);
    preview.write({ ...b, value: before + 0.5 });
    expect(preview.read(b)).toBe(before + 0.5);
    // The baseline adds to the rate; the stimulus came as float32.
    expect(largest(preview.rate, (rate, i) => rate - vector.rate[i] - 0.5)).toBeLessThan(1e-5);
    preview.follow(SAID);
    expect(preview.rate).not.toBe(SAID);
    preview.adopt({ ...NOTHING(), rate: SAID });
    expect(preview.rate).toBe(SAID);
  });

  it.each([
    ["prefilter.tau_on_ms", [2], 40],
    ["prefilter.w", [0], 0.9],
    ["strf.weight", [0, 1, 2], 3],
    ["strf.frame", [0, 0, 1], 2.5],
    ["strf.band", [0, 0, 1], 3.25],
    ["strf.sigma_bands", [0, 0, 1], 0.75],
    ["strf.sigma_frames", [0, 0, 1], 0.75],
  ])("follow %s into the response", (name, index, value) => {
    const preview = made();
    preview.write({ name, index, value });
    expect(preview.read({ name, index })).toBe(value);
    expect(largest(preview.rate, (rate, i) => rate - vector.rate[i])).toBeGreaterThan(1e-4);
  });

  it("of a model that only the kernel can compute keep its response, and take each new one", () => {
    const preview = made({ local: false });
    preview.write({ name: "strf.weight", index: [0, 0, 0], value: 3 });
    expect(preview.rate).toBe(SAID);
    expect(preview.drive).toBeNull();
    expect(preview.adapted).toBeNull();
    const news = new Float32Array(FRAMES);
    preview.follow(news);
    expect(preview.rate).toBe(news);
  });

  it("know no other parameters", () => {
    const preview = made();
    for (const name of ["strf.colour", "prefilter.colour", "activation.colour", "readout.b", ""]) {
      expect(preview.read({ name, index: [0, 0, 0] })).toBeNaN();
      preview.write({ name, index: [0, 0, 0], value: 1 });
    }
    expect(preview.rate).toBe(SAID);
  });

  it("are a free field's cells as they are painted, and the trained ones again", () => {
    const full = vectors.find((v) => v.kind === "full") as (typeof vectors)[number];
    const info: Info = {
      ...INFO,
      ...{ n_bands: full.F, n_lags: full.T, n_channels: full.n_channels, n_gaussians: 0, n_frames: FRAMES },
      ...{ kind: "full", local: true, limits: {}, dt_ms: full.dt_ms },
      prefilter: full.prefilter as Info["prefilter"],
      activation: full.activation,
    };
    const preview = new Preview();
    preview.begin(info, { ...AXES, cfHz: full.cf_hz }, Float32Array.from(full.stimulus));
    const kernel = Float64Array.from(full.kernel);
    preview.adopt({
      ...NOTHING(),
      kernel,
      prefilter: Float64Array.from(full.rows),
      activation: Float64Array.from(full.curve),
      folding: Float64Array.from(full.folding),
      rate: SAID,
    });
    const cell = { name: "strf.kernel", index: [0, 1, 2, 3] };
    const at = (full.F + 2) * full.T + 3;
    expect(preview.read(cell)).toBe(kernel[at]);
    preview.write({ ...cell, value: kernel[at] + 1 });
    expect(preview.kernel[at]).toBe(kernel[at] + 1);
    expect(kernel[at]).toBe(full.kernel[at]);
    // One cell more is its gain times what was heard at its lag.
    const [gain, lag] = [full.folding[1], full.T - 1 - 3];
    const heard = full.adapted.slice((full.F + 2) * FRAMES, (full.F + 3) * FRAMES);
    const drive = preview.drive as Float64Array;
    expect(largest(drive, (v, t) => v - full.drive[t] - (t < lag ? 0 : gain * heard[t - lag]))).toBeLessThan(
      1e-5,
    );
    preview.repaint(kernel, new Float64Array(0));
    expect(preview.read(cell)).toBe(kernel[at]);
    expect(largest(preview.rate, (rate, t) => rate - full.rate[t])).toBeLessThan(1e-5);
    expect(preview.read({ ...cell, index: [0, 9, 0, 0] })).toBeNaN();
  });
});
