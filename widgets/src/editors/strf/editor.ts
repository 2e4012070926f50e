/** The receptive-field editor: heatmap, handles, and the numbers of the selected Gaussian. */

import { holds, layOver } from "../../base/box";
import { clamp } from "../../base/clamp";
import { type Cleanup, consume, element, pointIn, setAttribute, setHidden, setText } from "../../base/dom";
import { frequency, milliseconds, number } from "../../base/format";
import { Grid } from "../../draw/grid";
import { type Frames, PaintInputs, Surface } from "../../draw/surface";
import type { Theme } from "../../draw/theme";
import { type Gaussian, gaussianAt } from "../../math/field";
import { bandToHz, frameToLagMs } from "../../math/units";
import type { BenchState } from "../../state/bench-state";
import { StageEditor } from "../stage-editor";
import { type Around, drawAround } from "./axes";
import { FieldBrush } from "./brush";
import { BrushTools } from "./brush-tools";
import { AreaSelect } from "./gaussians/area-select";
import { type Act, Group, inUse } from "./gaussians/group";
import { Handles } from "./gaussians/handles";
import { Inspector } from "./gaussians/inspector";
import { Selection } from "./gaussians/selection";
import { GradientPicture } from "./gradient-picture";
import { type Ghost, Marks } from "./marks";
import { FieldPicture, largestOf } from "./picture";
import { PROFILE_PX, ProfileEditor } from "./profiles";
import { fieldText, gaussianText, plainText, tuningText } from "./text";
import { ViewOptions } from "./view-options";

/** Up to the right edge of the picture: what its whole tuning takes. */
const TUNING_PX = 330;
const MARGIN = { left: 54, right: 66, top: 20, bottom: 40 };

const KEYS: Record<string, Act | "all" | undefined> = {
  a: "add",
  insert: "add",
  d: "duplicate",
  backspace: "remove",
  delete: "revert",
};

const COMMANDS: typeof KEYS = { a: "all", d: "duplicate" };

export class StrfEditor extends StageEditor {
  readonly element: HTMLElement;
  readonly handles: Handles;
  readonly #surface: Surface;
  /** Axes and colour bar: painted when they change, not in every frame of a drag. */
  readonly #canvas = element("canvas.db-canvas", { role: "img" });
  readonly #picture = new FieldPicture();
  readonly #marks = new Marks();
  readonly #plot = element("div.db-plot", {}, this.#picture.element, this.#marks.element);
  readonly #stage: HTMLElement;
  readonly #readout = element("p.db-readout");
  readonly #title = element("h3.db-title");
  readonly #inspector: Inspector;
  readonly #selection: Selection;
  readonly #group: Group;
  readonly #areaSelect: AreaSelect;
  /** Why the last act was not done, until something else is. */
  #refused = "";
  #grid: Grid | null = null;
  #hover: { x: number; y: number } | null = null;
  readonly #tools: BrushTools;
  readonly #brush: FieldBrush;
  readonly #profiles: ProfileEditor;
  readonly #view: ViewOptions;
  readonly #slope = new GradientPicture();
  readonly #tuning = element("p.db-tuning");
  #tight = false;
  /** Below it: how sure a fit is of the field. */
  readonly #certainty = element("p.db-certainty.db-muted", { hidden: true });
  /** Over the picture: what is under the pointer, or else the tuning. */
  readonly #overlay = element("div.db-overlay", {}, this.#readout, this.#tuning);
  readonly #tooled = new PaintInputs();
  readonly #framed = new PaintInputs();

