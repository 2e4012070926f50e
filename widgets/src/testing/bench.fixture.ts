/** A small model for tests: 3 neurons, 2 channels, 2 Gaussians, 4 bands, 5 lags, 12 frames. */

import { type Answer, type AnswerPart, type Info, PARTS, type Request } from "../kernel/contract";
import { kernelOf } from "../math/field";
import { StaticModel } from "../offline/static-model";

export const CF = [1000, 2000, 4000, 8000];
export const AXES = { cfHz: CF, F: 4, T: 5, dtMs: 10, delayMs: 0 };
export const INFO: Info = {
  model: "LinearNonlinear",
  n_neurons: 3,
  n_bands: 4,
  n_lags: 5,
  n_channels: 2,
  n_gaussians: 2,
  n_frames: 12,
  sound: 0,
  n_sounds: 1,
  sound_names: ["0"],
  dt_ms: 10,
  delay_ms: 0,
  kind: "gaussians",
  columns: [],
  channel_names: ["ON", "OFF"],
  neuron_names: ["first", "<b>bold</b>", "third"],
  stimulus_unit: "dB",
  rate_unit: "spikes/bin",
  has_responses: true,
  score_over: "all",
  n_trials: 0,
  prefilter: { kind: "none", label: "Identity", rows: [], taps: 1, local: true },
  activation: { kind: "other", label: "", names: [] },
  local: false,
  locked: [],
  restrictions: "",
  unheard: { rows: [], frames: 0, text: "" },
  limits: {
    "strf.band": [0, 3],
    "strf.frame": [0, 4],
    "strf.sigma_bands": [0.27, 4],
    "strf.sigma_frames": [0.27, 5],
    "strf.weight": [null, null],
  },
};

/**
 * Band, frame, widths in bands and in frames, weight of 2 channels x 2 Gaussians. A band is an octave above 1 kHz, a frame
 * 10 ms of lag less than 40 ms.
 */
export const GAUSSIANS = [
  [1, 2, 1, 1, 0.5],
  [2, 1, 0.5, 1.2, -0.25],
  [0, 4, 0.75, 2, 1],
  [3, 0, 1.5, 0.5, 0],
].flat();

export const bytes = (values: ArrayLike<number>) => new DataView(Float32Array.from(values).buffer);

export interface Sent {
  request: Request;
  values: number[];
}

export class Fixture {
  readonly sent: Sent[] = [];
  readonly model: StaticModel;

  constructor(traits: Record<string, unknown> = {}, info: Partial<Info> = {}) {
    const kernel = kernelOf(GAUSSIANS, 2, AXES);
    const rate = Array.from({ length: 12 }, (_, i) => i / 10);
    this.model = new StaticModel(
      {
        view: "explorer",
        info: { ...INFO, ...info },
        cf_hz: bytes(CF),
        stimulus: bytes(Array.from({ length: 48 }, (_, i) => i)),
        neuron: 0,
        of_neuron: 0,
        channel: 0,
        selected: -1,
        gaussians: bytes(GAUSSIANS),
        trained_gaussians: bytes(GAUSSIANS),
        kernel: bytes(kernel),
        trained_kernel: bytes(kernel),
        rate: bytes(rate),
        trained_rate: bytes(rate),
        psth: bytes([...rate.slice(0, 11), Number.NaN]),
        score: 0.5,
        trained_score: 0.5,
        can_undo: false,
        can_redo: false,
        edited: false,
        edits: "",
        error: "",
        ...traits,
      },
      (content, buffers) => {
        const values = buffers[0] ? [...new Float32Array(buffers[0])] : [];
        this.sent.push({ request: content as Request, values });
      },
    );
  }

  get last(): Sent {
    return this.sent.at(-1) as Sent;
  }

  get requests(): Request[] {
    return this.sent.map((s) => s.request);
  }

  /** Answer as the kernel does; arrays by name. */
  answer(over: Partial<Answer>, arrays: Partial<Record<AnswerPart, number[]>> = {}): void {
    const parts = PARTS.filter((part) => arrays[part]);
    const answer: Answer = {
      type: "answer",
      client: this.last.request.client,
      seq: this.last.request.seq,
      work_ms: 2,
      neuron: 0,
      settled: false,
      score: 0.6,
      normalized_score: null,
      sound_score: null,
      fit: { explained: 0.4, normalized_explained: null, rate_bias: 0, mismatch: "" },
      can_undo: true,
      can_redo: false,
      revision: 0,
      parts,
      ...over,
    };
    this.model.message(
      answer,
      parts.map((part) => bytes(arrays[part] as number[])),
    );
  }
}
