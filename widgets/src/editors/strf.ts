/** The receptive-field editor: heatmap, handles, and the numbers of the selected Gaussian. */

import { Paints } from "../counters";
import { type Cleanup, element, pointIn, setAttribute, setText } from "../dom";
import { drawAxis, drawFrame, frequencyTicks, lagTicks } from "../draw/axes";
import { holds, inset, layOver } from "../draw/box";
import { diverging } from "../draw/colormap";
import { Grid } from "../draw/grid";
import { drawColourBar, fillImage } from "../draw/heatmap";
import { extent } from "../draw/line";
import { type Ghost, Marks } from "../draw/marks";
import { Eased, type Frames, Surface, Unchanged } from "../draw/surface";
import { reducedMotion, type Theme } from "../draw/theme";
import { frequency, milliseconds, number, octaves } from "../format";
import { clamp } from "../math/clamp";
import { gaussianAt, type OnGrid, onGrid } from "../math/field";
import { bandToHz, frameToLagMs, lagMsToFrame } from "../math/units";
import { Telling } from "../parts/telling";
import { Tip } from "../parts/tip";
import type { BenchState } from "../state";
import { Handles } from "./handles";
import { Inspector } from "./inspector";

const MARGIN = { left: 54, right: 66, top: 20, bottom: 40 };

const PLAIN: Record<string, string> = {
  full: "Every weight of this receptive field is free: it is shown here, and edited from Python.",
  separable:
    "This receptive field is a product of a frequency and a time profile: shown here, edited from Python.",
  gradient: "A gradient map, taken at the mean sound: this model has no single receptive field.",
  none: "This model has no receptive field.",
};

export class StrfEditor {
  readonly element: HTMLElement;
  readonly handles: Handles;
  readonly paints = new Paints();
  readonly #surface: Surface;
  /** Axes and colour bar: painted when they change, not under the hand. */
  readonly #canvas = element("canvas.db-canvas", { role: "img" });
  /** One pixel a cell; the page stretches it over the grid. */
  readonly #picture = element("canvas.db-picture", { "aria-hidden": "true" });
  readonly #marks = new Marks();
  readonly #plot = element("div.db-plot", {}, this.#picture, this.#marks.element);
  readonly #stage: HTMLElement;
  readonly #tip = new Tip();
  readonly #readout = element("p.db-readout");
  readonly #title = element("h3.db-title");
  readonly #inspector: Inspector;
  readonly #range = new Eased();
  #grid: Grid | null = null;
  #hover: { x: number; y: number } | null = null;
  readonly #pictured = new Unchanged();
  readonly #framed = new Unchanged();
  readonly #telling: Telling;

  readonly #state: BenchState;
  readonly #frameQueue: Frames;
  readonly #theme: () => Theme;

