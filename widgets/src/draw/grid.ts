/** Pixels of a receptive field: bands upward, frames to the right, each cell as large as the next. */

import { type Box, nearestIn } from "../base/box";
import type { Place } from "../math/field";

export class Grid {
  constructor(
    readonly box: Box,
    readonly F: number,
    readonly T: number,
  ) {}

  get perFrame(): number {
    return this.box.width / this.T;
  }
  get perBand(): number {
    return this.box.height / this.F;
  }
  x(frame: number): number {
    return this.box.x + (frame + 0.5) * this.perFrame;
  }
  y(band: number): number {
    return this.box.y + this.box.height - (band + 0.5) * this.perBand;
  }
  frame(x: number): number {
    return (x - this.box.x) / this.perFrame - 0.5;
  }
  band(y: number): number {
    return (this.box.y + this.box.height - y) / this.perBand - 0.5;
  }
  /** Where the centre is drawn: a centre off the grid lies at the edge, `outside` says so. */
  centre(p: Place): { x: number; y: number; outside: boolean } {
    const at = { x: this.x(p.frame), y: this.y(p.band) };
    const near = nearestIn(this.box, at);
    return { ...near, outside: Math.abs(near.x - at.x) > 0.5 || Math.abs(near.y - at.y) > 0.5 };
  }
}
