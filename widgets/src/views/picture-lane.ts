/** A matrix over time as a lane of its own, its picture stretched between the ends of the time axis. */

import { element, setAttribute, setStyle } from "../dom";
import type { Box } from "../draw/box";
import type { Table } from "../draw/colormap";
import { fillImage, LongImage } from "../draw/heatmap";
import type { Window } from "../draw/line";
import { Unchanged } from "../draw/surface";

/** Widest picture that is painted pixel by pixel in a frame; a longer one is halved first. */
const MOST_COLUMNS = 4096;

/** Rows of a matrix with `columns` values each, from `start` on; row 0 is at the bottom. */
export interface Rows {
  values: Float32Array | Float64Array;
  rows: number;
  columns: number;
  start: number;
}

export class PictureLane {
  readonly #picture = element("canvas.db-picture", { role: "img" });
  readonly #label: HTMLElement;
  readonly #same = new Unchanged();
  #kept: ImageData | null = null;
  readonly element: HTMLElement;

  constructor(name: string, channel: number | null = null) {
    this.#label = element("span.db-lane-name", { "data-channel": channel }, name);
    this.element = element("div.db-lane.db-adapted-lane", {}, this.#label, this.#picture);
  }

  /** Put the picture where the time axis is, and say what it shows. */
  place(box: Box, spoken: string): void {
    setAttribute(this.#picture, "aria-label", spoken);
    setStyle(this.#picture, "left", `${box.x}px`);
    setStyle(this.#picture, "width", `${box.width}px`);
  }

  /** `changed`: the rows that are others than at the last call, all of them where it is left out. */
  paint(
    { values, rows, columns: n, start }: Rows,
    high: number,
    colours: Table,
    box: Box,
    at: Window,
    changed?: (row: number) => boolean,
  ): void {
    const { from, to } = at;
    const columns = [Math.floor(from), Math.min(Math.ceil(to), n)];
    const count = columns[1] - columns[0];
    if (count <= MOST_COLUMNS) {
      const same = this.#same.by(rows, high, colours, ...columns);
      const kept = same && changed ? this.#kept : null;
      const from = start + columns[0];
      this.#kept = fillImage(this.#picture, values, rows, count, [0, high], colours, from, n, kept, changed);
      return;
    }
    this.#kept = null;
    this.#picture.width = Math.round(box.width);
    this.#picture.height = rows;
    const ctx = this.#picture.getContext("2d");
    const whole = { x: 0, y: 0, width: box.width, height: rows };
    const own = Float32Array.from(values.subarray(start, start + rows * n));
    if (ctx) new LongImage(own, rows, n, [0, high], colours).draw(ctx, whole, from, to, box.width);
  }
}
