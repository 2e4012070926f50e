/** Made-up neurons in a page without a kernel, which answers after a delay. */

import { floats } from "../src/base/bytes";
import type { Info } from "../src/kernel/contract";
import { seeded } from "../src/math/sound";
import { type Saved, type SavedNeuron, SavedPageModel } from "../src/offline/saved-page";
import type { StaticModel } from "../src/offline/static-model";

export interface Options {
  view: string;
  kind: Info["kind"];
  neurons: number;
  frames: number;
  channels: number;
  delay: number;
  responses: boolean;
}

const F = 34;
const T = 40;
const G = 4;
const DT = 5;

const encode = (values: ArrayLike<number>) => {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

function madeUpSound(n: number): Float32Array {
  const next = seeded(7);
  const stimulus = new Float32Array(F * n);
  for (let t = 0, centre = 15, level = 0, left = 0; t < n; t++) {
    if (left-- <= 0) {
      centre = 2 + 30 * next();
      level = next() < 0.3 ? 0 : 18 + 22 * next();
      left = 8 + Math.floor(50 * next());
    }
    centre += (next() - 0.5) * 0.8;
    for (let f = 0; f < F; f++) {
      const harmonic =
        Math.exp(-0.5 * ((f - centre) / 1.6) ** 2) + 0.6 * Math.exp(-0.5 * ((f - centre - 8) / 1.3) ** 2);
      stimulus[f * n + t] = 32 + level * harmonic + 5 * next();
    }
  }
  return stimulus;
}

function madeUpNeuron(neuron: number, { channels, kind }: Options): SavedNeuron {
  const r = seeded(100 + neuron);
  const gaussians: number[] = [];
  for (let k = 0; k < channels * G; k++) {
    const band = 2 + (F - 6) * r();
    const weight = k % G === 3 && k < G ? 0 : (r() < 0.6 ? 1 : -1) * (0.15 + r());
    gaussians.push(band, T - 2 - 18 * r() ** 1.5, 0.8 + 2.5 * r(), 1 + 3.6 * r(), weight);
  }
  const kernel = Array.from({ length: channels * F * T }, () => r() - 0.5);
  const [cells, field] = kind === "gaussians" ? [gaussians, []] : [[], kernel];
  const profiles = kind === "separable" ? kernel.slice(0, channels * (F + T)) : [];
  return {
    gaussians: encode(cells),
    trained_gaussians: encode(cells),
    kernel: encode(field),
    trained_kernel: encode(field),
    activation: encode([5, 0.02]),
    trained_activation: encode([5, 0.02]),
    factors: encode(profiles),
    trained_factors: encode(profiles),
    folding: encode([0, 0.05, -0.1]),
    rate: "",
    trained_rate: "",
    psth: "",
  };
}

export function fakeModel(options: Options): StaticModel {
  const { channels: C, frames: n, neurons: N } = options;
  const mel = (hz: number) => 2595 * Math.log10(1 + hz / 700);
  const cfHz = Array.from({ length: F }, (_, i) => {
    const m = mel(500) + ((mel(20000) - mel(500)) * i) / (F - 1);
    return 700 * (10 ** (m / 2595) - 1);
  });
  const adaptive = C > 1;
  const rows = adaptive
    ? [cfHz.map((hz) => 500 - 105 * Math.log10(hz)), cfHz.map(() => 80), cfHz.map(() => 0.75)]
    : [];
  const info: Info = {
    model: "LinearNonlinear",
    n_neurons: N,
    n_bands: F,
    n_lags: T,
    n_channels: C,
    n_gaussians: options.kind === "gaussians" ? G : 0,
    n_frames: n,
    dt_ms: DT,
    delay_ms: 0,
    kind: options.kind,
    channel_names: adaptive ? ["ON", "OFF"] : ["input"],
    neuron_names: Array.from({ length: N }, (_, i) => `unit_${String(i).padStart(4, "0")}`),
    stimulus_unit: "dB",
    rate_unit: "spikes/bin",
    has_responses: options.responses,
    n_trials: 0,
    prefilter: {
      kind: adaptive ? "adaptrans" : "none",
      label: adaptive ? "AdapTrans" : "Identity",
      rows: adaptive ? ["prefilter.tau_on_ms", "prefilter.tau_off_ms", "prefilter.w"] : [],
      taps: adaptive ? 651 : 1,
    },
    activation: { kind: "softplus", label: "ParametricSoftplus", names: ["beta", "b"] },
    local: true,
    locked: [],
    limits: {
      "strf.band": [0, F - 1],
      "strf.frame": [0, T - 1],
      "strf.sigma_bands": [0.27, F],
      "strf.sigma_frames": [0.27, T],
      "strf.weight": [null, null],
      "prefilter.tau_on_ms": [0.1 * DT, 2000],
      "prefilter.tau_off_ms": [0.1 * DT, 2000],
      "prefilter.w": [0.001, 1],
      "activation.beta": [1e-6, null],
      "activation.b": [1e-6, null],
      ...(options.kind === "full" && { "strf.kernel": [null, null] }),
      ...(options.kind === "separable" && { "strf.factor_f": [null, null], "strf.factor_t": [null, null] }),
    },
  };
  const prefilter = encode(rows.flat());
  const saved: Saved = {
    view: options.view,
    info,
    cf_hz: encode(cfHz),
    stimulus: encode(madeUpSound(n)),
    prefilter,
    trained_prefilter: prefilter,
    neuron: 0,
    channel: 0,
    neurons: Array.from({ length: N }, (_, neuron) => madeUpNeuron(neuron, options)),
  };
  if (options.responses) {
    // What was recorded is the model's response with noise and gaps.
    const model = new SavedPageModel(saved, (answer) => answer());
    saved.neurons = saved.neurons.map((one, neuron) => {
      model.set("neuron", neuron);
      model.save_changes();
      const r = seeded(9 + neuron);
      const psth = floats(model.get("rate")).map((v, t) =>
        t % 700 > 660 ? Number.NaN : Math.max(v * 0.8 + 0.1 * Math.sin(t / 9) + (r() - 0.5) * 0.35, 0),
      );
      return { ...one, psth: encode(psth) };
    });
  }
  return new SavedPageModel(saved, (answer) => setTimeout(answer, options.delay));
}
