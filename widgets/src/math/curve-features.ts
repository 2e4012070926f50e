/**
 * Output curves in features: baseline, ceiling, threshold and slope, or baseline and knee; to and from the parameters.
 *
 * A saturating curve is `base + range * g((x - at) * gain)` with g rising from 0 to 1. Moving one feature leaves the others where
 * they are, but for the slope, which is `range * gain` times a constant: a new level keeps the gain and stretches the
 * curve. Keeping the slope instead would widen it, so that a higher ceiling made the neuron fire where it was silent.
 */
import { clamp } from "../base/clamp";

export type Saturating = "sigmoid" | "double_exponential";
export type Editable = Saturating | "softplus";
export type CurveFeature = "baseline" | "ceiling" | "threshold" | "slope" | "knee";
export type CurveFeatures = Partial<Record<CurveFeature, number>>;
/** Values by the names of the module; a missing baseline counts as 0. */
export type Parameters = Readonly<Record<string, number>>;
export type LimitsOf = (name: string) => [low: number, high: number];

/** Flattest and steepest gain that a hand can give, per unit of drive; 1e4 is a step to the eye and to torch's 1/MIN_WIDTH. */
export const MIN_GAIN = 1e-4;
export const MAX_GAIN = 1e4;

/** Of each saturating curve: g at the threshold, and its derivative there for a gain of 1. */
const MIDDLE: Record<Saturating, { share: number; steepness: number }> = {
  sigmoid: { share: 1 / 2, steepness: 1 / 4 },
  double_exponential: { share: 1 / Math.E, steepness: 1 / Math.E },
};

/** Names of the parameters that a feature concerns; where one of them cannot be edited the feature cannot be moved. */
const PARAMETERS: Record<Editable, Partial<Record<CurveFeature, string[]>>> = {
  sigmoid: { baseline: ["a", "b"], ceiling: ["b"], threshold: ["c"], slope: ["d"] },
  double_exponential: {
    baseline: ["b", "a"],
    ceiling: ["a"],
    threshold: ["k", "s"],
    slope: ["k", "s"],
  },
  softplus: { baseline: ["b"], knee: ["beta"] },
};

/** Names of the baseline and of the range above it. */
const LEVELS: Record<Saturating, [string, string]> = { sigmoid: ["a", "b"], double_exponential: ["b", "a"] };

export const isEditable = (kind: string): kind is Editable => kind in PARAMETERS;
export const featuresOf = (kind: Editable) => Object.keys(PARAMETERS[kind]) as CurveFeature[];
export const parametersBehind = (kind: Editable, feature: CurveFeature): string[] =>
  PARAMETERS[kind][feature] ?? [];

interface Shape {
  base: number;
  range: number;
  at: number;
  gain: number;
}

/** `value` with a size between two ends and its own sign; 0 counts as positive. */
const sized = (value: number, least: number, most: number) =>
  (value < 0 ? -1 : 1) * clamp(Math.abs(value), least, most);

function shapeOf(kind: Saturating, { a = 0, b = 0, c = 0, d = 0, k = 0, s = 0 }: Parameters): Shape {
  if (kind === "sigmoid") {
    return { base: a, range: b, at: c, gain: 1 / sized(d, 1 / MAX_GAIN, Infinity) };
  }
  const gain = sized(-k, MIN_GAIN, Infinity);
  return { base: b, range: a, at: s / -gain, gain };
}

function parametersOf(kind: Saturating, { base, range, at, gain }: Shape): Parameters {
  if (kind === "sigmoid") return { a: base, b: range, c: at, d: 1 / gain };
  return { a: range, b: base, k: -gain, s: -gain * at };
}

/** The features of a curve, in units of the response, of the drive, and of response per drive. The knee is its height at drive 0. */
export function toFeatures(kind: Editable, parameters: Parameters): CurveFeatures {
  if (kind === "softplus") {
    const { beta = 1, b = 0 } = parameters;
    return { baseline: b, knee: b + Math.LN2 / beta };
  }
  const { base, range, at, gain } = shapeOf(kind, parameters);
  const slope = MIDDLE[kind].steepness * range * gain;
  return { baseline: base, ceiling: base + range, threshold: at, slope };
}

/** Height of the curve at its threshold. */
export function heightAtThreshold(kind: Saturating, { baseline = 0, ceiling = 0 }: CurveFeatures): number {
  return baseline + MIDDLE[kind].share * (ceiling - baseline);
}

/**
 * The parameters that change when a feature gets a new value, within their limits. Where the limits do not let it come as far
 * as asked, it comes as far as they let it.
 */
export function moveFeature(
  kind: Editable,
  parameters: Parameters,
  feature: CurveFeature,
  to: number,
  limitsOf: LimitsOf,
): Parameters {
  let next: Parameters;
  if (kind === "softplus") {
    const height = Math.max(to - (parameters.b ?? 0), Math.LN2 / MAX_GAIN);
    next = feature === "knee" ? { beta: Math.LN2 / height } : { b: to };
  } else {
    const shape = shapeOf(kind, parameters);
    next = parametersOf(kind, { ...shape, ...change(kind, shape, feature, to, limitsOf) });
  }
  return Object.fromEntries(
    parametersBehind(kind, feature).map((name) => [name, clamp(next[name], ...limitsOf(name))]),
  );
}

function change(
  kind: Saturating,
  shape: Shape,
  feature: CurveFeature,
  to: number,
  limitsOf: LimitsOf,
): Partial<Shape> {
  const { base, range, gain } = shape;
  if (feature === "threshold") return { at: to };
  if (feature === "slope") {
    if (range === 0) return {};
    const wanted = to === 0 ? Math.sign(gain) * MIN_GAIN : to / (MIDDLE[kind].steepness * range);
    return { gain: sized(wanted, MIN_GAIN, MAX_GAIN) };
  }
  if (feature === "ceiling") return { range: to - base };
  const [baseName, rangeName] = LEVELS[kind];
  const ceiling = base + range;
  const level = clamp(to, ...limitsOf(baseName));
  const left = clamp(ceiling - level, ...limitsOf(rangeName));
  return { base: left === ceiling - level ? level : ceiling - left, range: left };
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
  switch (kind) {
    case "sigmoid":
    case "double_exponential": {
      const { baseline = 0, ceiling = 0 } = toFeatures(kind, parameters);
      return between(Math.min(baseline, ceiling), Math.max(baseline, ceiling));
    }
    case "softplus":
      return above(parameters.b ?? 0, -Math.log1p(-MARGIN) / (parameters.beta ?? 1));
    case "plain_softplus":
      return above(0, -Math.log1p(-MARGIN));
    case "plain_relu":
      return above(0, 0);
    case "plain_sigmoid":
      return between(0, 1);
    case "plain_tanh":
      return between(-1, 1);
    default:
      return null;
  }
}

function between(floor: number, ceiling: number): CurveEnds | null {
  const margin = MARGIN * (ceiling - floor);
  return margin > 0 ? { floor, silent: floor + margin, saturated: ceiling - margin } : null;
}

function above(floor: number, height: number): CurveEnds {
  return { floor, silent: floor + height, saturated: Infinity };
}
