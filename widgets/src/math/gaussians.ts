/**
 * Receptive fields made of Gaussians.
 *
 * Twin of `deepstrf.models.layers.strf.gaussian_mixture_kernel`; `tests/vectors/gaussians.json` keeps the two equal.
 */
import { clamp } from "../base/clamp";

/** Smallest width in grid units: the effective width is |SIG| + 0.27. */
export const MIN_SIGMA = 0.27;

/** exp(-((i - centre)/sigma)^2 / 2) over i = 0..n-1, divided by its sum: unit mass, wherever the centre lies. */
export function unitMass(centre: number, sigma: number, n: number): Float64Array {
  const mass = new Float64Array(n);
  const nearest = clamp(Math.round(centre), 0, n - 1);
  const top = -0.5 * ((nearest - centre) / sigma) ** 2;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    mass[i] = Math.exp(-0.5 * ((i - centre) / sigma) ** 2 - top);
    sum += mass[i];
  }
  for (let i = 0; i < n; i++) mass[i] /= sum;
  return mass;
}

/**
 * Sum of weighted unit-mass Gaussians on the (F, T) grid.
 *
 * @param P      (2, n, G): centres in bands, then in frames; n = outputs x channels, flattened
 * @param SIG    (2, n, G): raw widths, effective width |SIG| + 0.27
 * @param weight (n, G)
 * @param G      Gaussians per kernel; all of `weight` belongs to one kernel when left out
 * @returns (n, F, T)
 */
export function gaussianMixtureKernel(
  P: ArrayLike<number>,
  SIG: ArrayLike<number>,
  weight: ArrayLike<number>,
  F: number,
  T: number,
  G: number = weight.length,
): Float64Array {
  const total = weight.length;
  const n = G > 0 ? total / G : 0;
  const kernel = new Float64Array(n * F * T);
  for (let k = 0; k < total; k++) {
    const w = weight[k];
    if (w === 0) continue;
    const f = unitMass(P[k], Math.abs(SIG[k]) + MIN_SIGMA, F);
    const t = unitMass(P[total + k], Math.abs(SIG[total + k]) + MIN_SIGMA, T);
    const start = Math.floor(k / G) * F * T;
    for (let i = 0; i < F; i++) {
      const row = start + i * T;
      const height = w * f[i];
      for (let j = 0; j < T; j++) kernel[row + j] += height * t[j];
    }
  }
  return kernel;
}
