/** Where the handles of an output curve stand, in pixels of its stage. */

import type { Point } from "../dom";
import { holds, nearestIn } from "../draw/box";
import {
  type Editable,
  heightAtThreshold,
  type Saturating,
  type Word,
  type Words,
} from "../math/curve-handles";
import type { Plot } from "./activation-plot";

/** From the threshold to the square on the tangent. */
const ARM_PX = 54;
/** From the edge of the plot to the bars of the levels. */
const INSET_PX = 14;
/** Room for a name beside its handle. */
const LABEL_PX = 78;

/** A place, moved to the edge of the plot if it lies outside. */
export interface Place extends Point {
  outside: boolean;
}

export class Places {
  /** Which side the square on the tangent and the baseline's bar stand on: 1 right, -1 left. */
  arm = 1;
  foot = -1;

  /** The baseline's bar stands where the curve comes near it, the square where there is room for it. */
  choose(kind: Editable, words: Words, plot: Plot): void {
    const { baseline = 0, ceiling = 0, slope = 0 } = words;
    this.foot = slope * (ceiling - baseline) < 0 ? 1 : -1;
    if (kind === "softplus") return;
    const room = (side: number) => holds(plot.box, armEnd(kind, words, plot, side));
    this.arm = room(1) || !room(-1) ? 1 : -1;
  }

  /** Null where a handle has no place: a tangent needs its threshold in the plot. */
  of(kind: Editable, word: Word, words: Words, plot: Plot): Place | null {
    const value = words[word] ?? 0;
    if (word === "knee") return inside(plot, plot.x(0), plot.y(value));
    if (kind !== "softplus" && word === "threshold") {
      const hub = hubOf(kind, words, plot);
      return inside(plot, hub.x, hub.y);
    }
    if (kind !== "softplus" && word === "slope") {
      const hub = hubOf(kind, words, plot);
      return holds(plot.box, hub) ? { ...armEnd(kind, words, plot, this.arm), outside: false } : null;
    }
    const { x, width } = plot.box;
    const side = word === "ceiling" ? -this.foot : this.foot;
    return inside(plot, side < 0 ? x + INSET_PX : x + width - INSET_PX, plot.y(value));
  }

  /** Side of a handle on which its name stands: off the curve, and within the plot. */
  labelOf(word: Word, { x }: Point, { box }: Plot): "left" | "right" {
    const wanted = word === "baseline" || word === "threshold" || word === "knee" ? -this.foot : this.foot;
    if (wanted > 0) return x + LABEL_PX < box.x + box.width ? "right" : "left";
    return x - LABEL_PX > box.x ? "left" : "right";
  }

  /** Slope of the line from the threshold to where the square was drawn to; never over the vertical. */
  slopeTo(kind: Saturating, words: Words, plot: Plot, square: Point): number {
    const hub = hubOf(kind, words, plot);
    const aside = Math.max(this.arm * (square.x - hub.x), LEAST_PX);
    return (this.arm * (hub.y - square.y) * plot.perDrive) / (aside * plot.perRate);
  }
}

/** Least way to the side of the threshold that the square is taken for. */
const LEAST_PX = 0.5;

function hubOf(kind: Saturating, words: Words, plot: Plot): Point {
  return { x: plot.x(words.threshold ?? 0), y: plot.y(heightAtThreshold(kind, words)) };
}

function armEnd(kind: Saturating, words: Words, plot: Plot, side: number): Point {
  const hub = hubOf(kind, words, plot);
  const steep = ((words.slope ?? 0) * plot.perRate) / plot.perDrive;
  const x = (side * ARM_PX) / Math.hypot(1, steep);
  return { x: hub.x + x, y: hub.y - steep * x };
}

function inside({ box }: Plot, x: number, y: number): Place {
  const at = { x, y };
  return { ...nearestIn(box, at), outside: !holds(box, at) };
}
