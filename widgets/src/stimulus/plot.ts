/** The painted spectrogram on screen: its cells, axes, and the marks of pointer and keys. */

import { inset, layOver } from "../base/box";
import { type Cleanup, element, setHidden, setStyle } from "../base/dom";
import { px } from "../base/format";
import { drawAxis, drawFrame, frequencyTicks, linearTicks } from "../draw/axes";
import { sequential } from "../draw/colormap";
import { Grid } from "../draw/grid";
import { drawColourBar, fillFrames, fillImage } from "../draw/heatmap";
import { type Frames, Surface } from "../draw/surface";
import { readTheme, type Theme, watchTheme } from "../draw/theme";
import { moveTo } from "../ui/slider-handle";
import { type Cell, DAB_FRAMES, type Painting, type Frames as Span } from "./painting";
import type { PaintInfo } from "./tools";

const MARGIN = { left: 54, right: 66, top: 20, bottom: 40 };

export interface Marks {
  /** The cell of the keys, and where they began a line or a patch. */
  at: Cell;
  from: Cell | null;
  /** Where the pointer is, and how many bands its brush has; 0 for none. */
  hover: Cell | null;
  width: number;
  /** The bin under the time cursor of the bench; null where there is none. */
  moment: number | null;
}

export class PaintPlot {
  readonly #canvas = element("canvas.db-canvas", { "aria-hidden": "true" });
  readonly #picture = element("canvas.db-picture", { "aria-hidden": "true" });
  readonly cursor = element("div.db-paint-cell", {
    role: "slider",
    tabindex: 0,
    "aria-orientation": "vertical",
    "aria-description": "Arrows move, Space paints, Delete erases",
  });
  readonly #brush = element("div.db-paint-ring", { "aria-hidden": "true", hidden: true });
  readonly #moment = element("div.db-time-cursor", { "aria-hidden": "true", hidden: true });
  readonly #plot = element("div.db-plot", {}, this.#picture, this.#moment, this.cursor, this.#brush);
  readonly element = element("div.db-stage", {}, this.#canvas, this.#plot);
  grid = new Grid({ x: 0, y: 0, width: 1, height: 1 }, 1, 1);
  readonly #surface: Surface;
  #colours: Theme | null = null;
  #repaint: Span = [0, Infinity];

  /** `root` is in the document; `marks` says what lies over the cells, `painted` is called after every frame. */
  constructor(
    root: HTMLElement,
    readonly info: PaintInfo,
    readonly cfHz: Float64Array,
    readonly painting: Painting,
    readonly frames: Frames,
    readonly marks: () => Marks,
    readonly painted: (now: number) => void,
    cleanup: Cleanup,
  ) {
    this.#surface = new Surface(this.#canvas, cleanup, () => this.all());
    watchTheme(root, cleanup, () => {
      this.#colours = null;
      this.all();
    });
    this.#theme = () => {
      this.#colours ??= readTheme(root);
      return this.#colours;
    };
  }

  readonly #theme: () => Theme;

  requestPaint(): void {
    this.frames.request(this.#paint);
  }

  /** These frames have changed. */
  touch([from, to]: Span): void {
    this.#repaint = [Math.min(this.#repaint[0], from), Math.max(this.#repaint[1], to)];
    this.requestPaint();
  }

  /** So has everything. */
  all(): void {
    this.frames.request(this.#paintAll);
  }

  readonly #paintAll = (now: number): void => {
    const { info, cfHz } = this;
    const { F, n } = this.painting;
    const box = inset(this.#surface, MARGIN);
    const grid = new Grid(box, F, n);
    this.grid = grid;
    layOver(this.#plot, box);
    // Where frames are narrower than pixels, none may be left out.
    this.#picture.style.imageRendering = grid.perFrame * devicePixelRatio < 1 ? "auto" : "pixelated";
    this.#repaint = [0, Infinity];
    const ctx = this.#surface.begin();
    if (ctx) {
      const theme = this.#theme();
      drawFrame(ctx, theme, box);
      const ticks = frequencyTicks(cfHz, box.height);
      drawAxis(ctx, theme, box, "left", ticks, (band) => grid.y(band), "frequency (kHz)");
      const perSecond = 1000 / info.dt_ms;
      const times = linearTicks(0, n / perSecond, Math.max(Math.floor(box.width / 80), 2));
      const place = (s: number) => box.x + s * perSecond * grid.perFrame;
      drawAxis(ctx, theme, box, "bottom", times, place, "time (s)");
      const most = Math.floor(box.height / 36);
      drawColourBar(ctx, theme, box, [info.low, info.high], sequential(), info.unit, most);
    }
    this.#paint(now);
  };

  readonly #paint = (now: number): void => {
    this.#paintCells();
    const { at, from, hover, width, moment } = this.marks();
    setHidden(this.#moment, moment === null || moment >= this.painting.n);
    if (moment !== null) setStyle(this.#moment, "left", `${px(this.grid.x(moment) - this.grid.box.x)}px`);
    setHidden(this.#brush, hover === null || width === 0);
    if (hover) this.#lay(this.#brush, hover, DAB_FRAMES, width);
    const { frame, band } = from ?? at;
    const middle = { frame: (at.frame + frame) / 2, band: (at.band + band) / 2 };
    this.#lay(this.cursor, middle, Math.abs(at.frame - frame) + 1, Math.abs(at.band - band) + 1);
    this.painted(now);
  };

  #paintCells(): void {
    const { values, F, n } = this.painting;
    const [from, to] = [Math.max(this.#repaint[0], 0), Math.min(this.#repaint[1], n)];
    this.#repaint = [Infinity, -Infinity];
    const range: [number, number] = [this.info.low, this.info.high];
    if (from === 0 && to === n) fillImage(this.#picture, values, F, n, range, sequential());
    else if (from < to) fillFrames(this.#picture, values, F, to - from, range, sequential(), from, n, from);
  }

  /** Put a mark of so many frames and bands around a place of the plot. */
  #lay(mark: HTMLElement, { frame, band }: Cell, frames: number, bands: number): void {
    const { box, perFrame, perBand } = this.grid;
    setStyle(mark, "width", `${px(frames * perFrame)}px`);
    setStyle(mark, "height", `${px(bands * perBand)}px`);
    moveTo(mark, this.grid.x(frame) - box.x, this.grid.y(band) - box.y);
  }
}
