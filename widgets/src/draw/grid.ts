/** Pixels of a receptive field: bands upward, frames to the right, each cell as large as the next. */

import { clamp } from "../math/clamp";
import type { OnGrid } from "../math/field";
import type { Box } from "./axes";

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
  holds(x: number, y: number): boolean {
    const { box } = this;
    return x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
  }

  /** Where the centre is drawn: a centre off the grid lies at the edge, `outside` says so. */
  centre(p: OnGrid): { x: number; y: number; outside: boolean } {
    const { box } = this;
    const [x, y] = [this.x(p.frame), this.y(p.band)];
    const cx = clamp(x, box.x, box.x + box.width);
    const cy = clamp(y, box.y, box.y + box.height);
    return { x: cx, y: cy, outside: Math.abs(cx - x) > 0.5 || Math.abs(cy - y) > 0.5 };
  }
}
