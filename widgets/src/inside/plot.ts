/** One picture of numbers with its axes and colour bar. */

import { type Box, inset, layOver } from "../base/box";
import { type Cleanup, element, setAttribute } from "../base/dom";
import { drawAxis, drawFrame, frequencyTicks, lagTicks, linearTicks, type Tick } from "../draw/axes";
import { diverging, sequential } from "../draw/colormap";
import { Grid } from "../draw/grid";
import { drawColourBar, fillImage } from "../draw/heatmap";
import { type Frames, Surface } from "../draw/surface";
import type { Theme } from "../draw/theme";
import { frameToLagMs, lagMsToFrame } from "../math/units";

const MARGIN = { left: 54, right: 70, top: 22, bottom: 40 };
const BAR_TICK_PX = 44;

export interface Picture {
  /** (rows, columns), row 0 at the bottom; NaN is left empty. */
  values: ArrayLike<number>;
  rows: number;
  columns: number;
  range: [number, number];
  colours: "diverging" | "sequential";
  unit: string;
  label: string;
}

/** Ticks of one axis, where they are in the box, and its title. */
interface Side {
  ticks: Tick[];
  place: (at: number) => number;
  title: string;
}

export class Plot {
  readonly #axes = element("canvas.db-canvas", { "aria-hidden": "true" });
  readonly #picture = element("canvas.db-picture", { role: "img" });
  readonly #over = element("div.db-plot", {}, this.#picture);
  readonly element = element("div.db-stage.db-inside-stage", {}, this.#axes, this.#over);
  readonly #surface: Surface;
  #shown: Picture | null = null;

  constructor(
    readonly frames: Frames,
    readonly theme: () => Theme,
    readonly sides: (box: Box, picture: Picture) => { left: Side; bottom: Side },
    cleanup: Cleanup,
  ) {
    this.#surface = new Surface(this.#axes, cleanup, () => this.requestPaint());
    this.#over.hidden = true;
  }

  show(picture: Picture | null): void {
    this.#shown = picture;
    this.requestPaint();
  }

  requestPaint(): void {
    this.frames.request(this.#paint);
  }

  readonly #paint = (): void => {
    const shown = this.#shown;
    this.#over.hidden = shown === null;
    const ctx = this.#surface.begin();
    if (!ctx || !shown) return;
    const theme = this.theme();
    const box = inset(this.#surface, MARGIN);
    const { values, rows, columns, range, unit } = shown;
    const colours = shown.colours === "diverging" ? diverging(theme.dark) : sequential();
    layOver(this.#over, box);
    fillImage(this.#picture, values, rows, columns, range, colours);
    setAttribute(this.#picture, "aria-label", shown.label);
    const { left, bottom } = this.sides(box, shown);
    drawFrame(ctx, theme, box);
    drawAxis(ctx, theme, box, "left", left.ticks, left.place, left.title);
    drawAxis(ctx, theme, box, "bottom", bottom.ticks, bottom.place, bottom.title);
    drawColourBar(ctx, theme, box, range, colours, unit, Math.floor(box.height / BAR_TICK_PX));
  };
}

/** Bands upward, lags to the left of now. */
export function fieldSides(cfHz: Float32Array, dtMs: number, delayMs: number, bottomTitle: string) {
  return (box: Box, { rows, columns }: Picture): { left: Side; bottom: Side } => {
    const grid = new Grid(box, rows, columns);
    const longest = frameToLagMs(0, columns, dtMs, delayMs);
    return {
      left: {
        ticks: frequencyTicks(cfHz, box.height),
        place: (band) => grid.y(band),
        title: "frequency (kHz)",
      },
      bottom: {
        ticks: lagTicks(longest, box.width).filter(({ at }) => at >= delayMs - dtMs / 2),
        place: (lag) => grid.x(lagMsToFrame(lag, columns, dtMs, delayMs)),
        title: bottomTitle,
      },
    };
  };
}

/** Two plain axes between their ends. */
export function plainSides(
  x: readonly [number, number],
  y: readonly [number, number],
  titles: [string, string],
) {
  return (box: Box): { left: Side; bottom: Side } => ({
    left: {
      ticks: linearTicks(y[0], y[1], Math.max(Math.floor(box.height / 40), 2)),
      place: (at) => box.y + box.height * (1 - (at - y[0]) / (y[1] - y[0] || 1)),
      title: titles[1],
    },
    bottom: {
      ticks: linearTicks(x[0], x[1], Math.max(Math.floor(box.width / 60), 2)),
      place: (at) => box.x + (box.width * (at - x[0])) / (x[1] - x[0] || 1),
      title: titles[0],
    },
  });
}

/** The largest size among numbers; 0 where there is none. */
export function sizeOf(values: ArrayLike<number>): number {
  let size = 0;
  for (let i = 0; i < values.length; i++) size = Math.max(size, Math.abs(values[i]) || 0);
  return size;
}
