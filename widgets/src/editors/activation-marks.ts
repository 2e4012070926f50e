/** What lies over an output curve: its levels, the tangent at its threshold, and the line to the axis of the drive. */

import { setAttribute } from "../dom";
import { svg } from "../draw/marks";
import { px } from "../format";
import type { Plot } from "./activation-plot";

/** Ends of a line in pixels of the stage. */
export type Segment = readonly [x1: number, y1: number, x2: number, y2: number];

/** An SVG over the plot: a move changes a few attributes. */
export class CurveMarks {
  readonly #levels = svg("path", "db-levels");
  readonly #tangent = svg("path", "db-tangent");
  readonly #cross = svg("path", "db-cross");
  readonly element = svg("svg", "db-marks", svg("svg", "db-clip", this.#levels, this.#cross), this.#tangent);

  constructor() {
    this.element.setAttribute("aria-hidden", "true");
  }

  /** Levels at these rates, the tangent, and a line up from this drive; null for none. */
  paint(plot: Plot, levels: number[], tangent: Segment | null, drive: number | null): void {
    const { x: left, y: top, width, height } = plot.box;
    const lines = levels.map((rate) => `M0 ${px(plot.y(rate) - top)}H${px(width)}`);
    setAttribute(this.#levels, "d", lines.join("") || null);
    const [x1, y1, x2, y2] = (tangent ?? []).map((value, i) => px(value - (i % 2 ? top : left)));
    setAttribute(this.#tangent, "d", tangent && `M${x1} ${y1}L${x2} ${y2}`);
    const up = drive === null ? null : `M${px(plot.x(drive) - left)} 0V${px(height)}`;
    setAttribute(this.#cross, "d", up);
  }
}
