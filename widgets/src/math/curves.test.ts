import { describe, expect, it } from "vitest";
import {
  type Curve,
  type CurveFeature,
  curveOf,
  endsOf,
  featuresOf,
  heightAtThreshold,
  type LimitsOf,
  MAX_GAIN,
  MIN_GAIN,
  moveFeature,
  type Parameters,
  parametersBehind,
  toFeatures,
} from "./curves";

const KINDS: Curve[] = ["sigmoid", "double_exponential", "softplus"];
const SATURATING: Curve[] = ["sigmoid", "double_exponential"];
const TRIALS = 300;
const anywhere: LimitsOf = () => [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
/** As in the kernel's table for modules whose output is not negative. */
const positive: LimitsOf = (name) =>
  ["a", "b", "beta"].includes(name) ? [1e-6, Number.POSITIVE_INFINITY] : anywhere(name);

/** Numbers in [0, 1) that are the same in every run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Parameters as training leaves them, or with either sign where `signed`. */
function parametersFor(kind: Curve, random: () => number, signed: boolean): Parameters {
  const level = () => 0.01 + 3 * random();
  const sign = () => (signed && random() < 0.5 ? -1 : 1);
  const place = () => 4 * (random() - 0.5);
  const width = () => 10 ** (2 * random() - 1);
  const either = () => (random() < 0.5 ? -1 : 1);
  if (kind === "softplus") return { beta: width(), b: sign() * level() };
  const [a, b] = [sign() * level(), sign() * level()];
  return kind === "sigmoid"
    ? { a, b, c: place(), d: either() * width() }
    : { a, b, k: either() * width(), s: place() };
}

function close(value: number | undefined, expected: number | undefined, digits = 9) {
  const scale = Math.max(Math.abs(expected ?? 0), 1);
  expect((value ?? Number.NaN) / scale).toBeCloseTo((expected ?? Number.NaN) / scale, digits);
}

const gainOf = (kind: Curve, p: Parameters) => (kind === "sigmoid" ? 1 / p.d : -p.k);

describe.each(SATURATING)("the features of a %s", (kind) => {
  it("are its levels far out, its height and its steepness at the threshold", () => {
    const random = randomFrom(1);
    for (let i = 0; i < TRIALS; i++) {
      const p = parametersFor(kind, random, true);
      const curve = curveOf(kind, p);
      const { baseline, ceiling, threshold = 0, slope } = toFeatures(kind, p);
      const gain = gainOf(kind, p);
      close(curve(threshold - 40 / gain), baseline);
      close(curve(threshold + 40 / gain), ceiling);
      close(curve(threshold), heightAtThreshold(kind, { baseline, ceiling }));
      const h = 1e-4 / Math.abs(gain);
      // Central difference: its error is h^2 f'''/6, that is 1e-9 of the slope.
      close((curve(threshold + h) - curve(threshold - h)) / (2 * h), slope, 6);
    }
  });

  it("move one at a time: the others stay, and the slope goes with the range", () => {
    const random = randomFrom(2);
    for (let i = 0; i < TRIALS; i++) {
      const p = parametersFor(kind, random, true);
      const before = toFeatures(kind, p);
      for (const feature of featuresOf(kind)) {
        const to = 4 * (random() - 0.5) + 0.1;
        const next = { ...p, ...moveFeature(kind, p, feature, to, anywhere) };
        const after = toFeatures(kind, next);
        close(after[feature], to);
        for (const other of featuresOf(kind)) {
          if (other !== feature && other !== "slope") close(after[other], before[other]);
        }
        if (feature !== "slope") close(gainOf(kind, next), gainOf(kind, p));
      }
    }
  });

  it("within limits stay within them, and move as far as those let them", () => {
    const random = randomFrom(3);
    for (let i = 0; i < TRIALS; i++) {
      const p = parametersFor(kind, random, false);
      const { baseline = 0, ceiling = 0 } = toFeatures(kind, p);
      for (const feature of featuresOf(kind)) {
        const next = moveFeature(kind, p, feature, 20 * (random() - 0.5), positive);
        for (const [name, value] of Object.entries(next)) {
          expect(Number.isFinite(value)).toBe(true);
          expect(value).toBeGreaterThanOrEqual(positive(name)[0]);
        }
      }
      const low = toFeatures(kind, { ...p, ...moveFeature(kind, p, "baseline", -5, positive) });
      expect([low.baseline, low.ceiling]).toEqual([1e-6, expect.closeTo(ceiling, 9)]);
      const high = toFeatures(kind, { ...p, ...moveFeature(kind, p, "baseline", ceiling + 1, positive) });
      close(high.baseline, ceiling - 1e-6);
      const flat = toFeatures(kind, { ...p, ...moveFeature(kind, p, "ceiling", baseline - 1, positive) });
      close(flat.ceiling, baseline + 1e-6);
    }
  });

  it("survive curves that are flat, that are steps, and that have no range", () => {
    const flat: Parameters =
      kind === "sigmoid" ? { a: 0.2, b: 1, c: 0.5, d: 1e9 } : { a: 1, b: 0.2, k: 0, s: 0.5 };
    const step: Parameters =
      kind === "sigmoid" ? { a: 0.2, b: 1, c: 0.5, d: 0 } : { a: 1, b: 0.2, k: -1e9, s: -5e8 };
    for (const p of [flat, step, { ...step, ...(kind === "sigmoid" ? { d: -1e-9 } : { k: 1e9 }) }]) {
      for (const none of [false, true]) {
        const q: Parameters = none ? { ...p, [kind === "sigmoid" ? "b" : "a"]: 0 } : p;
        for (const feature of featuresOf(kind)) {
          expect(Number.isFinite(toFeatures(kind, q)[feature])).toBe(true);
          for (const to of [0, 1, -1, 1e-12]) {
            const next = moveFeature(kind, q, feature, to, anywhere);
            for (const value of Object.values(next)) expect(Number.isFinite(value)).toBe(true);
          }
        }
      }
    }
    // From either, handles make an ordinary curve: threshold first, then the slope.
    for (const p of [flat, step]) {
      const placed = { ...p, ...moveFeature(kind, p, "threshold", -0.75, anywhere) };
      const made = toFeatures(kind, { ...placed, ...moveFeature(kind, placed, "slope", -2, anywhere) });
      close(made.threshold, -0.75);
      close(made.slope, -2);
      close(made.baseline, 0.2);
      close(made.ceiling, 1.2);
    }
  });

  it("let a slope be neither flat nor a step, and turn it over without losing its place", () => {
    const p: Parameters = kind === "sigmoid" ? { a: 0, b: 2, c: 1, d: 0.5 } : { a: 2, b: 0, k: -2, s: -2 };
    const gain = (slope: number) => gainOf(kind, { ...p, ...moveFeature(kind, p, "slope", slope, anywhere) });
    close(gain(0), MIN_GAIN);
    close(gain(1e12), MAX_GAIN);
    close(gain(-1e12), -MAX_GAIN);
    if (kind === "sigmoid") close(toFeatures(kind, { ...p, d: 1e-9 }).slope, (2 * MAX_GAIN) / 4);
    const turned = toFeatures(kind, { ...p, ...moveFeature(kind, p, "slope", -0.7, anywhere) });
    expect(turned.threshold).toBeCloseTo(1, 12);
    expect(turned.slope).toBeCloseTo(-0.7, 12);
  });
});

describe("a sigmoid", () => {
  it("reaches its ends however far the drive is from its threshold", () => {
    const rate = curveOf("sigmoid", { a: 1, b: 2, c: 0, d: 1 });
    expect([-1e4, 1e4].map(rate)).toEqual([1, 3]);
  });
});

describe("a softplus", () => {
  it("has its knee at its height at drive 0, and keeps its sharpness when its baseline moves", () => {
    const random = randomFrom(4);
    for (let i = 0; i < TRIALS; i++) {
      const p = parametersFor("softplus", random, true);
      const features = toFeatures("softplus", p);
      close(curveOf("softplus", p)(0), features.knee);
      close(curveOf("softplus", p)(-800 / p.beta), features.baseline);
      expect(moveFeature("softplus", p, "baseline", 0.3, anywhere)).toEqual({ b: 0.3 });
      const to = p.b + 0.001 + random();
      const next = { ...p, ...moveFeature("softplus", p, "knee", to, anywhere) };
      close(toFeatures("softplus", next).knee, to);
      expect(next.b).toBe(p.b);
    }
  });

  it("has a knee above its baseline, however far down it is drawn", () => {
    const { beta } = moveFeature("softplus", { beta: 5, b: 0.5 }, "knee", 0.1, positive);
    expect(beta).toBeCloseTo(MAX_GAIN, 6);
    expect(moveFeature("softplus", { beta: 5, b: 0.5 }, "knee", 1e9, positive).beta).toBe(1e-6);
  });
});

it.each(KINDS)("all features of a %s together give its parameters back", (kind) => {
  const random = randomFrom(5);
  for (let i = 0; i < TRIALS; i++) {
    const wanted = parametersFor(kind, random, true);
    let p = parametersFor(kind, random, true);
    const features = toFeatures(kind, wanted);
    // The slope last: a level takes it along.
    for (const feature of featuresOf(kind))
      p = { ...p, ...moveFeature(kind, p, feature, features[feature] ?? 0, anywhere) };
    for (const [name, value] of Object.entries(wanted)) close(p[name], value);
  }
});

it("a feature changes only what it concerns", () => {
  for (const kind of KINDS) {
    const p = parametersFor(kind, randomFrom(6), false);
    for (const feature of featuresOf(kind)) {
      expect(Object.keys(moveFeature(kind, p, feature, 0.4, positive))).toEqual(
        parametersBehind(kind, feature),
      );
    }
  }
  expect(parametersBehind("softplus", "slope" as CurveFeature)).toEqual([]);
});

describe("the ends of a curve", () => {
  it("of a saturating one are 5 % of the way from either level, whichever is the higher", () => {
    expect(endsOf("sigmoid", { a: 1, b: 2, c: 0, d: 1 })).toEqual({ floor: 1, silent: 1.1, saturated: 2.9 });
    expect(endsOf("double_exponential", { a: -2, b: 1, k: -1, s: 0 })).toEqual({
      floor: -1,
      silent: -0.9,
      saturated: 0.9,
    });
    expect(endsOf("sigmoid", { a: 1, b: 0, c: 0, d: 1 })).toBeNull();
  });

  it("of a softplus lie where its slope is 5 %", () => {
    for (const beta of [0.3, 1, 8]) {
      const curve = curveOf("softplus", { beta, b: 0.2 });
      const { silent = Number.NaN, saturated } = endsOf("softplus", { beta, b: 0.2 }) ?? {};
      // Slope 1 / (1 + exp(-beta x)) = 0.05 at beta x = -ln 19.
      expect(silent).toBeCloseTo(curve(-Math.log(19) / beta), 12);
      expect(saturated).toBe(Number.POSITIVE_INFINITY);
    }
  });

  it("of plain ones are torch's, where there are any", () => {
    expect(endsOf("plain_relu", {})).toMatchObject({ floor: 0, silent: 0 });
    expect(endsOf("plain_tanh", {})).toEqual({ floor: -1, silent: -0.9, saturated: 0.9 });
    expect(endsOf("plain_sigmoid", {})).toMatchObject({ silent: 0.05, saturated: 0.95 });
    expect(endsOf("plain_softplus", {})).toEqual(endsOf("softplus", { beta: 1, b: 0 }));
    expect(endsOf("plain_identity", {})).toBeNull();
    expect(endsOf("other", {})).toBeNull();
  });
});

it.each(KINDS)("a parameter of a %s that is missing counts as 0, a sharpness as 1", (kind) => {
  const all: Parameters = { a: 0.5, b: 0.7, c: 0.2, d: 0.4, k: -2, s: 0.3, beta: 2 };
  const read = (p: Parameters) => [
    ...[-1, 0.3, 2].map(curveOf(kind, p)),
    ...[toFeatures(kind, p), endsOf(kind, p)],
    ...featuresOf(kind).map((feature) => moveFeature(kind, p, feature, 0.9, anywhere)),
  ];
  for (const name of Object.keys(all)) {
    const { [name]: _, ...others } = all;
    expect(read(others)).toEqual(read({ ...others, [name]: name === "beta" ? 1 : 0 }));
  }
});
