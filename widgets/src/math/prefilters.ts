/**
 * Adaptation of each band to its own past.
 *
 * Twin of `deepstrf.models.prefiltering`; `tests/vectors/forward.json` keeps the two equal.
 */

import { PREFILTERS } from "./registry";

export type Prefilter = keyof typeof PREFILTERS;
type Numbers = Float32Array | Float64Array;

/** What one channel makes of a band: its weights of the present and of the average over the past. */
export interface BandFilter {
  key: string;
  tauMs: number;
  present: number;
  past: number;
}

type Values = Record<string, number>;

/** One channel (n,) from a band (n,); `out` is to be filled. */
type Adapt = (x: Numbers, values: Values, dtMs: number, out: Float64Array) => void;

/** What a prefilter makes of a band, by its values of the columns in the registry. */
interface Formula {
  /** Filters, one for each channel that comes out, rectified; none where they do not say it all. */
  filters(values: Values): BandFilter[];
  /** The one channel of a prefilter that is not made of such filters. */
  adapt?: Adapt;
}

const FORMULAS: Record<Prefilter, Formula> = {
  none: { filters: () => [] },
  adaptrans: {
    filters: ({ tau_on_ms, tau_off_ms, w }) => [
      { key: "on", tauMs: tau_on_ms, present: 1, past: -w },
      { key: "off", tauMs: tau_off_ms, present: -w, past: 1 },
    ],
  },
  ic: { filters: ({ tau_ms }) => [{ key: "tau", tauMs: tau_ms, present: 1, past: -1 }] },
  // Not linear: what it makes of a sound depends on how much of the resource that has used up.
  plasticity: {
    filters: () => [],
    adapt: (x, values, dtMs, out) => depressBand(x, depletionOf(values, dtMs), out),
  },
};

/** The columns of a prefilter; none where its formula is not known here. */
export const columnsOf = (kind: string) => (kind in PREFILTERS ? PREFILTERS[kind as Prefilter].columns : []);

/** The values of a band by the names of their columns, of values (columns, F). */
export function valuesOf(kind: string, values: ArrayLike<number>, band: number, F: number): Values {
  return Object.fromEntries(columnsOf(kind).map(({ name }, row) => [name, values[row * F + band]]));
}

/** The filters of a band, of values (columns, F). */
export function filtersOf(kind: string, values: ArrayLike<number>, band: number, F: number): BandFilter[] {
  return columnsOf(kind).length > 0
    ? FORMULAS[kind as Prefilter].filters(valuesOf(kind, values, band, F))
    : [];
}

/** The channels of a band x (n,) after adaptation, in the arrays `out`. */
export function adaptBand(
  kind: Prefilter,
  x: Numbers,
  values: Values,
  dtMs: number,
  taps: number,
  out: Float64Array[],
): void {
  const { filters, adapt } = FORMULAS[kind];
  if (adapt) adapt(x, values, dtMs, out[0]);
  else for (const [c, filter] of filters(values).entries()) average(x, filter, dtMs, taps, out[c]);
}

/** Decay per time bin of a time constant; an infinite one does not decay. */
export const decayOf = (tauMs: number, dtMs: number) => Math.exp(-dtMs / tauMs);

/**
 * `out[t] = present * x[t] + past * m[t]`, rectified, where m is the exponential average over lags 1 .. K-1. Before the
 * first bin the band is taken to have had its value for ever.
 */
function average(
  x: Numbers,
  { tauMs, present, past }: BandFilter,
  dtMs: number,
  K: number,
  out: Float64Array,
): void {
  const a = decayOf(tauMs, dtMs);
  const last = a ** (K - 1);
  const sum = a < 1 ? (1 - last) / (1 - a) : K - 1;
  const first = x[0];
  let weighted = first * sum;
  for (let t = 0; t < out.length; t++) {
    const now = x[t];
    const value = present * now + (past * weighted) / sum;
    out[t] = value > 0 ? value : 0;
    const gone = t - K + 1 >= 0 ? x[t - K + 1] : first;
    weighted = a * weighted + now - last * gone;
  }
}

/** Recovery of the missing resource and its use per unit of sound, both per bin. */
export interface Depletion {
  recovery: number;
  strength: number;
}
export const depletionOf = ({ tau_ms, u }: Values, dtMs: number): Depletion => ({
  recovery: dtMs / tau_ms,
  strength: u,
});

/**
 * `out[t] = d[t] * x[t]`, x rectified, where d is the share of the resource as each bin begins: 1 before the first, then
 * the solution of `d' = (1 - d) recovery - strength x d` with x constant within a bin.
 */
function depressBand(x: Numbers, depletion: Depletion, out: Float64Array): void {
  let d = 1;
  for (let t = 0; t < out.length; t++) {
    const now = Math.max(x[t], 0);
    out[t] = now * d;
    d = afterBin(d, now, depletion);
  }
}

function afterBin(d: number, x: number, { recovery, strength }: Depletion): number {
  const rate = recovery + strength * x;
  return rate > 0 ? Math.exp(-rate) * d - Math.expm1(-rate) * (recovery / rate) : d;
}

/** Share of the resource as each of n bins begins, in a steady sound. */
export function steadyDepletion(level: number, depletion: Depletion, n: number): Float64Array {
  const shares = new Float64Array(n).fill(1);
  for (let t = 1; t < n; t++) shares[t] = afterBin(shares[t - 1], Math.max(level, 0), depletion);
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
