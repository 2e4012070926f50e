/** A matrix over time as a lane of its own, its picture stretched between the ends of the time axis. */

import type { Box } from "../base/box";
import { element, setAttribute, setStyle } from "../base/dom";
import type { Table } from "../draw/colormap";
import { fillImage } from "../draw/heatmap";
import type { Window } from "../draw/line";
import { PaintInputs } from "../draw/surface";

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
  readonly #same = new PaintInputs();
  #kept: ImageData | null = null;
  /** What is painted: in each column the highest of its frames. */
  #loudest = new Float32Array(0);
  readonly element: HTMLElement;

  constructor(name: string, channel: number | null = null) {
    this.#label = element("span.db-lane-name", { "data-channel": channel }, name);
    this.element = element("div.db-lane.db-adapted-lane", {}, this.#label, this.#picture);
  }

  /** Put the picture where the time axis is, with a label of what it shows. */
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
    const from = Math.floor(at.from);
    const frames = Math.min(Math.ceil(at.to), n) - from;
    // A column for each pixel is enough: more would be drawn smaller in every frame.
    const step = Math.max(Math.floor(frames / (box.width * devicePixelRatio || frames)), 1);
    const count = Math.ceil(frames / step);
    const same = !this.#same.changedSince(rows, high, colours, from, frames, step);
    const kept = same && changed ? this.#kept : null;
    if (!kept) this.#loudest = new Float32Array(rows * count);
    for (let r = 0; r < rows; r++) {
      if (!kept || changed?.(r))
        loudest(values, start + r * n + from, frames, step, this.#loudest, r * count);
    }
    this.#kept = fillImage(
      this.#picture,
      this.#loudest,
      rows,
      count,
      [0, high],
      colours,
      0,
      count,
      kept,
      changed,
    );
  }
}

/** The highest of every `step` values, `count` of them from `start` on. */
export function loudest(
  values: ArrayLike<number>,
  start: number,
  count: number,
  step: number,
  into: Float32Array,
  at: number,
): void {
  for (let i = 0; i < count; i += step) {
    let most = values[start + i];
    for (let j = i + 1; j < Math.min(i + step, count); j++) most = Math.max(most, values[start + j]);
    into[at + i / step] = most;
  }
}
