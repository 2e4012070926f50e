/** Tuning of one receptive field (F, T), lag 0 last: twins of `deepstrf.analysis.tuning`. */

import { clamp } from "../base/clamp";

type Numbers = ArrayLike<number>;
export interface Tuning {
  bestHz: number;
  latencyMs: number;
  separability: number;
}

/** Of the power iteration: a field like noise stays two digits short, which its label does not show. */
const MOST_ROUNDS = 60;
const CLOSE = 1e-10;

/** Frequency and latency of the largest positive value, NaN without one, and how far the field is a product. */
export function tuningOf(
  field: Numbers,
  F: number,
  T: number,
  cfHz: Numbers,
  dtMs: number,
  delayMs = 0,
): Tuning {
  let at = 0;
  for (let i = 1; i < F * T; i++) if (field[i] > field[at]) at = i;
  const separability = separabilityIndex(field, F, T);
  if (!(field[at] > 0)) return { bestHz: Number.NaN, latencyMs: Number.NaN, separability };
  const [band, tap] = [Math.floor(at / T), at % T];
  const place = subBinPeak((i) => field[i * T + tap], band, F);
  const low = clamp(Math.floor(place), 0, Math.max(F - 2, 0));
  const [below, above] = [cfHz[low], cfHz[Math.min(low + 1, F - 1)]].map(Math.log2);
  const row = (i: number) => field[band * T + i];
  let lag = subBinPeak(row, tap, T);
  if (tap === T - 1 && T > 2 && delayMs > 0) {
    lag = Math.max(subBinPeak(row, T - 2, T, 1 + delayMs / dtMs), tap);
  }
  return {
    bestHz: 2 ** (below + (place - low) * (above - below)),
    latencyMs: Math.max((T - 1 - lag) * dtMs + delayMs, 0),
    separability,
  };
}

/** Place in bins of the peak at `index` of `length` samples: of a Gaussian, or a parabola, through it and its neighbours. */
function subBinPeak(sample: (i: number) => number, index: number, length: number, reach = 0.5): number {
  if (index < 1 || index > length - 2) return index;
  let [a, b, c] = [index - 1, index, index + 1].map(sample);
  if (a > 0 && b > 0 && c > 0) [a, b, c] = [a, b, c].map(Math.log);
  const curvature = a - 2 * b + c;
  return curvature < 0 ? index + clamp((a - c) / (2 * curvature), -reach, reach) : index;
}

/** Largest eigenvalue of the smaller of the two Gram matrices over its trace: s1^2 over the sum of all s^2. */
export function separabilityIndex(field: Numbers, F: number, T: number): number {
  const [n, m, row, step] = F <= T ? [F, T, T, 1] : [T, F, 1, T];
  const gram = new Float64Array(n * n);
  let [total, largest] = [0, 0];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < m; k++) sum += field[i * row + k * step] * field[j * row + k * step];
      gram[i * n + j] = gram[j * n + i] = sum;
    }
    total += gram[i * n + i];
    if (gram[i * n + i] > gram[largest * n + largest]) largest = i;
  }
  if (!(total > 0)) return Number.NaN;
  let vector = gram.slice(largest * n, (largest + 1) * n);
  let value = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const size = Math.hypot(...vector);
    const next = new Float64Array(n);
    let found = 0;
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += gram[i * n + j] * vector[j];
      next[i] = sum / size;
      found += (next[i] * vector[i]) / size;
    }
    vector = next;
    const close = found - value <= CLOSE * found;
    value = found;
    if (close) break;
  }
  return value / total;
}
