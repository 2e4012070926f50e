/** One Gaussian of a receptive field in natural units, on its grid, and within what a hand may set. */

import { clamp } from "../base/clamp";
import { gaussianMixtureKernel, MIN_SIGMA } from "./gaussians";
import { bandToHz, frameToLagMs, hzToBand, lagMsToFrame, octavesPerBand } from "./units";

/** Natural units, the columns of the trait `gaussians`. */
export interface Gaussian {
  center_hz: number;
  center_ms: number;
  sigma_oct: number;
  sigma_ms: number;
  weight: number;
}
export type Column = keyof Gaussian;

/** Lowest and highest value of each parameter that a user may set; null (or an infinity) where there is none. */
export type Limits = Record<string, [number | null, number | null]>;

/** Grid units: bands and frames; widths are the effective ones. */
export interface OnGrid {
  band: number;
  frame: number;
  sigmaBands: number;
  sigmaFrames: number;
}

export interface Axes {
  cfHz: ArrayLike<number>;
  F: number;
  T: number;
  dtMs: number;
}

export function onGrid(g: Gaussian, axes: Axes): OnGrid {
  const band = hzToBand(g.center_hz, axes.cfHz);
  return {
    band,
    frame: lagMsToFrame(g.center_ms, axes.T, axes.dtMs),
    sigmaBands: g.sigma_oct / octavesPerBand(band, axes.cfHz),
    sigmaFrames: g.sigma_ms / axes.dtMs,
  };
}

export function offGrid(p: OnGrid, weight: number, axes: Axes): Gaussian {
  return {
    center_hz: bandToHz(p.band, axes.cfHz),
    center_ms: frameToLagMs(p.frame, axes.T, axes.dtMs),
    sigma_oct: p.sigmaBands * octavesPerBand(p.band, axes.cfHz),
    sigma_ms: p.sigmaFrames * axes.dtMs,
    weight,
  };
}

/** Lowest and highest value a hand may set of one column; widths in octaves take the limits of bands at the centre. */
export function limitsOf(
  column: Column,
  g: Gaussian,
  info: { limits: Limits },
  axes: Axes,
): [number, number] {
  const read = (name: string, fallback: [number, number]): [number, number] => {
    const [low, high] = info.limits[name] ?? [null, null];
    return [
      low !== null && Number.isFinite(low) ? low : fallback[0],
      high !== null && Number.isFinite(high) ? high : fallback[1],
    ];
  };
  if (column === "center_hz") {
    const low = axes.cfHz[0];
    const high = axes.cfHz[axes.F - 1];
    return read("strf.center_hz", [low, high]);
  }
  if (column === "center_ms") return read("strf.center_ms", [0, (axes.T - 1) * axes.dtMs]);
  if (column === "sigma_ms") return read("strf.sigma_ms", [MIN_SIGMA * axes.dtMs, axes.T * axes.dtMs]);
  if (column === "weight") return read("strf.weight", [-Infinity, Infinity]);
  const slope = octavesPerBand(hzToBand(g.center_hz, axes.cfHz), axes.cfHz);
  const [low, high] = read("strf.sigma_bands", [MIN_SIGMA, Math.max(axes.F, 1)]);
  return [low * slope, high * slope];
}

/**
 * `g` with some columns changed and brought within the limits; moving the centre keeps the width in bands, so that
 * its value in octaves follows. A column that is not changed stays as it is, even where training left it outside.
 */
export function changed(
  g: Gaussian,
  change: Partial<Gaussian>,
  info: { limits: Limits },
  axes: Axes,
): Gaussian {
  const next = { ...g };
  const set = (column: Column) => {
    const value = change[column];
    if (value === undefined || !Number.isFinite(value)) return;
    const [low, high] = limitsOf(column, next, info, axes);
    next[column] = clamp(value, low, high);
  };
  const { sigmaBands } = onGrid(g, axes);
  set("center_hz");
  if (next.center_hz !== g.center_hz) {
    next.sigma_oct = sigmaBands * octavesPerBand(hzToBand(next.center_hz, axes.cfHz), axes.cfHz);
  }
  set("center_ms");
  set("sigma_oct");
  set("sigma_ms");
  set("weight");
  return next;
}

/** The kernels (C, F, T) of a neuron from its Gaussians (C, G, 5) in natural units. */
export function kernelOf(gaussians: ArrayLike<number>, G: number, axes: Axes): Float64Array {
  const total = gaussians.length / 5;
  const P = new Float64Array(2 * total);
  const SIG = new Float64Array(2 * total);
  const weight = new Float64Array(total);
  for (let k = 0; k < total; k++) {
    const p = onGrid(gaussianAt(gaussians, k), axes);
    P[k] = p.band;
    P[total + k] = p.frame;
    SIG[k] = Math.max(p.sigmaBands - MIN_SIGMA, 0);
    SIG[total + k] = Math.max(p.sigmaFrames - MIN_SIGMA, 0);
    weight[k] = gaussians[5 * k + 4];
  }
  return gaussianMixtureKernel(P, SIG, weight, axes.F, axes.T, G);
}

export function gaussianAt(gaussians: ArrayLike<number>, k: number): Gaussian {
  return {
    center_hz: gaussians[5 * k],
    center_ms: gaussians[5 * k + 1],
    sigma_oct: gaussians[5 * k + 2],
    sigma_ms: gaussians[5 * k + 3],
    weight: gaussians[5 * k + 4],
  };
}

/** The kernels (C, F, T) of a neuron from its frequency profiles (C, F) and, after them, its time profiles (C, T). */
export function outer(factors: ArrayLike<number>, C: number, { F, T }: Axes): Float64Array {
  const field = new Float64Array(C * F * T);
  for (let i = 0; i < field.length; i++) {
    const row = Math.floor(i / T);
    field[i] = factors[row] * factors[C * F + Math.floor(row / F) * T + (i % T)];
  }
  return field;
}
