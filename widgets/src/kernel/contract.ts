/**
 * The contract between browser and kernel: traits, messages, and the small part of anywidget's model that is used.
 *
 * Bytes are little-endian float32 in C order. F bands, T lags, C channels, G Gaussians; lag 0 = now = last index.
 */

import type { Unheard } from "../math/evidence";
import type { Column, Limits } from "../math/field";
import { KERNELS } from "../math/registry";
import type { HostKernel } from "./connection";

/** Every trait that the browser reads; the Python class has the same names. */
export const TRAITS = [
  "view",
  "info",
  "cf_hz",
  "stimulus",
  "neuron",
  "of_neuron",
  "sound",
  "channel",
  "selected",
  "gaussians",
  "trained_gaussians",
  "kernel",
  "trained_kernel",
  "prefilter",
  "trained_prefilter",
  "activation",
  "trained_activation",
  "factors",
  "trained_factors",
  "affine",
  "trained_affine",
  "rate",
  "trained_rate",
  "other_rate",
  "other_name",
  "psth",
  "spikes",
  "trials",
  "score",
  "trained_score",
  "sound_score",
  "trained_sound_score",
  "normalized_score",
  "trained_normalized_score",
  "fit",
  "trained_fit",
  "can_undo",
  "can_redo",
  "edited",
  "edits",
  "error",
  "width",
  "lanes",
  "stage",
  "gradient",
  "show_gradient",
  "exercise",
  "unsure",
  "certainty",
  "revision",
  "playing",
  "pins",
] as const;

export type Trait = (typeof TRAITS)[number];

/**
 * The numbers that a user chooses. The browser also sets `lanes` and `stage`, `width`, that of the view in CSS
 * pixels, 0 while there is none, and `show_gradient`, whether the gradient map is shown: null, or not there,
 * where it cannot be computed.
 */
export const WRITTEN = ["neuron", "sound", "channel", "selected"] as const;
export type WrittenTrait = (typeof WRITTEN)[number];

export type View = "prefilter" | "strf" | "activation" | "response" | "explorer";
export type Kind = keyof typeof KERNELS | "gradient" | "none";
export type Bytes = DataView | ArrayBuffer | Uint8Array;

export interface PrefilterSlot {
  /** A prefilter of math/prefilters.ts, or "other". */
  kind: string;
  label: string;
  /** Names of the rows of the trait `prefilter`, each (F,). */
  rows: string[];
  taps: number;
  /** Whether the browser can compute what it makes of the stimulus, whatever comes behind it. */
  local: boolean;
}

export interface ActivationSlot {
  /** A curve of math/curves.ts, or "other". */
  kind: string;
  label: string;
  /** Parameters that can be edited, in the order of the trait `activation`. */
  names: string[];
}

export interface Info {
  model: string;
  n_neurons: number;
  n_bands: number;
  n_lags: number;
  n_channels: number;
  n_gaussians: number;
  /** Bins of the sound that the arrays are of. */
  n_frames: number;
  sound: number;
  n_sounds: number;
  sound_names: string[];
  dt_ms: number;
  /** How long before the middle of a bin lies that of the sound that it describes. */
  delay_ms: number;
  kind: Kind;
  /** What the trait `factors` holds one after the other, of one neuron each; empty for Gaussians and free fields. */
  columns: { name: EditName; shape: number[] }[];
  channel_names: string[];
  neuron_names: string[];
  stimulus_unit: string;
  rate_unit: string;
  has_responses: boolean;
  /** What the score is over: all sounds, or in a saved page the one on screen. */
  score_over: "all" | "sound";
  /** Recorded trials of the sound; 0 where there are none to show. */
  n_trials: number;
  prefilter: PrefilterSlot;
  activation: ActivationSlot;
  /** The browser can compute the whole forward pass. */
  local: boolean;
  /** Names of parameters that may not be edited here. */
  locked: string[];
  /** What cannot be edited or seen in this model, and why, as one sentence; empty when there is nothing. */
  restrictions: string;
  /** What was silent in the recording that the session began with. */
  unheard: Unheard;
  limits: Limits;
}

/** Columns of the (C, G, 5) array `gaussians`. */
export const COLUMNS: Column[] = KERNELS.gaussians.columns.map(({ name }) => name);
/**
 * A parameter: strf.*, prefilter.* or activation.*.
 *
 * What has a place on the grid is held and sent in its units: bands, frames, widths in bands and frames, raw weights.
 * Time constants of a prefilter have none: they stay in ms, which unlike a decay per bin are even on the logarithmic axis
 * on which they are edited, and do not round to 1 in float32 when they are long.
 */
