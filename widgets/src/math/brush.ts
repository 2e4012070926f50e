/** A soft brush over a curve: its share at a distance, the places that it passes, one sweep, smoothing. No DOM. */

import { clamp } from "../base/clamp";

export const WIDTHS = [1, 3, 7];

/** Share of a brush of `width` bands at a distance in bands: 1 in its middle, falling as a cosine to 0 outside. */
export function softness(width: number, distance: number): number {
  const reach = (width - 1) / 2 + 1;
  return Math.abs(distance) < reach ? (1 + Math.cos((Math.PI * distance) / reach)) / 2 : 0;
}

/** Bands under a brush that lies on `band`, with the share of each. */
export function brushed(band: number, width: number, F: number): [band: number, share: number][] {
  const half = (width - 1) / 2;
  const found: [number, number][] = [];
  for (let at = Math.max(band - half, 0); at <= Math.min(band + half, F - 1); at++) {
    found.push([at, softness(width, at - band)]);
  }
  return found;
}

/** A place on a plot, both fractional. */
export interface Place {
  band: number;
  level: number;
}

/** The bands that a pointer passes from one place to another, with its level over each: the first has had its own. */
export function passed(from: Place, to: Place, F: number): Place[] {
  const inside = (band: number) => clamp(Math.round(band), 0, F - 1);
  const [first, last] = [inside(from.band), inside(to.band)];
  const step = Math.sign(last - first);
  const places: Place[] = [];
  const begin = Math.round(from.band) === first ? first + step : first;
  for (let band = begin; step !== 0 && band !== last + step; band += step) {
    const share = clamp((band - from.band) / (to.band - from.band), 0, 1);
    places.push({ band, level: from.level + share * (to.level - from.level) });
  }
  if (Math.round(to.band) !== last) return places;
  places[Math.max(places.length - 1, 0)] = { band: last, level: to.level };
  return places;
}

/**
 * One sweep of a soft brush over a curve. A band takes the level of the pass that came nearest to it, mixed with where
 * it was before the sweep by its share: how often the pointer reports does not matter.
 */
export class Sweep {
  readonly #share: Float64Array;

  readonly #start: Float64Array;
  readonly #width: number;

  constructor(start: Float64Array, width: number) {
    this.#start = start;
    this.#width = width;
    this.#share = new Float64Array(start.length);
  }

  /** Lay the brush on a place; gives the levels that change. */
  dab({ band, level }: Place): Place[] {
    const changed: Place[] = [];
    for (const [at, share] of brushed(band, this.#width, this.#start.length)) {
      if (share < this.#share[at]) continue;
      this.#share[at] = share;
      changed.push({ band: at, level: this.#start[at] + share * (level - this.#start[at]) });
    }
    return changed;
  }
}

/** Levels after `rounds` of the kernel 1/4, 1/2, 1/4 over the bands, the outermost band repeated beyond the ends. */
export function smoothed(levels: ArrayLike<number>, rounds = SMOOTH_ROUNDS): Float64Array {
  let now = Float64Array.from(levels);
  for (let round = 0; round < rounds; round++) {
    const last = now;
    const at = (i: number) => last[clamp(i, 0, last.length - 1)];
    now = last.map((level, i) => (at(i - 1) + 2 * level + at(i + 1)) / 4);
  }
  return now;
}
const SMOOTH_ROUNDS = 3;
