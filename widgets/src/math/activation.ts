/**
 * Output curves of one neuron.
 *
 * Twin of `deepstrf.models.activations` and of torch's plain ones; `tests/vectors/forward.json` keeps them equal.
 */

export const CURVES = [
  "softplus",
  "sigmoid",
  "double_exponential",
  "plain_identity",
  "plain_relu",
  "plain_sigmoid",
  "plain_softplus",
  "plain_tanh",
] as const;
export type Curve = (typeof CURVES)[number];

const MIN_WIDTH = 1e-4;
const MIN_SHARPNESS = 1e-6;
const LINEAR_ABOVE = 50;
/** Where torch's own softplus becomes linear. */
const TORCH_LINEAR_ABOVE = 20;

const logistic = (z: number) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
const log1pexp = (z: number) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

/** The curve as a function of the drive; a parameter that the module does not have counts as 0. */
export function curveOf(kind: Curve, parameters: Record<string, number>): (drive: number) => number {
  const { a = 0, b = 0, c = 0, d = 0, k = 0, s = 0, beta = 1 } = parameters;
  switch (kind) {
    case "softplus": {
      const sharp = Math.max(beta, MIN_SHARPNESS);
      return (x) => (sharp * x > LINEAR_ABOVE ? x : log1pexp(sharp * x) / sharp) + b;
    }
    case "sigmoid": {
      const width = Math.abs(d) < MIN_WIDTH ? (d < 0 ? -MIN_WIDTH : MIN_WIDTH) : d;
      return (x) => b * logistic((x - c) / width) + a;
    }
    case "double_exponential":
      return (x) => a * Math.exp(-Math.exp(k * x - s)) + b;
    case "plain_relu":
      return (x) => Math.max(x, 0);
    case "plain_sigmoid":
      return logistic;
    case "plain_softplus":
      return (x) => (x > TORCH_LINEAR_ABOVE ? x : log1pexp(x));
    case "plain_tanh":
      return Math.tanh;
    case "plain_identity":
      return (x) => x;
  }
}
