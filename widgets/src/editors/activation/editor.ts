/** The output curve of the neuron on screen, over the drive that the stimulus really produces. */

import { clip, holds, inset, layOver } from "../../base/box";
import { type Cleanup, element, pointIn, setAttribute, setHidden, setText } from "../../base/dom";
import { fixed, number } from "../../base/format";
import { type Frames, PaintInputs, Surface } from "../../draw/surface";
import { reducedMotion, type Theme } from "../../draw/theme";
import {
  type Curve,
  type CurveFeatures,
  curveOf,
  endsOf,
  isCurve,
  isEditable,
  toFeatures,
} from "../../math/curves";
import { sharesBeyond } from "../../math/drive-summary";
import type { BenchState } from "../../state/bench-state";
import type { Numbers } from "../../state/local-session";
import { legend } from "../../ui/legend";
import { StageEditor } from "../stage-editor";
import { DriveSummary } from "./drive";
import { explanation, parametersOf } from "./features";
import { CurveHandles } from "./handles";
import { CurveNumbers } from "./numbers";
import {
  CurveAxes,
  CurveMarks,
  driveEnds,
  Plot,
  paintAxes,
  paintCurve,
  paintHistogram,
  paintMeans,
  paintTrained,
  rateEnds,
} from "./plot";

const MARGIN = { left: 54, right: 20, top: 26, bottom: 40 };
/** A floor below this share of the axis is silence. */
const SILENCE = 0.1;

export class ActivationEditor extends StageEditor {
  readonly element: HTMLElement;
  readonly handles: CurveHandles;
  readonly #canvas = element("canvas.db-canvas.db-over", { role: "img" });
  /** Histogram, recorded means and trained curve; and the axes: each painted when it changes, not in every frame of a drag. */
  readonly #data = element("canvas.db-canvas.db-over", { "aria-hidden": "true" });
  readonly #frame = element("canvas.db-canvas", { "aria-hidden": "true" });
  readonly #surfaces: Record<"canvas" | "data" | "frame", Surface>;
  readonly #painted = { canvas: new PaintInputs(), data: new PaintInputs(), frame: new PaintInputs() };
  readonly #marks = new CurveMarks();
  readonly #overlay = element("div.db-plot");
  readonly #stage: HTMLElement;
  readonly #legend = element("div.db-legend", { "aria-hidden": "true" });
  readonly #readout = element("p.db-readout");
  readonly #title = element("h3.db-title");
  readonly #numbers: CurveNumbers;
  readonly #axes = new CurveAxes();
  readonly drive: DriveSummary;
  #plot: Plot | null = null;
  #hover: { x: number; y: number } | null = null;

