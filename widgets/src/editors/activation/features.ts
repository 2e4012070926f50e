/** What the handles and numbers of an output curve are called, what they are worth, and how far they may go. */

import { number } from "../../base/format";
import { niceStep } from "../../draw/axes";
import {
  type Curve,
  type CurveFeature,
  type CurveFeatures,
  type Parameters,
  parametersBehind,
  toFeatures,
} from "../../math/curves";
import { limitsOf } from "../../math/field";
import { OUTPUT_CURVES } from "../../math/registry";
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

/** Lowest and highest value that a user may set. */
export function limitsIn(state: BenchState, name: string): [number, number] {
  return limitsOf(longName(name), state.info.limits);
}

export function nameOf(feature: CurveFeature, { baseline = 0, ceiling = 0 }: CurveFeatures): string {
  return feature === "ceiling" && ceiling < baseline ? "floor" : feature;
}

/** "0.42 a.u.", "1.10 spikes/bin". */
export function valueText(
  kind: Curve,
  feature: CurveFeature,
  parameters: Parameters,
  rateUnit: string,
): string {
  const value = number(toFeatures(kind, parameters)[feature] ?? 0);
  if (feature === "threshold") return `${value} a.u.`;
  if (feature === "slope") return `${value} ${rateUnit} per a.u.`;
  if (feature === "knee") {
    const [{ name, meaning, note }] = fieldsOf(kind, parametersBehind(kind, feature), rateUnit);
    return `${value} ${rateUnit}, ${meaning} ${number(parameters[name])} ${note}`;
  }
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
  /** Unit, or how to read it. */
  note: string;
}

const columnsOf = (kind: Curve): readonly Field[] => OUTPUT_CURVES[kind].columns;

/** The parameters that the module has, the baseline first. */
export function fieldsOf(kind: Curve, names: string[], rateUnit: string): Field[] {
  const isBaseline = ({ meaning }: Field) => Number(meaning === "baseline");
  return columnsOf(kind)
    .filter(({ name }) => names.includes(name))
    .map((field) => ({ ...field, note: field.note === "rate" ? rateUnit : field.note }))
    .sort((one, other) => isBaseline(other) - isBaseline(one));
}

/** "rate = b σ((x − c) / d) + a"; a module without its baseline lacks that summand. */
export function formulaOf(kind: Curve, names: string[]): string {
  const missing = columnsOf(kind).filter(({ name }) => !names.includes(name));
  const whole: string = OUTPUT_CURVES[kind].formula;
  return `rate = ${missing.reduce((formula, { symbol }) => formula.replace(` + ${symbol}`, ""), whole)}`;
}

/** Why a curve is not edited here. */
export function explanation(kind: string, label: string): string {
  if (kind !== "other") return `${label} has no parameters: its curve is shown, there is nothing to edit.`;
  return label
    ? `${label} is computed by torch; its curve is not known to this page.`
    : "This model has no output curve of its own.";
}
