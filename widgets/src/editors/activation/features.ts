/** What the handles and numbers of an output curve are called, what they are worth, and how far they may go. */

import { number } from "../../base/format";
import { niceStep } from "../../draw/axes";
import {
  type CurveFeature,
  type CurveFeatures,
  type Editable,
  type Parameters,
  toFeatures,
} from "../../math/curve-features";
import { limitsOf } from "../../math/field";
import type { BenchState } from "../../state/bench-state";
import type { Plot } from "./plot";

/** A level or the threshold moves by about this share of its axis. */
const STEPS = 100;
/** Steps of the slope on the screen, as asinh of it: small where it is flat, a tenth of it where it is steep. */
const SLOPE_STEP = 0.1;
const KNEE_STEP = 1.1;

/** Name in the kernel's table. */
export const longName = (name: string) => `activation.${name}`;

/** Values of the curve by name. */
export function parametersOf(state: BenchState, values: ArrayLike<number>): Parameters {
  return Object.fromEntries(state.info.activation.names.map((name, i) => [name, values[i] ?? 0]));
}

/** Lowest and highest value that a hand may set. */
export function limitsIn(state: BenchState, name: string): [number, number] {
  return limitsOf(longName(name), state.info.limits);
}

export function nameOf(feature: CurveFeature, { baseline = 0, ceiling = 0 }: CurveFeatures): string {
  return feature === "ceiling" && ceiling < baseline ? "floor" : feature;
}

/** "0.42 a.u.", "1.10 spikes/bin". */
export function valueText(
  kind: Editable,
  feature: CurveFeature,
  parameters: Parameters,
  rateUnit: string,
): string {
  const value = number(toFeatures(kind, parameters)[feature] ?? 0);
  if (feature === "threshold") return `${value} a.u.`;
  if (feature === "slope") return `${value} ${rateUnit} per a.u.`;
  if (feature === "knee") return `${value} ${rateUnit}, sharpness ${number(parameters.beta)} per a.u.`;
  return `${value} ${rateUnit}`;
}

/** The value some steps on. */
export function stepped(feature: CurveFeature, features: CurveFeatures, steps: number, plot: Plot): number {
  const { [feature]: value = 0, baseline = 0 } = features;
  if (feature === "knee") return baseline + (value - baseline) * KNEE_STEP ** steps;
  if (feature === "slope") {
    const onScreen = plot.perRate / plot.perDrive;
    return Math.sinh(Math.asinh(value * onScreen) + steps * SLOPE_STEP) / onScreen;
  }
  const [low, high] = feature === "threshold" ? plot.drive : plot.rate;
  const step = niceStep(high - low, STEPS);
  const next = value + steps * step;
  return Math.abs(next) < 1e-9 * step ? 0 : next;
}

/** Lowest and highest value of a slider: the ends of its axis, or a steep slope. */
export function endsOfSlider(feature: CurveFeature, plot: Plot): readonly [number, number] {
  if (feature === "threshold") return plot.drive;
  if (feature !== "slope") return plot.rate;
  const steep = (10 * plot.perDrive) / plot.perRate;
  return [-steep, steep];
}

export interface Field {
  name: string;
  symbol: string;
  meaning: string;
  unit: string;
}

const RATE = "rate";
const FIELDS: Record<Editable, [name: string, meaning: string, unit: string][]> = {
  sigmoid: [
    ["a", "baseline", RATE],
    ["b", "range", RATE],
    ["c", "threshold", "a.u."],
    ["d", "width", "a.u."],
  ],
  double_exponential: [
    ["b", "baseline", RATE],
    ["a", "range", RATE],
    ["k", "gain", "per a.u., negative where the curve rises"],
    ["s", "offset", "gain times threshold"],
  ],
  softplus: [
    ["b", "baseline", RATE],
    ["beta", "sharpness", "per a.u."],
  ],
};
const SYMBOLS: Record<string, string> = { beta: "β" };

/** The parameters that the module has, in the order in which they are read. */
export function fieldsOf(kind: Editable, names: string[], rateUnit: string): Field[] {
  return FIELDS[kind]
    .filter(([name]) => names.includes(name))
    .map(([name, meaning, unit]) => ({
      name,
      symbol: SYMBOLS[name] ?? name,
      meaning,
      unit: unit === RATE ? rateUnit : unit,
    }));
}

const FORMULAS: Record<Editable, [formula: string, baseline: string]> = {
  sigmoid: ["b σ((x − c) / d)", "a"],
  double_exponential: ["a exp(−exp(k x − s))", "b"],
  softplus: ["log(1 + exp(β x)) / β", "b"],
};

/** "rate = b σ((x − c) / d) + a" */
export function formulaOf(kind: Editable, names: string[]): string {
  const [formula, baseline] = FORMULAS[kind];
  return `rate = ${formula}${names.includes(baseline) ? ` + ${baseline}` : ""}`;
}

/** Why a curve is not edited here. */
export function explanation(kind: string, label: string): string {
  if (kind !== "other") return `${label} has no parameters: its curve is shown, there is nothing to edit.`;
  return label
    ? `${label} is computed by torch; its curve is not known to this page.`
    : "This model has no output curve of its own.";
}
