/**
 * The curves of an adaptation over frequency, and how edits change them: numbers only, no DOM.
 *
 * A level is where a value lies on its axis: the natural logarithm of tau in ms or of the strength of depression, or w
 * itself. Shifts, brushes and smoothing work on levels, so that they mean the same at 10 and at 1000 ms.
 */

import { clamp } from "../../base/clamp";
import type { Info } from "../../kernel/contract";
import { limitsOf } from "../../math/field";
import { columnsOf } from "../../math/prefilters";

export interface Curve {
  key: string;
  /** "ON", "OFF", "w", "recovery", "strength"; empty for the time constant of an adaptation without polarities. */
  label: string;
  /** Its quantity, with the unit. */
  what: string;
  unit: string;
  /** Name in the kernel's table of parameters, and its row in the trait `prefilter`. */
  name: string;
  row: number;
  /** Lowest and highest value that an edit may set. */
  low: number;
  high: number;
}

export const isTau = (curve: Curve) => curve.unit === "ms";

/** Whether equal steps on the axis are equal factors. */
export const isLog = (curve: Curve) => isTau(curve) || curve.key === "strength";

/** The curves that can be edited; none where the prefilter is of another kind. */
export function curvesOf({ prefilter, limits }: Info): Curve[] {
  return columnsOf(prefilter.kind).map(({ name: column, meaning: label, note: what, unit }, row) => {
    const name = `prefilter.${column}`;
    const [low, high] = limitsOf(name, limits);
    return { key: label.toLowerCase() || "tau", label, what, unit, name, row, low, high };
  });
}

/** Where a value lies on its axis; what training left beyond the limits lies at them. */
export function levelOf(curve: Curve, value: number): number {
  const within = clamp(value, curve.low, curve.high);
  return isLog(curve) ? Math.log(within) : within;
}

/** The value at a level, within the limits. */
export function valueAt(curve: Curve, level: number): number {
  return clamp(isLog(curve) ? Math.exp(level) : level, curve.low, curve.high);
}

/** Levels of all bands of a curve. */
export function levelsOf(curve: Curve, prefilter: ArrayLike<number>, F: number): Float64Array {
  return Float64Array.from({ length: F }, (_, band) => levelOf(curve, prefilter[curve.row * F + band]));
}

/** One point that a drag moves: by this `share` of its way. */
export interface Held {
  curve: Curve;
  band: number;
  level: number;
  share: number;
}

/** How far points may go together, of `by` levels that are wanted: those that go the whole way keep their distances. */
export function reachable(held: Held[], by: number): number {
  let [down, up] = [-Infinity, Infinity];
  for (const { curve, level, share } of held) {
    if (share < 1) continue;
    down = Math.max(down, levelOf(curve, curve.low) - level);
    up = Math.min(up, levelOf(curve, curve.high) - level);
  }
  return clamp(by, Math.min(down, 0), Math.max(up, 0));
}

// ---- axes ---------------------------------------------------------------------------------------------------

const ROUND = [1, 2, 5, 10];
/** More of them, where an axis need not begin and end at a tick. */
export const ROUNDER = [1, 1.5, 2, 2.5, 3, 4, 5, 7, 10];

/** The nearest of 1, 2, 5 (or other steps) times a power of ten that is not below (`up`) or not above `x`. */
export function rounded(x: number, up: boolean, steps = ROUND): number {
  const power = 10 ** Math.floor(Math.log10(x) + 1e-9);
  const factor = up
    ? steps.find((s) => s * power >= x * (1 - 1e-9))
    : steps.filter((s) => s * power <= x * (1 + 1e-9)).at(-1);
  return (factor ?? 1) * power;
}

const ROOM = 1.5;

/** Ends in ms of an axis that shows all finite values with room around them, a decade at least. */
export function tauRange(values: Iterable<number>, lowest: number, highest: number): [number, number] {
  let [low, high] = [Infinity, 0];
  for (const tau of values) {
    if (!Number.isFinite(tau) || tau <= 0) continue;
    low = Math.min(low, tau);
    high = Math.max(high, tau);
  }
  if (low > high) [low, high] = [10, 100];
  low = clamp(low, lowest, highest);
  high = clamp(high, lowest, highest);
  const factor = Math.max(10 / (high / low), ROOM ** 2) ** 0.5;
  return [
    clamp(rounded(low / factor, false), lowest, highest),
    clamp(rounded(high * factor, true), lowest, highest),
  ];
}

/** 1, 2, 5 times powers of ten between two ends, or the powers alone where a decade has less than three gaps of room. */
export function logTicks(low: number, high: number, pixels: number, gap: number): number[] {
  const perDecade = pixels / Math.log10(high / low);
  const factors = perDecade * Math.log10(2) >= gap ? [1, 2, 5] : perDecade >= 3 * gap ? [1, 3] : [1];
  const ticks: number[] = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high * (1 + 1e-9); power *= 10) {
    for (const factor of factors) {
      const tau = Number((factor * power).toPrecision(6));
      if (tau >= low * (1 - 1e-9) && tau <= high * (1 + 1e-9)) ticks.push(tau);
    }
  }
  return ticks;
}

/** Round decays, the most informative first. */
const DECAYS = [0.9, 0.99, 0.5, 0.999, 0.8, 0.95, 0.98, 0.2, 0.995, 0.7, 0.97, 0.05, 0.998, 0.1, 0.01];

/** Round decays per bin between two time constants, no closer than `gap` of `pixels`: the second reading of the axis. */
export function decayTicks(
  low: number,
  high: number,
  dtMs: number,
  pixels: number,
  gap: number,
): { tauMs: number; text: string }[] {
  const perLevel = pixels / Math.log(high / low);
  const found: { tauMs: number; text: string }[] = [];
  for (const a of DECAYS) {
    const tauMs = -dtMs / Math.log(a);
    if (tauMs < low || tauMs > high) continue;
    const near = found.some((other) => Math.abs(Math.log(tauMs / other.tauMs)) * perLevel < gap);
    if (!near) found.push({ tauMs, text: String(a) });
  }
  return found.sort((one, other) => one.tauMs - other.tauMs);
}