  constructor(state: BenchState, frameQueue: Frames, theme: () => Theme, cleanup: Cleanup) {
    this.#state = state;
    this.#frameQueue = frameQueue;
    this.#theme = theme;
    this.#telling = new Telling(
      frameQueue,
      () => this.handles.dragging,
      () => {
        this.#describe();
        this.#inspector.paint();
        this.handles.speak();
      },
    );
    const helpId = `db-help-${state.client}`;
    const help = element(
      "p.db-hidden",
      { id: helpId },
      "Arrows move, with Shift farther; plus and minus change the weight; Delete goes back to the trained values; Escape cancels.",
    );
    this.#stage = element("div.db-stage", {}, this.#canvas, this.#plot);
    this.handles = new Handles(state, this.#stage, cleanup, helpId);
    this.#stage.append(this.handles.element, this.#tip.element);
    this.#inspector = new Inspector(state, this.handles, cleanup);
    const head = element("div.db-head", {}, this.#title, this.#readout);
    this.element = element("section.db-strf", {}, head, this.#stage, this.#inspector.element, help);
    setAttribute(this.element, "aria-label", "Receptive field");
    this.#surface = new Surface(this.#canvas, cleanup, () => this.ask());
    cleanup.listen<PointerEvent>(this.#stage, "pointermove", (e) => this.#onHover(e));
    cleanup.listen<PointerEvent>(this.#stage, "pointerleave", () => this.#setHover(null));
    cleanup.listen<PointerEvent>(this.#canvas, "pointerdown", (e) => this.#onCanvasDown(e));
    state.watch(cleanup, ["info", "field", "channel", "neuron", "selected", "peek", "gesture"], () =>
      this.ask(),
    );
  }

  /** Paint in the next frame. */
  ask(): void {
    this.#frameQueue.request(this.#paint);
  }

  release(cancel: boolean): boolean {
    return this.handles.release(cancel);
  }

  // ---- paint ------------------------------------------------------------------------------------------------

  readonly #paint = (now: number): void => {
    const state = this.#state;
    const theme = this.#theme;
    const { info, axes } = state;
    const colours = theme();
    const accent = info.n_channels > 1 && state.channel === 1 ? "off" : info.n_channels > 1 ? "on" : "none";
    setAttribute(this.element, "data-channel", accent);
    setAttribute(this.element, "data-stale", state.current ? null : "true");
    const channelName = info.n_channels > 1 ? ` · ${info.channel_names[state.channel] ?? state.channel}` : "";
    setText(this.#title, `Receptive field${channelName}${state.peek ? " · trained" : ""}`);

    const { width, height } = this.#surface;
    const box = inset(this.#surface, MARGIN);
    const grid = new Grid(box, axes.F, axes.T);
    this.#grid = grid;

    const cells = axes.F * axes.T;
    const field = state.kernel;
    const kernel = field.subarray(state.channel * cells, (state.channel + 1) * cells);
    this.#follow(now);
    const reach = this.#range.value;
    this.#picture.hidden = kernel.length !== cells || cells === 0;
    if (!this.#pictured.by(field, state.channel, reach, colours.dark) && !this.#picture.hidden) {
      fillImage(this.#picture, kernel, axes.F, axes.T, [-reach, reach], diverging(colours.dark));
      this.paints.painted(now);
    }
    if (!this.#framed.by(width, height, devicePixelRatio, axes, reach, colours))
      this.#paintAxes(colours, grid, reach);
    this.#paintMarks(grid);
    this.handles.paint(grid);
    this.#paintTip(grid);
    this.#telling.tell(now);
    this.#paintReadout(kernel);
  };

  /** The colour range holds still in a gesture and glides to its new value afterwards. */
  #follow(now: number): void {
    const state = this.#state;
    if (!state.inGesture) {
      let reach = 0;
      for (const values of [state.kernel, state.trainedKernel]) {
        const [low, high] = extent(values) ?? [0, 0];
        reach = Math.max(reach, -low, high);
      }
      this.#range.aim(reach || 1, now, !reducedMotion());
    }
    if (Number.isNaN(this.#range.value)) this.#range.aim(1, now, false);
    if (this.#range.step(now)) this.ask();
  }

  #paintAxes(theme: Theme, grid: Grid, reach: number): void {
    const ctx = this.#surface.begin();
    if (!ctx) return;
    const { axes } = this.#state;
    const { box } = grid;
    layOver(this.#plot, box);
    drawFrame(ctx, theme, box);
    const bands = frequencyTicks(axes.cfHz, box.height);
    drawAxis(ctx, theme, box, "left", bands, (band) => grid.y(band), "frequency (kHz)");
    const longest = frameToLagMs(0, axes.T, axes.dtMs);
    const lags = lagTicks(longest, box.width);
    const place = (lag: number) => grid.x(lagMsToFrame(lag, axes.T, axes.dtMs));
    drawAxis(ctx, theme, box, "bottom", lags, place, "lag (ms), 0 = now");
    drawColourBar(
      ctx,
      theme,
      box,
      [-reach, reach],
      diverging(theme.dark),
      "weight",
      Math.floor(box.height / 44),
    );
  }

  #paintMarks(grid: Grid): void {
    const state = this.#state;
    const { info, axes } = state;
    const ghosts: Ghost[] = [];
    let selected: OnGrid | null = null;
    for (let k = 0; info.kind === "gaussians" && k < info.n_gaussians; k++) {
      const at = state.channel * info.n_gaussians + k;
      const now = onGrid(state.gaussian(k), axes);
      if (!state.peek && 5 * at + 4 < state.trainedGaussians.length) {
        ghosts.push({ trained: onGrid(gaussianAt(state.trainedGaussians, at), axes), now });
      }
      if (k === state.selected) selected = now;
    }
    this.#marks.paint(grid, ghosts, selected, this.handles.busy);
  }

  /** The numbers beside the handle that moves. */
  #paintTip(grid: Grid): void {
    const state = this.#state;
    const k = state.selected;
    if (!this.handles.busy || k < 0) {
      this.#tip.hide();
      return;
    }
    const g = state.gaussian(k);
    const place = `${frequency(g.center_hz)} · ${milliseconds(g.center_ms)}`;
    const widths = `σ ${octaves(g.sigma_oct)} · ${milliseconds(g.sigma_ms)}`;
    const text = `${place}\n${widths}\nweight ${number(g.weight)}`;
    this.#tip.show(text, grid.centre(onGrid(g, state.axes)), grid.box);
  }

  #paintReadout(kernel: ArrayLike<number>): void {
    const state = this.#state;
    const hover = this.#hover;
    const grid = this.#grid;
    const { F, T, cfHz, dtMs } = state.axes;
    let text = "";
    if (hover && grid && holds(grid.box, hover) && !this.handles.busy) {
      const band = clamp(Math.round(grid.band(hover.y)), 0, F - 1);
      const frame = clamp(Math.round(grid.frame(hover.x)), 0, T - 1);
      const value = kernel[band * T + frame];
      text = `${frequency(bandToHz(band, cfHz))}, ${milliseconds(frameToLagMs(frame, T, dtMs))}: ${number(value, 2)}`;
    }
    setText(this.#readout, text);
  }

  #describe(): void {
    const { info, channel, neuron } = this.#state;
    const plain = PLAIN[info.kind];
    setAttribute(
      this.#canvas,
      "aria-label",
      `Receptive field of neuron ${neuron}, ${info.channel_names[channel] ?? "input"}: frequency upward in kHz, ` +
        `lag in ms to 0 at the right. ${plain ?? `${info.n_gaussians} Gaussians, each with handles.`}`,
    );
    this.#inspector.explain(plain ?? "");
  }

  // ---- pointer on the picture -------------------------------------------------------------------------------

  #onHover(event: PointerEvent): void {
    // Measuring a place makes the page lay itself out, and nothing is read out under a hand that drags.
    if (this.handles.dragging) return;
    this.#setHover(pointIn(this.#canvas, event));
  }

  #setHover(at: { x: number; y: number } | null): void {
    this.#hover = at;
    this.#frameQueue.request(this.#paintHover);
  }

  readonly #paintHover = (): void => {
    const state = this.#state;
    const cells = state.axes.F * state.axes.T;
    this.#paintReadout(state.kernel.subarray(state.channel * cells, (state.channel + 1) * cells));
  };

  /** A press beside the handles selects the Gaussian whose ellipse it lies in, or none. */
  #onCanvasDown(event: PointerEvent): void {
    const state = this.#state;
    const grid = this.#grid;
    if (!grid || event.button !== 0 || state.info.kind !== "gaussians") return;
    const at = pointIn(this.#canvas, event);
    if (!holds(grid.box, at)) return;
    let best = -1;
    let nearest = 1.3;
    for (let k = 0; k < state.info.n_gaussians; k++) {
      const p = onGrid(state.gaussian(k), state.axes);
      const distance = Math.hypot(
        (grid.frame(at.x) - p.frame) / p.sigmaFrames,
        (grid.band(at.y) - p.band) / p.sigmaBands,
      );
      if (distance < nearest) [best, nearest] = [k, distance];
    }
    this.handles.release(false);
    state.choose("selected", best);
  }
}