  constructor(state: BenchState, frameQueue: Frames, theme: () => Theme, cleanup: Cleanup) {
    super(state, frameQueue, theme);
    this.drive = new DriveSummary(state);
    const helpId = `db-curve-help-${state.client}`;
    const help = element(
      "p.db-hidden",
      { id: helpId },
      "Arrows move, with Shift farther; Delete goes back to the trained value; Escape cancels.",
    );
    this.handles = new CurveHandles(state, cleanup, helpId);
    this.#numbers = new CurveNumbers(state, this.handles, cleanup);
    this.#overlay.append(this.#marks.element);
    const layers = [
      this.#frame,
      this.#data,
      this.#canvas,
      this.#overlay,
      this.#legend,
      this.handles.element,
      this.tip.element,
    ];
    this.#stage = element("div.db-stage", {}, ...layers);
    const head = element("div.db-head", {}, this.#title, this.#readout);
    this.element = element(
      "section.db-activation",
      { "aria-label": "Output curve" },
      head,
      this.#stage,
      this.#numbers.element,
      help,
    );
    const surface = (canvas: HTMLCanvasElement) => new Surface(canvas, cleanup, () => this.requestPaint());
    this.#surfaces = {
      canvas: surface(this.#canvas),
      data: surface(this.#data),
      frame: surface(this.#frame),
    };
    cleanup.listen<PointerEvent>(this.#stage, "pointermove", (e) => this.#onHover(e));
    cleanup.listen<PointerEvent>(this.#stage, "pointerleave", () => this.#setHover(null));
    state.watch(
      cleanup,
      ["info", "curve", "field", "prefilter", "rate", "recorded", "neuron", "peek", "gesture", "pins"],
      () => this.requestPaint(),
    );
  }

  /** Leave a running drag; `cancel` puts the curve back to where it was. True when there was one. */
  release(cancel: boolean): boolean {
    return this.handles.release(cancel);
  }

  // ---- what is shown ----------------------------------------------------------------------------------------

  /** The formula of the curve, where the browser knows it. */
  get #kind(): Curve | null {
    const { kind } = this.state.info.activation;
    return isCurve(kind) ? kind : null;
  }

  #curve(kind: Curve, values: Numbers): (drive: number) => number {
    return curveOf(kind, parametersOf(this.state, values));
  }

  /** Bring axes and histogram up to date. */
  #follow(kind: Curve, now: number): void {
    const drive = this.drive;
    const state = this.state;
    const axes = this.#axes;
    if (axes.set && (state.inGesture || state.peek)) drive.follow(axes.drive, true);
    else {
      const shown = [state.now.activation, state.trained.activation];
      const features: CurveFeatures[] = shown.map((values) => {
        return isEditable(kind) ? toFeatures(kind, parametersOf(state, values)) : {};
      });
      const levels = features.flatMap(({ baseline, ceiling }) => [baseline, ceiling]).filter(isNumber);
      const knees = features.map(({ threshold }) => threshold ?? 0);
      const reach = driveEnds(drive.ends(), knees);
      drive.follow(reach, false);
      const curves = shown.map((values) => this.#curve(kind, values));
      axes.aim(reach, rateEnds(reach, curves, drive.current?.means ?? [], levels), now, !reducedMotion());
    }
    if (axes.step(now)) this.requestPaint();
  }

  // ---- paint ------------------------------------------------------------------------------------------------

  protected readonly paint = (now: number): void => {
    const state = this.state;
    const kind = this.#kind;
    setAttribute(this.element, "data-stale", state.current ? null : "true");
    setText(this.#title, `Output curve${state.peek ? " · trained" : ""}`);
    setHidden(this.#stage, kind === null);
    const { width, height } = this.#surfaces.canvas;
    if (kind === null || width === 0) {
      this.announcer.announce(now);
      return;
    }
    this.#follow(kind, now);
    const axes = this.#axes;
    const box = inset(this.#surfaces.canvas, MARGIN);
    const plot = new Plot(box, axes.drive, axes.rate);
    this.#plot = plot;
    const theme = this.theme();
    const about = [width, height, devicePixelRatio, theme, ...axes.drive, ...axes.rate, kind];
    if (this.#painted.frame.changedSince(...about, state.info)) this.#paintFrame(plot, theme);
    if (this.#painted.data.changedSince(...about, this.drive.current, state.trained.activation, state.peek)) {
      this.#paintData(plot, theme, kind);
    }
    if (this.#painted.canvas.changedSince(...about, ...state.activation)) this.#paintCurve(plot, theme, kind);
    this.handles.paint(plot);
    this.#paintMarks(plot);
    this.#paintTip(plot);
    this.announcer.announce(now);
  };

  #paintFrame(plot: Plot, theme: Theme): void {
    layOver(this.#overlay, plot.box);
    const ctx = this.#surfaces.frame.begin();
    if (ctx) paintAxes(ctx, theme, plot, this.state.info.rate_unit);
  }

  #paintData(plot: Plot, theme: Theme, kind: Curve): void {
    const state = this.state;
    const summary = this.drive.current;
    const ghost = isEditable(kind) && !state.peek;
    this.#paintLegend(ghost);
    const ctx = this.#surfaces.data.begin();
    if (!ctx) return;
    ctx.save();
    clip(ctx, plot.box);
    if (summary) {
      paintHistogram(ctx, theme, plot, summary.histogram);
      paintMeans(ctx, theme, plot, summary.means);
    }
    if (ghost) paintTrained(ctx, theme, plot, this.#curve(kind, state.trained.activation));
    ctx.restore();
  }

  #paintCurve(plot: Plot, theme: Theme, kind: Curve): void {
    const ctx = this.#surfaces.canvas.begin();
    if (ctx) paintCurve(ctx, theme, plot, this.#curve(kind, this.state.activation));
  }

  #paintLegend(ghost: boolean): void {
    const entries: [string, string][] = [["model", "curve"]];
    if (ghost) entries.push(["trained", "as trained"]);
    if (this.drive.current?.means.length) entries.push(["mean", "recorded"]);
    if (this.drive.current) entries.push(["time", "time spent"]);
    this.#legend.replaceChildren(...legend(entries));
  }

  #paintMarks(plot: Plot): void {
    const handles = this.handles;
    const hover = this.#hover;
    const { kind, moving } = handles;
    const { baseline, ceiling, threshold = 0 } = kind ? toFeatures(kind, handles.parameters) : {};
    const [hub, end] = [handles.at("threshold"), handles.at("slope")];
    const over = hover && !this.state.inGesture && holds(plot.box, hover);
    const cross = moving === "threshold" ? threshold : over ? plot.driveAt(hover.x) : null;
    this.#marks.paint(
      plot,
      [baseline, ceiling].filter(isNumber),
      hub && end && [hub.x, hub.y, end.x, end.y],
      cross,
    );
  }

  /** The value beside the handle that moves. */
  #paintTip(plot: Plot): void {
    const { moving } = this.handles;
    const at = moving && this.handles.at(moving);
    if (moving && at) this.tip.show(() => this.handles.summary(moving), at, plot.box);
    else this.tip.hide();
  }

  protected get dragging(): boolean {
    return this.state.inGesture;
  }

  protected describe(): void {
    this.#numbers.paint();
    this.handles.updateAria();
    this.#paintReadout();
    const { label } = this.state.info.activation;
    const plain = this.handles.kind ? "Handles move it." : explanation(this.#kind ?? "other", label);
    setAttribute(
      this.#canvas,
      "aria-label",
      `Output curve of neuron ${this.state.neuron + 1}, ${label}: drive in arbitrary units to the right, rate in ` +
        `${this.state.info.rate_unit} upward. ${this.#shares()} ${plain}`,
    );
  }

  /** "silent 62 % of the time, saturated 0 %" */
  #shares(): string {
    const state = this.state;
    const kind = this.#kind;
    const plot = this.#plot;
    const { rate } = state;
    const ends = kind && endsOf(kind, parametersOf(state, state.activation));
    if (!ends || !plot || rate.length === 0) return "";
    const [below, above] = sharesBeyond(rate, ends.silent, ends.saturated);
    const percent = (share: number) => `${fixed(100 * share, share > 0 && share < 0.01 ? 1 : 0)} %`;
    const silence = Math.abs(ends.floor) < SILENCE * plot.rate[1] ? "silent" : "at its floor";
    const saturates = Number.isFinite(ends.saturated);
    return `${silence} ${percent(below)} of the time${saturates ? `, saturated ${percent(above)}` : ""}`;
  }

  /** What the pointer is over, else how much of the time the curve is at its ends. */
  #paintReadout(): void {
    const plot = this.#plot;
    const hover = this.#hover;
    const kind = this.#kind;
    const state = this.state;
    if (!plot || !hover || !kind || state.inGesture || !holds(plot.box, hover)) {
      setText(this.#readout, this.#shares());
      return;
    }
    const drive = plot.driveAt(hover.x);
    const parts = [
      `drive ${number(drive, 2)}`,
      `curve ${number(this.#curve(kind, state.activation)(drive), 2)}`,
    ];
    const mean = this.drive.recordedAt(drive);
    if (mean) parts.push(`recorded ${number(mean.rate, 2)} (${mean.count} bins)`);
    setText(this.#readout, parts.join(" · "));
  }

  // ---- pointer over the picture -----------------------------------------------------------------------------

  #onHover(event: PointerEvent): void {
    // Measuring a place makes the browser lay out the page, and during a drag nothing is read out.
    if (this.state.inGesture) return;
    this.#setHover(pointIn(this.#stage, event));
  }

  #setHover(at: { x: number; y: number } | null): void {
    this.#hover = at;
    this.frames.request(this.#paintHover);
  }

  readonly #paintHover = (): void => {
    if (this.#plot) this.#paintMarks(this.#plot);
    this.#paintReadout();
  };
}

const isNumber = (value: number | undefined): value is number =>
  value !== undefined && Number.isFinite(value);
