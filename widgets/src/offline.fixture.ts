/** What Python writes for a page without a kernel, from the model of the shared vectors. */

import vectors from "../../tests/vectors/forward.json";
import { INFO } from "./bench.fixture";
import type { Info } from "./contract";
import type { Saved } from "./offline";

export const [vector] = vectors;

const encode = (values: ArrayLike<number>) =>
  btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(values).buffer)));

/** A page with one neuron for each weight of the first Gaussian; one bin of its recording is missing. */
export function savedPage(weights: number[], limits: Info["limits"] = {}): Saved {
  const info: Info = {
    ...INFO,
    n_neurons: weights.length,
    n_bands: vector.F,
    n_lags: vector.T,
    n_channels: vector.n_channels,
    n_gaussians: vector.n_gaussians,
    n_frames: vector.stimulus.length / vector.F,
    dt_ms: vector.dt_ms,
    prefilter: vector.prefilter as Info["prefilter"],
    activation: vector.activation,
    local: true,
    limits,
  };
  const neuron = (weight: number) => {
    const gaussians = encode(vector.gaussians.map((v, i) => (i === 4 ? weight : v)));
    const [kernel, curve, rate] = [vector.kernel, vector.curve, vector.rate].map(encode);
    return {
      gaussians,
      trained_gaussians: gaussians,
      kernel,
      trained_kernel: kernel,
      activation: curve,
      trained_activation: curve,
      folding: encode(vector.folding),
      rate,
      trained_rate: rate,
      psth: encode(vector.rate.map((v, i) => (i === 3 ? Number.NaN : v))),
    };
  };
  return {
    view: "explorer",
    info,
    cf_hz: encode(vector.cf_hz),
    stimulus: encode(vector.stimulus),
    prefilter: encode(vector.rows),
    trained_prefilter: encode(vector.rows),
    neuron: 0,
    channel: 0,
    neurons: weights.map(neuron),
  };
}
