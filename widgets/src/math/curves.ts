/**
 * Output curves of one neuron: each with its rate, its ends, and the features by which it is edited.
 *
 * `rate` is the twin of the module in `deepstrf.models.activations` or torch (`tests/vectors/forward.json` keeps them
 * equal); names, symbols and formulas come from the registry. A feature is a baseline, a ceiling, a threshold, a slope or
 * a knee. Moving one leaves the others where they are, but for the slope: a new level keeps the gain and stretches the
 * curve. Keeping the slope instead would widen it, so that a higher ceiling made the neuron fire where it was silent.
 */
import { clamp } from "../base/clamp";
import type { OUTPUT_CURVES } from "./registry";

export type Curve = keyof typeof OUTPUT_CURVES;
export type CurveFeature = "baseline" | "ceiling" | "threshold" | "slope" | "knee";
export type CurveFeatures = Partial<Record<CurveFeature, number>>;
/** Values by the names of the module; a missing one counts as 0, a missing beta as 1. */
export type Parameters = Readonly<Record<string, number>>;
export type LimitsOf = (name: string) => [low: number, high: number];

/** Flattest and steepest gain that a user can give, per unit of drive; 1e4 is a step to the eye and to torch's 1/MIN_WIDTH. */
export const MIN_GAIN = 1e-4;
export const MAX_GAIN = 1e4;

const MIN_WIDTH = 1e-4;
const MIN_SHARPNESS = 1e-6;
const LINEAR_ABOVE = 50;
/** Where torch's own softplus becomes linear. */
const TORCH_LINEAR_ABOVE = 20;

interface CurveMaths {
  rate: (parameters: Parameters) => (drive: number) => number;
  /** Floor and ceiling, infinite where there is none, and the drive over which a curve without ceiling leaves its floor. */
  ends: (parameters: Parameters) => [floor: number, ceiling: number, width: number];
  editing?: Editing;
}

interface Editing {
  /** Names of the parameters that a feature concerns; where one of them cannot be edited the feature cannot be moved. */
  concerns: Partial<Record<CurveFeature, string[]>>;
  /** Height at the threshold, as a share of the way from baseline to ceiling. */
  share: number;
  read: (parameters: Parameters) => CurveFeatures;
  /** Parameters with a feature at a new value, within the limits of the levels. */
  move: (parameters: Parameters, feature: CurveFeature, to: number, limitsOf: LimitsOf) => Parameters;
}

/** A saturating curve is `base + range * g((x - at) * gain)`, with g rising from 0 to 1. */
interface Shape {
  base: number;
  range: number;
  at: number;
  gain: number;
}

interface Saturating extends Pick<Editing, "share"> {
  concerns: Record<"baseline" | "ceiling" | "threshold" | "slope", string[]>;
  /** Derivative of g at the threshold, for a gain of 1. */
  steepness: number;
  shapeOf: (parameters: Parameters) => Shape;
  parametersOf: (shape: Shape) => Parameters;
}

const logistic = (z: number) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
const log1pexp = (z: number) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
/** `value` with a size between two ends and its own sign; 0 counts as positive. */
const sized = (value: number, least: number, most: number) =>
  (value < 0 ? -1 : 1) * clamp(Math.abs(value), least, most);

const CURVES: Record<Curve, CurveMaths> = {
  softplus: {
    rate: ({ beta = 1, b = 0 }) => {
      const sharp = Math.max(beta, MIN_SHARPNESS);
      return (x) => (sharp * x > LINEAR_ABOVE ? x : log1pexp(sharp * x) / sharp) + b;
    },
    ends: ({ beta = 1, b = 0 }) => [b, Infinity, 1 / beta],
    editing: {
      concerns: { baseline: ["b"], knee: ["beta"] },
      share: 0,
      // The knee is the height at drive 0.
      read: ({ beta = 1, b = 0 }) => ({ baseline: b, knee: b + Math.LN2 / beta }),
      move: ({ b = 0 }, feature, to): Parameters =>
        feature === "knee" ? { beta: Math.LN2 / Math.max(to - b, Math.LN2 / MAX_GAIN) } : { b: to },
    },
  },
  sigmoid: {
    rate: ({ a = 0, b = 0, c = 0, d = 0 }) => {
      const width = sized(d, MIN_WIDTH, Infinity);
      return (x) => b * logistic((x - c) / width) + a;
    },
    ...saturating({
      concerns: { baseline: ["a", "b"], ceiling: ["b"], threshold: ["c"], slope: ["d"] },
      share: 1 / 2,
      steepness: 1 / 4,
      shapeOf: ({ a = 0, b = 0, c = 0, d = 0 }) => ({
        base: a,
        range: b,
        at: c,
        gain: 1 / sized(d, 1 / MAX_GAIN, Infinity),
      }),
      parametersOf: ({ base, range, at, gain }) => ({ a: base, b: range, c: at, d: 1 / gain }),
    }),
  },
  double_exponential: {
    rate:
      ({ a = 0, b = 0, k = 0, s = 0 }) =>
      (x) =>
        a * Math.exp(-Math.exp(k * x - s)) + b,
    ...saturating({
      concerns: { baseline: ["b", "a"], ceiling: ["a"], threshold: ["k", "s"], slope: ["k", "s"] },
      share: 1 / Math.E,
      steepness: 1 / Math.E,
      shapeOf: ({ a = 0, b = 0, k = 0, s = 0 }) => {
        const gain = sized(-k, MIN_GAIN, Infinity);
        return { base: b, range: a, at: s / -gain, gain };
      },
      parametersOf: ({ base, range, at, gain }) => ({ a: range, b: base, k: -gain, s: -gain * at }),
    }),
  },
  plain_identity: { rate: () => (x) => x, ends: () => [-Infinity, Infinity, 0] },
  plain_relu: { rate: () => (x) => Math.max(x, 0), ends: () => [0, Infinity, 0] },
  plain_sigmoid: { rate: () => logistic, ends: () => [0, 1, 0] },
  plain_softplus: {
    rate: () => (x) => (x > TORCH_LINEAR_ABOVE ? x : log1pexp(x)),
    ends: () => [0, Infinity, 1],
  },
  plain_tanh: { rate: () => Math.tanh, ends: () => [-1, 1, 0] },
};

