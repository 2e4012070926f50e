/** What of a view changes when a trait does. */

import type { Trait } from "../kernel/contract";

export type Part =
  | "info"
  | "neuron"
  | "channel"
  | "selected"
  | "field"
  | "prefilter"
  | "curve"
  | "stimulus"
  | "rate"
  | "recorded"
  | "lanes"
  | "stage"
  | "score"
  | "history"
  | "message"
  | "peek"
  | "gesture"
  | "moment"
  | "connection"
  | "playing"
  | "pins";

export const PARTS_OF_TRAIT: Record<Trait, Part[]> = {
  view: [],
  info: ["info", "stimulus", "field", "prefilter", "curve", "rate", "recorded", "neuron", "channel"],
  cf_hz: ["info", "field", "prefilter", "stimulus"],
  stimulus: ["stimulus"],
  neuron: ["neuron"],
  sound: ["neuron"],
  of_neuron: ["neuron", "field", "curve", "rate", "recorded", "score"],
  channel: ["channel", "field"],
  selected: ["selected"],
  gaussians: ["field"],
  trained_gaussians: ["field"],
  kernel: ["field"],
  trained_kernel: ["field"],
  prefilter: ["prefilter"],
  trained_prefilter: ["prefilter"],
  activation: ["curve"],
  trained_activation: ["curve"],
  factors: ["field"],
  trained_factors: ["field"],
  affine: ["field", "curve"],
  trained_affine: [],
  rate: ["rate"],
  trained_rate: ["recorded"],
  other_rate: ["recorded"],
  other_name: ["recorded"],
  psth: ["recorded"],
  spikes: ["recorded"],
  trials: ["recorded"],
  score: ["score"],
  trained_score: ["score"],
  sound_score: ["score"],
  trained_sound_score: ["score"],
  normalized_score: ["score"],
  trained_normalized_score: ["score"],
  fit: ["score"],
  trained_fit: ["score"],
  can_undo: ["history"],
  can_redo: ["history"],
  edited: ["history"],
  edits: ["history"],
  error: ["message"],
  width: [],
  lanes: ["lanes"],
  stage: ["stage"],
  gradient: ["field"],
  show_gradient: ["field"],
  exercise: [],
  unsure: ["field"],
  certainty: ["field"],
  revision: [],
  playing: ["playing"],
  pins: ["pins", "selected"],
};
