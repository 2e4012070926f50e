/** Receptive fields on their grid of bands and frames: Gaussians within what a user may set, and the fields they make. */

import { clamp } from "../base/clamp";
import { gaussianMixtureKernel, MIN_SIGMA } from "./gaussians";
import type { KERNELS } from "./registry";
import { bandToHz, frameToLagMs, octavesPerBand } from "./units";

/** A place on the grid, both fractional; frame T - 1 is now. */
export interface Place {
  band: number;
  frame: number;
}

/** One Gaussian in units of the grid, the columns of the trait `gaussians`; its widths do not depend on its place. */
export interface Gaussian extends Place {
  sigma_bands: number;
  sigma_frames: number;
  weight: number;
}
export type Column = keyof Gaussian;

/** Lowest and highest value of each parameter that a user may set; null (or an infinity) where there is none. */
export type Limits = Record<string, [number | null, number | null]>;

export interface Axes {
  cfHz: ArrayLike<number>;
  F: number;
  T: number;
  dtMs: number;
  /** How long before the middle of a bin lies that of the sound that it describes. */
  delayMs: number;
}

/** Lowest and highest value that a user may set of a parameter. */
export function limitsOf(name: string, limits: Limits): [number, number] {
  const [low, high] = limits[name] ?? [null, null];
  return [low ?? -Infinity, high ?? Infinity];
}

/** `g` with some columns changed and brought within the limits; the others stay, even where training left them outside. */
export function changed(g: Gaussian, change: Partial<Gaussian>, limits: Limits): Gaussian {
  const next = { ...g };
  for (const [column, value] of Object.entries(change) as [Column, number][]) {
    if (Number.isFinite(value)) next[column] = clamp(value, ...limitsOf(`strf.${column}`, limits));
  }
  return next;
}

/** Centre and widths in natural units, for labels. */
export function naturalUnits(g: Gaussian, { cfHz, T, dtMs, delayMs }: Axes) {
  return {
    hz: bandToHz(g.band, cfHz),
    lagMs: frameToLagMs(g.frame, T, dtMs, delayMs),
    octaves: g.sigma_bands * octavesPerBand(g.band, cfHz),
    ms: g.sigma_frames * dtMs,
  };
}

/** The kernels (C, F, T) of a neuron from its Gaussians (C, G, 5). */
export function kernelOf(gaussians: ArrayLike<number>, G: number, { F, T }: Axes): Float64Array {
  const total = gaussians.length / 5;
  const P = new Float64Array(2 * total);
  const SIG = new Float64Array(2 * total);
  const weight = new Float64Array(total);
  for (let k = 0; k < total; k++) {
    const g = gaussianAt(gaussians, k);
    P[k] = g.band;
    P[total + k] = g.frame;
    SIG[k] = Math.max(g.sigma_bands - MIN_SIGMA, 0);
    SIG[total + k] = Math.max(g.sigma_frames - MIN_SIGMA, 0);
    weight[k] = g.weight;
  }
  return gaussianMixtureKernel(P, SIG, weight, F, T, G);
}

export function gaussianAt(gaussians: ArrayLike<number>, k: number): Gaussian {
  return {
    band: gaussians[5 * k],
    frame: gaussians[5 * k + 1],
    sigma_bands: gaussians[5 * k + 2],
    sigma_frames: gaussians[5 * k + 3],
    weight: gaussians[5 * k + 4],
  };
}

type Made = Exclude<keyof typeof KERNELS, "gaussians" | "full">;
type Columns = Record<string, ArrayLike<number>>;

/** The kernels (C, F, T) of a neuron from the values (C, ...) of the columns in the registry, by their names there. */
const FIELDS: Record<Made, (columns: Columns, C: number, axes: Axes) => Float64Array> = {
  separable: ({ factor_f: inFrequency, factor_t: inTime }, C, { F, T }) => {
    const field = new Float64Array(C * F * T);
    for (let i = 0; i < field.length; i++) {
      const row = Math.floor(i / T);
      field[i] = inFrequency[row] * inTime[Math.floor(row / F) * T + (i % T)];
    }
    return field;
  },
};

/** Count of the values of an array. */
export const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

/** What a field is made of that has neither Gaussians nor cells of its own. */
interface Composition {
  kind: string;
  n_channels: number;
  columns: readonly { name: string; shape: readonly number[] }[];
}

/** The kernels (C, F, T) of a neuron from `values`, those of its columns one after the other. */
export function fieldOf(
  { kind, n_channels, columns }: Composition,
  values: Float32Array | Float64Array,
  axes: Axes,
): Float64Array {
  let at = 0;
  const named = columns.map(({ name, shape }) => {
    const size = sizeOf(shape);
    at += size;
    return [name.replace("strf.", ""), values.subarray(at - size, at)];
  });
  return FIELDS[kind as Made](Object.fromEntries(named), n_channels, axes);
}
