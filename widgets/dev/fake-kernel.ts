/** A stand-in for the kernel: made-up neurons, and answers to edits after a delay. */

import { type Answer, COLUMNS, type Edit, type Info, type Request } from "../src/contract";
import { StaticModel } from "../src/host";
import { kernelOf } from "../src/math/field";

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

/** Uniform numbers in [0, 1) that depend on the seed alone. */
function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const view = (values: ArrayLike<number>) => new DataView(Float32Array.from(values).buffer);

export function fakeModel(options: Options): StaticModel {
  const { channels: C, frames: n, neurons: N } = options;
  const mel = (hz: number) => 2595 * Math.log10(1 + hz / 700);
  const cfHz = Float64Array.from({ length: F }, (_, i) => {
    const m = mel(500) + ((mel(20000) - mel(500)) * i) / (F - 1);
    return 700 * (10 ** (m / 2595) - 1);
  });
  const axes = { cfHz, F, T, dtMs: DT };

  const next = random(7);
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
  const drive = new Float32Array(C * F * n);
  for (let f = 0; f < F; f++) {
    let mean = stimulus[f * n];
    for (let t = 0; t < n; t++) {
      const x = stimulus[f * n + t];
      mean += 0.06 * (x - mean);
      drive[f * n + t] = C > 1 ? Math.max(x - mean, 0) : x - 40;
      if (C > 1) drive[(F + f) * n + t] = Math.max(mean - x, 0);
    }
  }
  const gaussiansOf = (neuron: number) => {
    const r = random(100 + neuron);
    const all: number[] = [];
    for (let k = 0; k < C * G; k++) {
      const hz = 700 * 2 ** (4.2 * r());
      const weight = k % G === 3 && k < G ? 0 : (r() < 0.6 ? 1 : -1) * (0.15 + r());
      all.push(hz, 8 + 90 * r() ** 1.5, 0.12 + 0.4 * r(), 5 + 18 * r(), weight);
    }
    return Float64Array.from(all);
  };
  const rateOf = (kernel: ArrayLike<number>) => {
    const rate = new Float64Array(n);
    for (let t = 0; t < n; t++) {
      let sum = 0;
      for (let c = 0; c < C; c++) {
        for (let f = 0; f < F; f++) {
          for (let j = Math.max(0, T - 1 - t); j < T; j++) {
            sum += kernel[(c * F + f) * T + j] * drive[(c * F + f) * n + t - T + 1 + j];
          }
        }
      }
      rate[t] = Math.log1p(Math.exp(Math.min(0.4 * sum - 0.4, 30))) * 0.22;
    }
    return rate;
  };
  const correlation = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
    for (let i = 0; i < n; i++) {
      sa += a[i];
      sb += b[i];
      saa += a[i] ** 2;
      sbb += b[i] ** 2;
      sab += a[i] * b[i];
    }
    return (n * sab - sa * sb) / Math.sqrt((n * saa - sa * sa) * (n * sbb - sb * sb));
  };

  const edited = new Map<number, Float64Array>();
  const cells = (neuron: number) => edited.get(neuron) ?? gaussiansOf(neuron);
  const neuronState = (neuron: number) => {
    const [trained, now] = [gaussiansOf(neuron), cells(neuron)];
    const [trainedKernel, kernel] = [trained, now].map((g) => kernelOf(g, G, axes));
    const [trainedRate, rate] = [trainedKernel, kernel].map(rateOf);
    const r = random(9 + neuron);
    const psth = trainedRate.map((v, t) => {
      const heard = v * 0.8 + 0.1 * Math.sin(t / 9);
      return t % 700 > 660 ? Number.NaN : Math.max(heard + (r() - 0.5) * 0.35, 0);
    });
    const filled = psth.map((v) => (Number.isNaN(v) ? 0 : v));
    return {
      of_neuron: neuron,
      gaussians: view(now),
      trained_gaussians: view(trained),
      kernel: view(kernel),
      trained_kernel: view(trainedKernel),
      rate: view(rate),
      trained_rate: view(trainedRate),
      psth: options.responses ? view(psth) : view([]),
      score: options.responses ? correlation(rate, filled) : null,
      trained_score: options.responses ? correlation(trainedRate, filled) : null,
      edited: edited.has(neuron),
    };
  };

  const past: { gesture: string; neuron: number; before: Float64Array }[] = [];
  const future: { neuron: number; after: Float64Array; gesture: string }[] = [];
  let inbox: { request: Request; numbers: Float32Array }[] = [];

  const apply = ({ request, numbers }: { request: Request; numbers: Float32Array }): number => {
    if (request.type === "edit") {
      const neuron = request.edits[0]?.index[0] ?? (model.get("neuron") as number);
      const now = Float64Array.from(cells(neuron));
      if (past.at(-1)?.gesture !== request.gesture && request.edits.length) {
        past.push({ gesture: request.gesture, neuron, before: Float64Array.from(cells(neuron)) });
        future.length = 0;
      }
      request.edits.forEach((edit: Edit, i) => {
        const [, c, g] = edit.index;
        const column = COLUMNS.findIndex((name) => edit.name === `strf.${name}`);
        now[5 * (c * G + g) + column] = numbers[i];
      });
      edited.set(neuron, now);
      return neuron;
    }
    if (request.type === "undo") {
      const entry = past.pop();
      if (entry) {
        future.push({ ...entry, after: Float64Array.from(cells(entry.neuron)) });
        edited.set(entry.neuron, entry.before);
        return entry.neuron;
      }
    } else if (request.type === "redo") {
      const entry = future.pop();
      if (entry) {
        past.push({ ...entry, before: Float64Array.from(cells(entry.neuron)) });
        edited.set(entry.neuron, entry.after);
        return entry.neuron;
      }
    } else if (request.type === "revert" && request.index) {
      const [neuron, c, g] = request.index;
      past.push({ gesture: `revert-${past.length}`, neuron, before: Float64Array.from(cells(neuron)) });
      const now = Float64Array.from(cells(neuron));
      const trained = gaussiansOf(neuron);
      if (c === undefined) now.set(trained);
      else now.set(trained.subarray(5 * (c * G + g), 5 * (c * G + g) + 5), 5 * (c * G + g));
      edited.set(neuron, now);
      return neuron;
    }
    return model.get("neuron") as number;
  };

  const work = () => {
    const burst = inbox;
    inbox = [];
    if (burst.length === 0) return;
    const started = performance.now();
    let neuron = 0;
    for (const item of burst) neuron = apply(item);
    const last = burst.at(-1)!.request;
    const state = neuronState(neuron);
    const settled = burst.some(({ request }) => request.type !== "edit" || request.phase === "end");
    const answer: Answer = {
      type: "answer",
      client: last.client,
      seq: last.seq,
      work_ms: performance.now() - started,
      neuron,
      settled,
      score: state.score,
      can_undo: past.length > 0,
      can_redo: future.length > 0,
      parts: ["gaussians", "kernel", "rate"],
    };
    model.message(answer, [state.gaussians, state.kernel, state.rate]);
    if (settled) update({ ...state, can_undo: answer.can_undo, can_redo: answer.can_redo });
  };

  const model = new StaticModel({}, (content, buffers) => {
    const request = content as Request;
    inbox.push({ request, numbers: buffers[0] ? new Float32Array(buffers[0]) : new Float32Array(0) });
    setTimeout(work, options.delay);
  });
  const update = (state: Record<string, unknown>) => {
    for (const [name, value] of Object.entries(state)) model.set(name, value);
  };
  model.saved = (changes) => {
    for (const [name, value] of changes) {
      if (name === "neuron") setTimeout(() => update(neuronState(value as number)), options.delay);
    }
  };
  const info: Info = {
    model: "LinearNonlinear",
    n_neurons: N,
    n_bands: F,
    n_lags: T,
    n_channels: C,
    n_gaussians: options.kind === "gaussians" ? G : 0,
    n_frames: n,
    dt_ms: DT,
    kind: options.kind,
    channel_names: C > 1 ? ["ON", "OFF"] : ["input"],
    neuron_names: Array.from({ length: N }, (_, i) => `unit_${String(i).padStart(4, "0")}`),
    stimulus_unit: "dB",
    rate_unit: "spikes/bin",
    has_responses: options.responses,
    prefilter: { kind: "none", label: "Identity", rows: [], taps: 1 },
    activation: { kind: "other", label: "", names: [] },
    local: false,
    locked: [],
    limits: {
      "strf.center_hz": [cfHz[0], cfHz[F - 1]],
      "strf.center_ms": [0, (T - 1) * DT],
      "strf.sigma_bands": [0.27, F],
      "strf.sigma_ms": [0.27 * DT, T * DT],
      "strf.weight": [null, null],
    },
  };
  update({
    view: options.view,
    info,
    cf_hz: view(cfHz),
    stimulus: view(stimulus),
    neuron: 0,
    channel: 0,
    selected: -1,
    can_undo: false,
    can_redo: false,
    error: "",
    ...neuronState(0),
  });
  model.save_changes();
  return model;
}
