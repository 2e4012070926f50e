/** A receptive field in words: what it is, what is in it, and what may be done to it. */

import { fixed, frequency, milliseconds, number, octaves } from "../../base/format";
import { extent } from "../../draw/line";
import { heardOnly, type Unheard } from "../../math/evidence";
import { type Axes, type Gaussian, naturalUnits } from "../../math/field";
import { tuningOf } from "../../math/tuning";
import type { BenchState } from "../../state/bench-state";
import { inUse } from "./gaussians/group";

const PLAIN: Record<string, string> = {
  full: "Every weight of this receptive field is free: shown here, edited from Python.",
  painted: "Paint with the brush: one stroke is one step to undo, and Escape takes it back.",
  covered: "Switch the gradient map off to paint weights.",
  drawn: "Draw the frequency profile beside the picture, the time profile below.",
  separable: "This receptive field is a frequency times a time profile: shown here, edited from Python.",
  gradient: "A gradient map, taken at the mean sound: this model has no single receptive field.",
  none: "This model has no receptive field.",
};

/** What may be done to a field of this kind, or with these tools; undefined for one of Gaussians. */
export function plainText(kind: string): string | undefined {
  const made = "This receptive field is made from a few numbers: shown here, edited from Python.";
  return kind === "gaussians" ? undefined : (PLAIN[kind] ?? made);
}

/** Description of the picture for screen readers; `plain` is what may be done to a field without Gaussians. */
export function fieldText(state: BenchState, plain: string | undefined): string {
  const { info, channel, neuron } = state;
  const of = `Receptive field of neuron ${neuron + 1}, ${info.channel_names[channel] ?? "input"}`;
  const gaussians = `${inUse(state).length} of ${info.n_gaussians} Gaussians in use, each with handles.`;
  return `${of}: frequency upward in kHz, lag in ms to 0 at the right. ${plain ?? gaussians}`;
}

/** The three lines beside a Gaussian that moves. */
export function gaussianText(g: Gaussian, axes: Axes): string {
  const { hz, lagMs, octaves: width, ms } = naturalUnits(g, axes);
  const place = `${frequency(hz)} · ${milliseconds(lagMs)}`;
  const widths = `σ ${octaves(width)} · ${milliseconds(ms)}`;
  return `${place}\n${widths}\nweight ${number(g.weight)}`;
}

/**
 * "best 4.2 kHz · latency 35 ms · separability 0.92", and how much of the field has met no sound; of a field whose largest
 * weight is negative "inhibition 4.2 kHz". Where there is `little` room, "best 4.2 kHz · 35 ms · sep. 0.92".
 */
export function tuningText(
  field: ArrayLike<number>,
  { F, T, cfHz, dtMs, delayMs }: Axes,
  unheard: Unheard,
  channel: number,
  little = false,
): string {
  if (field.length !== F * T || F * T === 0) return "";
  const heard = heardOnly(field, unheard, F, T, channel);
  const [lowest, highest] = extent(heard) ?? [0, 0];
  const inhibits = -lowest > highest;
  const strongest = inhibits ? Float64Array.from(heard, (weight) => -weight) : heard;
  const { bestHz, latencyMs, separability } = tuningOf(strongest, F, T, cfHz, dtMs, delayMs);
  const peak = Number.isNaN(bestHz)
    ? "no excitation"
    : `${inhibits ? "inhibition" : "best"} ${frequency(bestHz)} · ${little ? "" : "latency "}${milliseconds(latencyMs)}`;
  const silent = unheard.text ? ` · ${unheard.text}` : "";
  return `${peak}${Number.isNaN(separability) ? "" : ` · ${little ? "sep." : "separability"} ${fixed(separability, 2)}`}${silent}`;
}
