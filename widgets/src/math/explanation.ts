/**
 * Why a response is as high as it is at one moment: sound times receptive field, bin by bin, and their sum.
 *
 * Twin of `deepstrf_widgets.session.explanation`; `tests/vectors/forward.json` keeps the two equal.
 */

import type { Affine } from "./forward";

type Numbers = ArrayLike<number>;

/** What is under a field of C channels, F bands and T lags in one bin; the last lag is the bin itself. */
export interface Products {
  /** The stretch of sound (C, F, T); NaN before the sound began. */
  stretch: Float64Array;
  /** Field times stretch; 0 before the sound began. */
  products: Float64Array;
  /** Sum of the products of each channel. */
  sums: number[];
  /** `scale * (sum of all + bias) + shift` */
  drive: number;
}

/** Products of a field (C, F, T) and the sound (C, F, n) that it sees in the bin `frame`. */
export function productsAt(
  kernel: Numbers,
  seen: Numbers,
  [C, F, T]: readonly [number, number, number],
  frame: number,
  { bias, scale, shift }: Affine,
): Products {
  const n = seen.length / (C * F);
  const stretch = new Float64Array(C * F * T);
  const products = new Float64Array(C * F * T);
  const sums = new Array<number>(C).fill(0);
  for (let row = 0; row < C * F; row++) {
    for (let j = 0; j < T; j++) {
      const at = frame - (T - 1 - j);
      const i = row * T + j;
      stretch[i] = at < 0 ? Number.NaN : seen[row * n + at];
      products[i] = at < 0 ? 0 : kernel[i] * stretch[i];
      sums[Math.floor(row / F)] += products[i];
    }
  }
  const sum = sums.reduce((total, one) => total + one, 0);
  return { stretch, products, sums, drive: scale * (sum + bias) + shift };
}
