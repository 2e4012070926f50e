/** A stroke of a soft round brush over a field: numbers only, no DOM. */

import { clamp } from "../base/clamp";
import { smoothed, softness } from "./brush";

export type StrokeTool = "add" | "subtract" | "smooth" | "erase";
/** A place on the grid, both fractional. */
export interface Spot {
  band: number;
  frame: number;
}
export interface Cell {
  band: number;
  frame: number;
  value: number;
}

/**
 * A cell takes the share of the pass that came nearest to it, of what it was before the stroke: how often the pointer
 * reports and how long it rests do not matter. What is drawn twice needs two strokes.
 */
export class Stroke {
  readonly #start: Float64Array;
  readonly #share: Float64Array;
  readonly #goal: Float64Array;

  /** Over a field (F, T) with a brush of `width` cells; `amount` is what one stroke adds in its middle. */
  constructor(
    field: ArrayLike<number>,
    readonly F: number,
    readonly T: number,
    readonly width: number,
    tool: StrokeTool,
    amount: number,
  ) {
    this.#start = Float64Array.from(field);
    this.#share = new Float64Array(field.length);
    if (tool === "smooth") this.#goal = smoothedField(this.#start, F, T);
    else if (tool === "erase") this.#goal = new Float64Array(field.length);
    else this.#goal = this.#start.map((value) => value + (tool === "add" ? amount : -amount));
  }

  /** Draw a straight line; gives the cells that change. */
  sweep(from: Spot, to: Spot): Cell[] {
    const { F, T, width } = this;
    const reach = (width - 1) / 2 + 1;
    // The smallest brush paints cells, not places between them.
    const [a, b] = width > 1 ? [from, to] : [cellOf(from), cellOf(to)];
    const [db, df] = [b.band - a.band, b.frame - a.frame];
    const length = db * db + df * df;
    const ends = (p: number, q: number, n: number) => [
      clamp(Math.ceil(Math.min(p, q) - reach), 0, n),
      clamp(Math.floor(Math.max(p, q) + reach), -1, n - 1),
    ];
    const [firstBand, lastBand] = ends(a.band, b.band, F);
    const [firstFrame, lastFrame] = ends(a.frame, b.frame, T);
    const changed: Cell[] = [];
    for (let band = firstBand; band <= lastBand; band++) {
      for (let frame = firstFrame; frame <= lastFrame; frame++) {
        const along = length && clamp(((band - a.band) * db + (frame - a.frame) * df) / length, 0, 1);
        const distance = Math.hypot(band - a.band - along * db, frame - a.frame - along * df);
        const share = softness(width, distance);
        const at = band * T + frame;
        if (share <= this.#share[at]) continue;
        this.#share[at] = share;
        const start = this.#start[at];
        changed.push({ band, frame, value: start + share * (this.#goal[at] - start) });
      }
    }
    return changed;
  }
}

const cellOf = ({ band, frame }: Spot): Spot => ({ band: Math.round(band), frame: Math.round(frame) });

/** As curves of an adaptation are smoothed, along time and along frequency. */
function smoothedField(field: Float64Array, F: number, T: number): Float64Array {
  const smooth = new Float64Array(F * T);
  for (let band = 0; band < F; band++) {
    smooth.set(smoothed(field.subarray(band * T, (band + 1) * T)), band * T);
  }
  for (let frame = 0; frame < T; frame++) {
    const column = smoothed(Array.from({ length: F }, (_, band) => smooth[band * T + frame]));
    for (let band = 0; band < F; band++) smooth[band * T + frame] = column[band];
  }
  return smooth;
}
