/**
 * Adaptation of each band to its own past.
 *
 * Twin of `deepstrf.models.prefiltering`; `tests/vectors/forward.json` keeps the two equal.
 */

import { PREFILTERS } from "./registry";

export type Prefilter = keyof typeof PREFILTERS;

/** What one channel makes of a band: its weights of the present and of the average over the past. */
export interface BandFilter {
  key: string;
  tauMs: number;
  present: number;
  past: number;
}

/** The filters of a band, one for each channel that comes out, from its values of the columns in the registry. */
const FILTERS: Record<Prefilter, (values: Record<string, number>) => BandFilter[]> = {
  none: () => [],
  adaptrans: ({ tau_on_ms, tau_off_ms, w }) => [
    { key: "on", tauMs: tau_on_ms, present: 1, past: -w },
    { key: "off", tauMs: tau_off_ms, present: -w, past: 1 },
  ],
  ic: ({ tau_ms }) => [{ key: "tau", tauMs: tau_ms, present: 1, past: -1 }],
  // Not linear: what it makes of a sound depends on how much of the resource that has used up.
  plasticity: () => [],
};

/** The columns of a prefilter; none where its formula is not known here. */
export const columnsOf = (kind: string) => (kind in PREFILTERS ? PREFILTERS[kind as Prefilter].columns : []);

/** The filters of a band, of values (columns, F). */
export function filtersOf(kind: string, values: ArrayLike<number>, band: number, F: number): BandFilter[] {
  const named = columnsOf(kind).map(({ name }, row) => [name, values[row * F + band]]);
  return named.length > 0 ? FILTERS[kind as Prefilter](Object.fromEntries(named)) : [];
}

/** Decay per time bin of a time constant; an infinite one does not decay. */
export const decayOf = (tauMs: number, dtMs: number) => Math.exp(-dtMs / tauMs);

/**
 * `out[t] = present * x[t] + past * m[t]`, rectified, where m is the exponential average over lags 1 .. K-1. Before the
 * first bin the band is taken to have had its value for ever.
 */
export function adaptBand(
  x: ArrayLike<number>,
  start: number,
  length: number,
  a: number,
  present: number,
  past: number,
  K: number,
  out: Float64Array,
  to: number,
): void {
  const last = a ** (K - 1);
  const sum = a < 1 ? (1 - last) / (1 - a) : K - 1;
  const first = x[start];
  let weighted = first * sum;
  for (let t = 0; t < length; t++) {
    const now = x[start + t];
    const value = present * now + (past * weighted) / sum;
    out[to + t] = value > 0 ? value : 0;
    const gone = t - K + 1 >= 0 ? x[start + t - K + 1] : first;
    weighted = a * weighted + now - last * gone;
  }
}

/** Recovery of the missing resource and its use per unit of sound, both per bin, of values (columns, F). */
export function depletionOf(values: ArrayLike<number>, band: number, F: number, dtMs: number) {
  return { recovery: dtMs / values[band], strength: values[F + band] };
}

/**
 * `out[t] = d[t] * x[t]`, x rectified, where d is the share of the resource as each bin begins: 1 before the first, then
 * the solution of `d' = (1 - d) recovery - strength x d` with x constant within a bin.
 */
export function depressBand(
  x: ArrayLike<number>,
  start: number,
  length: number,
  recovery: number,
  strength: number,
  out: Float64Array,
  to: number,
): void {
  let d = 1;
  for (let t = 0; t < length; t++) {
    const now = Math.max(x[start + t], 0);
    out[to + t] = now * d;
    d = afterBin(d, now, recovery, strength);
  }
}

function afterBin(d: number, x: number, recovery: number, strength: number): number {
  const rate = recovery + strength * x;
  return rate > 0 ? Math.exp(-rate) * d - Math.expm1(-rate) * (recovery / rate) : d;
}

/** Share of the resource as each of n bins begins, in a steady sound. */
export function steadyDepletion(level: number, recovery: number, strength: number, n: number): Float64Array {
  const shares = new Float64Array(n).fill(1);
  for (let t = 1; t < n; t++) shares[t] = afterBin(shares[t - 1], Math.max(level, 0), recovery, strength);
  return shares;
}

/** Kernel of lags 0 .. n-1 (lag 0 first): `present` now, `past` times the exponential average before. */
export function adaptationKernel(
  a: number,
  present: number,
  past: number,
  K: number,
  n: number,
): Float64Array {
  const sum = a < 1 ? (1 - a ** (K - 1)) / (1 - a) : K - 1;
  return Float64Array.from({ length: n }, (_, lag) =>
    lag === 0 ? present : lag < K ? (past * a ** (lag - 1)) / sum : 0,
  );
}
