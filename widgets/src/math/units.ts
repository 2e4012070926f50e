/**
 * Natural units of a receptive field (Hz, octaves, ms) to and from its grid (bands, frames).
 *
 * Twins of `deepstrf_widgets/units.py`: same names, same argument order; `tests/vectors/units.json` keeps them equal.
 */
import { clamp } from "../base/clamp";

/** Frequency in Hz at a (fractional) band index: linear in log2(Hz), continued outside with the end slopes. */
export function bandToHz(band: number, cfHz: ArrayLike<number>): number {
  const F = cfHz.length;
  if (F === 1) return cfHz[0] * 2 ** band;
  const low = clamp(Math.floor(band), 0, F - 2);
  const start = Math.log2(cfHz[low]);
  return 2 ** (start + (band - low) * (Math.log2(cfHz[low + 1]) - start));
}

/** Fractional band index of a frequency in Hz: the inverse of `bandToHz`. */
export function hzToBand(hz: number, cfHz: ArrayLike<number>): number {
  const F = cfHz.length;
  const x = Math.log2(hz);
  if (F === 1) return x - Math.log2(cfHz[0]);
  let low = 0;
  let high = F - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (cfHz[middle] <= hz) low = middle;
    else high = middle;
  }
  const start = Math.log2(cfHz[low]);
  return low + (x - start) / (Math.log2(cfHz[low + 1]) - start);
}

/** Octaves that one band spans around a (fractional) band index; 1 for a one-band axis. */
export function octavesPerBand(band: number, cfHz: ArrayLike<number>): number {
  const F = cfHz.length;
  if (F === 1) return 1;
  const slope = (i: number) => {
    const before = Math.max(i - 1, 0);
    const after = Math.min(i + 1, F - 1);
    return (Math.log2(cfHz[after]) - Math.log2(cfHz[before])) / (after - before);
  };
  const b = clamp(band, 0, F - 1);
  const low = Math.min(Math.floor(b), F - 2);
  return slope(low) + (b - low) * (slope(low + 1) - slope(low));
}

/** Time in ms from the sound of a (fractional) index of a kernel with T frames to the response; the last is the latest bin. */
export function frameToLagMs(frame: number, T: number, dtMs: number, delayMs = 0): number {
  return (T - 1 - frame) * dtMs + delayMs;
}

/** Time index of a lag in ms: the inverse of `frameToLagMs`. */
export function lagMsToFrame(lagMs: number, T: number, dtMs: number, delayMs = 0): number {
  return T - 1 - (lagMs - delayMs) / dtMs;
}
