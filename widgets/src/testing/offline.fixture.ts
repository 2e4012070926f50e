/** What Python writes for a page without a kernel, from the model of the shared vectors. */

import vectors from "../../../tests/vectors/forward.json";
import type { Info } from "../kernel/contract";
import type { Saved } from "../offline/saved-page";
import { INFO } from "./bench.fixture";

type Vector = (typeof vectors)[number];
export const [vector] = vectors;
/** Models whose field is free, and a product. */
export const full = vectors.find((v) => v.kind === "full") as Vector;
export const separable = vectors.find((v) => v.kind === "separable") as Vector;

const encode = (values: ArrayLike<number>) =>
  btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(values).buffer)));

/** A page with one neuron for each weight of the first Gaussian; one bin of its recording is missing. */
export function savedPage(weights: number[], limits: Info["limits"] = {}, of: Vector = vector): Saved {
  const info: Info = {
    ...INFO,
    kind: of.kind as Info["kind"],
    columns: of.columns,
    n_neurons: weights.length,
    n_bands: of.F,
    n_lags: of.T,
    n_channels: of.n_channels,
    n_gaussians: of.n_gaussians,
    n_frames: of.stimulus.length / of.F,
    dt_ms: of.dt_ms,
    delay_ms: 0,
    prefilter: of.prefilter as Info["prefilter"],
    activation: of.activation,
    local: true,
    limits: {
      "strf.band": [0, of.F - 1],
      "strf.frame": [0, of.T - 1],
      "strf.sigma_bands": [0.27, of.F],
      "strf.sigma_frames": [0.27, of.T],
      ...limits,
    },
  };
  const neuron = (weight: number) => {
    const factors = encode(of.factors.map((_, i) => Math.sin(weight + i)));
    const gaussians = encode(of.gaussians.map((v, i) => (i === 4 ? weight : v)));
    const [kernel, curve, rate] = [of.kernel, of.curve, of.rate].map(encode);
    return {
      gaussians,
      trained_gaussians: gaussians,
      kernel,
      trained_kernel: kernel,
      activation: curve,
      trained_activation: curve,
      affine: encode(of.affine),
      trained_affine: encode(of.affine),
      factors,
      trained_factors: factors,
      rate,
      trained_rate: rate,
      psth: encode(of.rate.map((v, i) => (i === 3 ? Number.NaN : v))),
    };
  };
  return {
    view: "explorer",
    info,
    origin: { n_neurons: weights.length, neurons: weights.map((_, i) => i), sounds: [0], fixed: [] },
    cf_hz: encode(of.cf_hz),
    stimulus: encode(of.stimulus),
    bins: [info.n_frames],
    half: false,
    prefilter: encode(of.rows),
    trained_prefilter: encode(of.rows),
    neuron: 0,
    channel: 0,
    neurons: weights.map(neuron),
  };
}