export type EditName = string;

export interface Edit {
  name: EditName;
  index: number[];
  /** So many values from the index on along the last axis of what is painted; 1 when left out. */
  count?: number;
}
export interface EditRequest {
  type: "edit";
  client: string;
  seq: number;
  gesture: string;
  phase: "move" | "end";
  edits: Edit[];
}
export interface UndoRequest {
  type: "undo" | "redo";
  client: string;
  seq: number;
}
export interface RevertRequest {
  type: "revert";
  client: string;
  seq: number;
  names: EditName[] | null;
  index: number[] | null;
}
export interface RestoreRequest {
  type: "restore";
  client: string;
  seq: number;
  /** The value that the trait `edits` had. */
  state: string;
}
/** Asks why the response of the neuron on screen is as high as it is in a bin; it changes nothing. */
export interface ExplainRequest {
  type: "explain";
  client: string;
  seq: number;
  frame: number;
  trained: boolean;
}
export type Request = EditRequest | UndoRequest | RevertRequest | RestoreRequest | ExplainRequest;
export const PARTS = ["gaussians", "kernel", "factors", "prefilter", "activation", "affine", "rate"] as const;
export type AnswerPart = (typeof PARTS)[number];
/** What of a score is not blind to gain and offset; null where it is undefined. */
export interface Fit {
  /** Fraction of variance explained, and that of the variance that is no noise. */
  explained: number | null;
  normalized_explained: number | null;
  /** Mean of the predicted rate over that of the recorded one, less 1. */
  rate_bias: number | null;
  /** Why the variance explained is less than the square of the correlation; empty where it hardly is. */
  mismatch: string;
}
export interface Scores {
  score: number | null;
  normalized_score: number | null;
  /** Of the sound on screen alone; null where there is no other. */
  sound_score: number | null;
  fit: Fit;
  can_undo: boolean;
  can_redo: boolean;
}
export interface Answer {
  type: "answer";
  client: string;
  seq: number;
  work_ms: number;
  neuron: number;
  channel?: number;
  settled: boolean;
  /** Number of the session's state that the answer is of. */
  version?: number;
  score: number | null;
  normalized_score: number | null;
  /** Of the sound on screen alone; null where there is no other. */
  sound_score: number | null;
  fit: Fit;
  can_undo: boolean;
  can_redo: boolean;
  /** The value that the trait `revision` has, or will have, when the traits hold the state that is answered. */
  revision: number;
  /** Arrays that come with the answer: none to edits of a model that the browser computes itself. */
  parts: AnswerPart[];
}
/** Where a fit has moved a neuron: field and response are missing where the browser computes them. */
export interface Motion {
  type: "motion";
  number: number;
  neuron: number;
  version: number;
  parts: AnswerPart[];
  /** Now and then. */
  scores?: Scores;
}
export interface Failure {
  type: "error";
  client: string;
  seq: number;
  text: string;
}
/** Answer to an `ExplainRequest`; with it come the stretch of sound and the products, (C, F, T) each. */
export interface ExplanationMessage {
  type: "explanation";
  client: string;
  seq: number;
  /** Why there is none; all that follows is then missing. */
  text: string;
  neuron?: number;
  frame?: number;
  shape?: [number, number, number];
  channel_names?: string[];
  /** Null stands for what is no number. */
  sums?: (number | null)[];
  bias?: number | null;
  gain?: number | null;
  offset?: number | null;
  drive?: number | null;
  rate?: number | null;
  /** The products are of a gradient, and `bias` is what they leave of the rate. */
  is_gradient?: boolean;
}
export type Message = Answer | Failure | ExplanationMessage | Motion;

/** How sure a fit is of the trained field: what is written below each channel, what pale means, and what an edit changes. */
export interface Certainty {
  readouts: string[][];
  pale: string;
  edited: string;
}

/** An exercise of a lesson that this bench answers; the trait is empty where there is none. */
export interface BenchExercise {
  name: string;
  done: boolean;
}

/** What is used of anywidget's model; `src/host.ts` gives the same without a kernel. */
export interface BenchModel {
  /** What the host gives beside it; JupyterLab and Notebook give the kernel. */
  readonly widget_manager?: { readonly kernel?: HostKernel | null };
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  on(event: string, callback: (...args: never[]) => void): void;
  off(event: string, callback: (...args: never[]) => void): void;
  save_changes(): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
}