  constructor(state: BenchState, frameQueue: Frames, theme: () => Theme, cleanup: Cleanup) {
    super(state, frameQueue, theme);
    const helpId = `db-help-${state.client}`;
    const help = element(
      "p.db-hidden",
      { id: helpId },
      "Arrows move, with Shift farther; plus and minus change the weight; Delete goes back to the trained values; " +
        "Backspace removes, A adds, D duplicates; Shift with Space selects several; Escape cancels.",
    );
    this.#stage = element("div.db-stage", { tabindex: -1, role: "group" }, this.#canvas, this.#plot);
    const requestPaint = () => this.requestPaint();
    const selection = new Selection(state, () => {
      this.#refused = "";
      this.requestPaint();
    });
    this.#selection = selection;
    this.#group = new Group(state, selection, () => largestOf(state));
    this.handles = new Handles(state, selection, this.#stage, cleanup, helpId);
    this.#tools = new BrushTools(requestPaint, cleanup);
    this.#brush = new FieldBrush(state, this.#tools, this.#stage, helpId, cleanup);
    this.#profiles = new ProfileEditor(state, this.#tools, this.#stage, helpId, requestPaint, cleanup);
    this.#view = new ViewOptions(state, requestPaint, cleanup);
    this.#plot.append(this.#brush.ring);
    this.#stage.append(this.#slope.element, this.#profiles.marks, this.#overlay, this.handles.element);
    this.#stage.append(this.#brush.element, this.#profiles.element, this.tip.element);
    this.#inspector = new Inspector(
      state,
      this.handles,
      selection,
      this.#group,
      (act) => this.#act(act),
      cleanup,
    );
    this.#areaSelect = new AreaSelect(
      {
        state,
        selection,
        handles: this.handles,
        marks: this.#marks,
        canvas: this.#canvas,
        grid: () => this.#grid,
        add: (at) => this.#act("add", at),
      },
      cleanup,
    );
    const head = element("div.db-head", {}, this.#title, element("span.db-spring"), this.#view.element);
    const parts = [head, this.#tools.element, this.#stage, this.#certainty, this.#inspector.element, help];
    this.element = element("section.db-strf", {}, ...parts);
    setAttribute(this.element, "aria-label", "Receptive field");
    this.#surface = new Surface(this.#canvas, cleanup, () => this.requestPaint());
    cleanup.listen<PointerEvent>(this.#stage, "pointermove", (e) => this.#onHover(e));
    cleanup.listen<PointerEvent>(this.#stage, "pointerleave", () => this.#setHover(null));
    cleanup.listen<KeyboardEvent>(this.element, "keydown", (e) => this.#onKey(e));
    // What an undo has made unused again is no longer selected.
    state.watch(cleanup, ["history"], () => {
      if (!state.canRedo || state.inGesture || !state.queue.idle) return;
      const ks = selection.all.filter((k) => state.gaussian(k).weight !== 0);
      if (ks.length < selection.all.length) selection.set(ks);
    });
    state.watch(cleanup, ["info", "field", "channel", "neuron", "selected", "peek", "gesture"], () =>
      this.requestPaint(),
    );
  }

  release(cancel: boolean): boolean {
    return [this.handles, this.#areaSelect, this.#brush, this.#profiles]
      .map((tool) => tool.release(cancel))
      .includes(true);
  }

  protected describe(): void {
    this.#describeField();
    this.#inspector.paint();
    this.handles.updateAria();
    this.#brush.updateAria();
    this.#profiles.updateAria();
    this.#paintCertainty();
    this.frames.request(this.#describeTuning);
  }

  /** In the frame after that of the picture, which it would hold up: its separability takes as long as all the rest. */
  readonly #describeTuning = (): void => {
    const { axes, info, channel } = this.state;
    setText(this.#tuning, tuningText(this.#pictures, axes, info.unheard, channel, this.#tight));
  };

  protected get dragging(): boolean {
    return [this.handles, this.#areaSelect, this.#brush, this.#profiles].some((tool) => tool.dragging);
  }

  /** Weights (F, T) of the channel on screen. */
  get #weights() {
    const { kernel, channel, axes } = this.state;
    const cells = axes.F * axes.T;
    return kernel.subarray(channel * cells, (channel + 1) * cells);
  }

  /** What the picture shows of them, (F, T). */
  get #pictures() {
    const view = this.#view;
    return view.instead(this.#surface.width) ? this.#slope.field : view.scaled(this.#weights);
  }

  // ---- adding, removing, selecting --------------------------------------------------------------------------

  /** Do something to the selected Gaussians; the focus follows what is new. */
  #act(act: Act, at?: { band: number; frame: number }): void {
    this.handles.release(false);
    this.#refused = this.#group.whyNot(act);
    if (this.#refused) {
      this.requestPaint();
      return;
    }
    this.#group.act(act, at);
    if (act === "remove") this.#stage.focus({ preventScroll: true });
    else if (act !== "revert") this.handles.focus(this.state.selected, at !== undefined);
  }

  #onKey(event: KeyboardEvent): void {
    const state = this.state;
    const selection = this.#selection;
    if (event.target instanceof HTMLInputElement || event.altKey || state.info.kind !== "gaussians") return;
    const key = event.key.toLowerCase();
    const command = event.ctrlKey || event.metaKey;
    const act = (command ? COMMANDS : KEYS)[key];
    const { held } = this.handles;
    const focused = this.handles.owner(event.target);
    if (key === "escape") {
      if (!this.release(true)) {
        if (state.selected < 0) return;
        selection.set([]);
      }
    } else if (!act) return;
    else if (held || this.#areaSelect.held || event.repeat) {
      // A drag is on its way, or the key repeats: once is enough.
    } else if (act === "all") {
      selection.set(inUse(state));
      if (focused < 0) this.handles.focus(state.selected, false);
    } else {
      if (act !== "add" && focused >= 0 && !selection.has(focused)) selection.pick(focused);
      this.#act(act);
    }
    consume(event);
  }

  // ---- paint ------------------------------------------------------------------------------------------------

  protected readonly paint = (now: number): void => {
    const state = this.state;
    const theme = this.theme;
    const { info, axes } = state;
    const colours = theme();
    const accent = info.n_channels > 1 && state.channel === 1 ? "off" : info.n_channels > 1 ? "on" : "none";
    setAttribute(this.element, "data-channel", accent);
    setAttribute(this.element, "data-stale", state.current ? null : "true");
    const channelName = info.n_channels > 1 ? ` · ${info.channel_names[state.channel] ?? state.channel}` : "";
    setText(this.#title, `Receptive field${channelName}${state.peek ? " · trained" : ""}`);

    const { width, height } = this.#surface;
    const profile = this.#profiles.available ? PROFILE_PX : 0;
    const margin = { ...MARGIN, left: MARGIN.left + profile, bottom: MARGIN.bottom + profile };
    const view = this.#view;
    const [box, beside] = view.boxes(this.#surface, margin);
    const grid = new Grid(box, axes.F, axes.T);
    this.#grid = grid;

    const { gain, unit } = view;
    const instead = view.instead(width);
    view.paint();
    if (this.#picture.follow(state, now)) this.requestPaint();
    this.#picture.paint(state, view.scaled(this.#weights), gain, colours.dark);
    this.#slope.paint(state, view.gradient ? (beside ?? box) : null, colours);
    const { reach } = this.#picture;
    const end = reach * Math.abs(gain);
    const slope = view.gradient ? this.#slope.reach : 0;
    if (this.#framed.changedSince(width, height, devicePixelRatio, axes, end, colours, profile, slope, unit))
      this.#paintAxes(colours, grid, { profile, beside, reach: end, slope, unit });
    this.#paintMarks(grid);
    this.handles.paint(grid);
    if (this.#tooled.changedSince(info, this.#profiles.free)) {
      setHidden(this.#tools.element, !this.#brush.available && !this.#profiles.free);
      this.#tools.paint(this.#brush.available);
      setAttribute(
        this.#stage,
        "data-brush",
        this.#brush.available ? "cells" : this.#profiles.free && "curves",
      );
    }
    this.#brush.paint(this.#brush.available && !instead ? grid : null, { gain, reach, unit });
    this.#profiles.paint(grid, now);
    this.#paintTip(grid);
    this.announcer.announce(now);
    this.#paintReadout(this.#pictures);
  };

  #paintAxes(theme: Theme, grid: Grid, around: Around): void {
    const ctx = this.#surface.begin();
    if (!ctx) return;
    const { box } = grid;
    layOver(this.#plot, box);
    this.#overlay.style.right = `${this.#surface.width - box.x - box.width}px`;
    const tight = box.x + box.width < TUNING_PX;
    if (tight !== this.#tight) {
      this.#tight = tight;
      this.#overlay.classList.toggle("db-tight", tight);
      this.frames.request(this.#describeTuning);
    }
    drawAround(ctx, theme, grid, this.state.axes, around);
  }

  #paintMarks(grid: Grid): void {
    const state = this.state;
    const { info } = state;
    const ghosts: Ghost[] = [];
    const selected: Gaussian[] = [];
    for (let k = 0; info.kind === "gaussians" && k < info.n_gaussians; k++) {
      const at = state.channel * info.n_gaussians + k;
      const now = state.gaussian(k);
      const chosen = this.#selection.has(k);
      if (!state.peek && state.trained.gaussians[5 * at + 4]) {
        const trained = gaussianAt(state.trained.gaussians, at);
        // No line leads to one that is removed.
        ghosts.push({ trained, now: now.weight || chosen ? now : trained });
      }
      if (k === state.selected) selected.push(now);
      else if (chosen) selected.unshift(now);
    }
    this.#marks.paint(grid, ghosts, selected, this.handles.busy);
  }

  /** The numbers beside the hand. */
  #paintTip(grid: Grid): void {
    const state = this.state;
    const k = state.selected;
    const drawn = this.#brush.tip ?? this.#profiles.tip;
    if (drawn) {
      const [text, at] = drawn;
      this.tip.show(() => text, at, grid.box);
      return;
    }
    if (!this.handles.busy || k < 0) {
      this.tip.hide();
      return;
    }
    const g = state.gaussian(k);
    this.tip.show(() => gaussianText(g, state.axes), grid.centre(g), grid.box);
  }

  #paintReadout(kernel: ArrayLike<number>): void {
    const state = this.state;
    const hover = this.#hover;
    const grid = this.#grid;
    const { F, T, cfHz, dtMs, delayMs } = state.axes;
    // There is room for the reason, not for the advice after it.
    let [text] = this.#refused.split(":");
    if (!text && hover && grid && holds(grid.box, hover) && !this.handles.busy && kernel.length > 0) {
      const band = clamp(Math.round(grid.band(hover.y)), 0, F - 1);
      const frame = clamp(Math.round(grid.frame(hover.x)), 0, T - 1);
      const value = kernel[band * T + frame];
      text = `${frequency(bandToHz(band, cfHz))}, ${milliseconds(frameToLagMs(frame, T, dtMs, delayMs))}: ${number(value, 2)}`;
    }
    setText(this.#readout, text);
    setHidden(this.#tuning, text !== "");
  }

  #paintCertainty(): void {
    const { certainty, channel, fieldEdited } = this.state;
    const { readouts, pale, edited } = certainty;
    const text = [...(readouts[channel] ?? []), fieldEdited ? edited : pale].filter(Boolean).join(" · ");
    setHidden(this.#certainty, text === "");
    setText(this.#certainty, text);
  }

  #describeField(): void {
    const state = this.state;
    const painted = this.#view.instead(this.#surface.width) ? "covered" : "painted";
    const tools = this.#brush.available ? painted : this.#profiles.free ? "drawn" : null;
    const plain = plainText(tools ?? state.info.kind);
    setAttribute(this.#stage, "aria-label", plain ? "Receptive field" : "Gaussians");
    setAttribute(this.#canvas, "aria-label", fieldText(state, plain));
    this.#inspector.explain(plain ?? "");
  }

  // ---- pointer on the picture -------------------------------------------------------------------------------

  #onHover(event: PointerEvent): void {
    // Measuring a place makes the browser lay out the page, and during a drag nothing is read out.
    if (this.dragging) return;
    this.#setHover(pointIn(this.#canvas, event));
  }

  #setHover(at: { x: number; y: number } | null): void {
    this.#hover = at;
    if (!this.dragging) this.#brush.hover(at);
    this.frames.request(this.#paintHover);
  }

  readonly #paintHover = (): void => {
    this.#paintReadout(this.#pictures);
  };
}