/** Ends and features of a saturating curve. */
function saturating(curve: Saturating): Required<Pick<CurveMaths, "ends" | "editing">> {
  const { concerns, share, steepness, shapeOf, parametersOf } = curve;
  const [baseName, rangeName] = concerns.baseline;
  const moved = (shape: Shape, feature: CurveFeature, to: number, limitsOf: LimitsOf): Partial<Shape> => {
    const { base, range, gain } = shape;
    if (feature === "threshold") return { at: to };
    if (feature === "slope") {
      if (range === 0) return {};
      const wanted = to === 0 ? Math.sign(gain) * MIN_GAIN : to / (steepness * range);
      return { gain: sized(wanted, MIN_GAIN, MAX_GAIN) };
    }
    if (feature === "ceiling") return { range: to - base };
    const ceiling = base + range;
    const level = clamp(to, ...limitsOf(baseName));
    const left = clamp(ceiling - level, ...limitsOf(rangeName));
    return { base: left === ceiling - level ? level : ceiling - left, range: left };
  };
  return {
    ends: (parameters) => {
      const { base, range } = shapeOf(parameters);
      return [Math.min(base, base + range), Math.max(base, base + range), 0];
    },
    editing: {
      concerns,
      share,
      read: (parameters) => {
        const { base, range, at, gain } = shapeOf(parameters);
        return { baseline: base, ceiling: base + range, threshold: at, slope: steepness * range * gain };
      },
      move: (parameters, feature, to, limitsOf) => {
        const shape = shapeOf(parameters);
        return parametersOf({ ...shape, ...moved(shape, feature, to, limitsOf) });
      },
    },
  };
}

/** Whether the formula of a kind is known here. */
export const isCurve = (kind: string): kind is Curve => kind in CURVES;
export const isEditable = (kind: string): kind is Curve => isCurve(kind) && !!CURVES[kind].editing;

/** The curve as a function of the drive. */
export const curveOf = (kind: Curve, parameters: Parameters) => CURVES[kind].rate(parameters);

const concernsOf = (kind: Curve) => CURVES[kind].editing?.concerns ?? {};
export const featuresOf = (kind: Curve) => Object.keys(concernsOf(kind)) as CurveFeature[];
export const parametersBehind = (kind: Curve, feature: CurveFeature): string[] =>
  concernsOf(kind)[feature] ?? [];

/** The features of a curve, in units of the response, of the drive, and of response per drive. */
export const toFeatures = (kind: Curve, parameters: Parameters): CurveFeatures =>
  CURVES[kind].editing?.read(parameters) ?? {};

/** Height of the curve at its threshold. */
export function heightAtThreshold(kind: Curve, { baseline = 0, ceiling = 0 }: CurveFeatures): number {
  return baseline + (CURVES[kind].editing?.share ?? 0) * (ceiling - baseline);
}

/**
 * The parameters that change when a feature gets a new value, within their limits. Where the limits do not let it come as far
 * as asked, it comes as far as they let it.
 */
export function moveFeature(
  kind: Curve,
  parameters: Parameters,
  feature: CurveFeature,
  to: number,
  limitsOf: LimitsOf,
): Parameters {
  const next = CURVES[kind].editing?.move(parameters, feature, to, limitsOf) ?? {};
  return Object.fromEntries(
    parametersBehind(kind, feature).map((name) => [name, clamp(next[name], ...limitsOf(name))]),
  );
}

/** Where a response counts as silent (at its floor), and where as saturated: 5 % of the way from either end. */
export interface CurveEnds {
  floor: number;
  silent: number;
  /** Infinite for a curve without a ceiling. */
  saturated: number;
}

const MARGIN = 0.05;

/** Null for a curve without ends. A softplus is silent where its slope is below 5 %. */
export function endsOf(kind: string, parameters: Parameters): CurveEnds | null {
  const [floor, ceiling, width] = isCurve(kind) ? CURVES[kind].ends(parameters) : [-Infinity, Infinity, 0];
  if (floor === -Infinity) return null;
  if (ceiling === Infinity) return { floor, silent: floor - Math.log1p(-MARGIN) * width, saturated: ceiling };
  const margin = MARGIN * (ceiling - floor);
  return margin > 0 ? { floor, silent: floor + margin, saturated: ceiling - margin } : null;
}
