/** The stimulus, and under it on the same time axis what was recorded, the response of the trained model and that of the edited one. */

import { type Box, clip, inset } from "../base/box";
import { clamp } from "../base/clamp";
import {
  type Cleanup,
  closest,
  consume,
  element,
  pointIn,
  setAttribute,
  setHidden,
  setText,
} from "../base/dom";
import { fixed, frequency, number, px, scoreText } from "../base/format";
import { drawAxis, drawFrame, frequencyTicks, linearTicks } from "../draw/axes";
import { sequential } from "../draw/colormap";
import { EasedRange } from "../draw/eased-range";
import { Grid } from "../draw/grid";
import { drawColourBar, LongImage } from "../draw/heatmap";
import { extent, fillSteps, pathOn, strokeSignal, traceLine } from "../draw/line";
import { type Frames, PaintInputs, Surface } from "../draw/surface";
import type { Theme } from "../draw/theme";
import { bandToHz } from "../math/units";
import type { BenchState } from "../state/bench-state";
import type { Part } from "../state/parts";
import { legend } from "../ui/legend";
import { AdaptedView } from "./adapted-lanes";
import { MomentHandle } from "./moment-handle";
import { Lanes } from "./optional-lanes";
import { Player } from "./player";
import { TimeAxis } from "./time-axis";
import { WhyPanel } from "./why-panel";

const MARGIN = { left: 54, right: 66, top: 20 };
const RATE_TOP = 6;
const SPECTROGRAM_BOTTOM = 8;
const RATE_BOTTOM = 40;
/** A press that moves farther is no click. */
const CLICK_PX = 4;

export class ResponseView {
  readonly element: HTMLElement;
  readonly #spectrogram = element("canvas.db-canvas.db-spectrogram", { role: "img" });
  /** Recorded, as trained and axes: painted when they change, not in every frame of a drag. */
  readonly #still = element("canvas.db-canvas.db-still", { "aria-hidden": "true" });
  readonly #stillPainted = new PaintInputs();
  readonly #curves = element("canvas.db-canvas.db-curves", { role: "img" });
  readonly #cursor = element("div.db-cursor", { hidden: true });
  readonly #bracket = element("div.db-bracket", { hidden: true });
  /** Over the response: the values at the pointer. */
  readonly #readout = element("p.db-time-readout");
  readonly #title = element("h3.db-title", {}, "Stimulus and response");
  /** Of the sound on screen alone. */
  readonly #soundScore = element("output.db-muted.db-sound-score", {
    "aria-label": "Score of this sound",
    title: "Correlation over this sound alone",
  });
  readonly #legend = element("div.db-legend");
  readonly #stage: HTMLElement;
  readonly #upper: Surface;
  readonly #lower: Surface;
  readonly #behind: Surface;
  readonly #time: TimeAxis;
  readonly adapted: AdaptedView;
  readonly #player: Player;
  readonly #lanes: Lanes;
  readonly #handle: MomentHandle;
  readonly #range = new EasedRange();
  #image: LongImage | null = null;
  #stimulusRange: [number, number] = [0, 1];
  #hoverX: number | null = null;
  /** The bin under the pointer here, or which plays here. */
  #led: number | null = null;
  #pinned: number | null = null;
  #trainedLabel = "";

  readonly #state: BenchState;
  readonly #frameQueue: Frames;
  readonly #theme: () => Theme;

  /** `sounds` chooses one of several sounds. */
  constructor(
    state: BenchState,
    sounds: HTMLElement,
    frameQueue: Frames,
    theme: () => Theme,
    cleanup: Cleanup,
  ) {
    this.#state = state;
    this.#frameQueue = frameQueue;
    this.#theme = theme;
    const place = () => ({ box: this.#box(this.#lower), window: this.#time.window });
    this.adapted = new AdaptedView(state, frameQueue, theme, place, cleanup);
    this.#lanes = new Lanes(state, frameQueue, theme, place, cleanup);
    const axisAsk = () => {
      this.adapted.requestPaint();
      this.#lanes.requestPaint();
      this.#frameQueue.request(this.#paintUpper);
      this.#frameQueue.request(this.#paintLower);
      this.#frameQueue.request(this.#paintHover);
    };
    const lane = element("div.db-lane", {}, this.#spectrogram, this.#bracket);
    this.#stage = element(
      "div.db-time-stage",
      { tabindex: 0 },
      lane,
      this.adapted.element,
      this.#lanes.element,
      element("div.db-legend-row", {}, this.#legend, this.#lanes.tools),
      element("div.db-lane", {}, this.#still, this.#curves, this.#readout),
      this.#cursor,
    );
    this.#handle = new MomentHandle(state, this.#stage, (frame) => this.#time.reveal(frame), cleanup);
    setAttribute(this.#stage, "role", "group");
    setAttribute(
      this.#stage,
      "aria-label",
      "Sound and response over time: arrows pan, plus and minus zoom, 0 shows all, Enter pins a moment",
    );
    this.#time = new TimeAxis(this.#stage, () => this.#box(this.#lower), axisAsk, cleanup);
    const playerMoved = () => this.#frameQueue.request(this.#paintHover);
    this.#player = new Player(state, frameQueue, () => this.#time.window, playerMoved, cleanup);
    this.#time.tools.prepend(this.#player.element, this.#player.mixer);
    cleanup.listen<MouseEvent>(this.#stage, "click", (event) => this.#onClick(event));
    cleanup.listen<KeyboardEvent>(this.#stage, "keydown", (event) => {
      if (event.target !== this.#stage || event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === "Enter" && !event.shiftKey) {
        const { from, to } = this.#time.window;
        this.#pin(state.moment.frame ?? Math.floor((from + to) / 2));
        this.#handle.focus();
        consume(event);
      }
    });
    cleanup.listen<KeyboardEvent>(this.#stage, "keydown", (event) => {
      if (event.key !== " " || event.ctrlKey || event.altKey || event.metaKey) return;
      this.#player.toggle();
      consume(event);
    });
    this.element = element(
      "section.db-response",
      { "aria-label": "Response" },
      element(
        "div.db-head",
        {},
        this.#title,
        sounds,
        this.#soundScore,
        element("span.db-spring"),
        this.#time.tools,
      ),
      this.#stage,
      new WhyPanel(state, frameQueue, theme, cleanup).element,
    );
    this.#upper = new Surface(this.#spectrogram, cleanup, () => this.#frameQueue.request(this.#paintUpper));
    this.#lower = new Surface(this.#curves, cleanup, axisAsk);
    this.#behind = new Surface(this.#still, cleanup, () => this.#frameQueue.request(this.#paintLower));
    cleanup.listen<PointerEvent>(this.#stage, "pointerdown", ({ clientX, clientY }) => {
      this.#pressedAt = { x: clientX, y: clientY };
    });
    cleanup.listen<PointerEvent>(this.#stage, "pointermove", (e) => this.#onHover(e));
    cleanup.listen(this.#stage, "pointerleave", () => this.#setHover(null));
    cleanup.add(state.onChange((parts) => this.#onChange(parts)));
    state.watch(cleanup, ["info", "score", "peek"], () => {
      const several = state.info.n_sounds > 1;
      // Its place is the chooser's.
      this.#title.classList.toggle("db-hidden", several);
      setHidden(sounds, !several);
      const score = state.peek ? state.trainedSoundScore : state.soundScore;
      setText(this.#soundScore, score === null ? "" : scoreText(score));
      setAttribute(this.#soundScore, "data-old", state.scoreIsOld && !state.peek);
    });
    this.#time.setLength(state.info.n_frames, state.info.dt_ms);
    this.#makeImage();
    this.requestPaint();
  }

  requestPaint(): void {
    this.#lanes.requestPaint();
    for (const paint of [this.#paintUpper, this.#paintLower, this.#paintHover])
      this.#frameQueue.request(paint);
  }

  #onChange(parts: ReadonlySet<Part>): void {
    const has = (...names: Part[]) => names.some((name) => parts.has(name));
    if (has("info", "stimulus")) {
      this.#time.setLength(this.#state.info.n_frames, this.#state.info.dt_ms);
      this.#makeImage();
      this.requestPaint();
    } else if (has("rate", "recorded", "peek", "neuron", "gesture")) {
      this.#frameQueue.request(this.#paintLower);
      this.#frameQueue.request(this.#paintHover);
    } else if (has("moment")) this.#frameQueue.request(this.#paintHover);
    const { pinned } = this.#state.moment;
    if (has("moment") && pinned !== this.#pinned) {
      this.#pinned = pinned;
      if (pinned !== null) this.#time.reveal(pinned);
    }
  }

  #makeImage(): void {
    const { stimulus, info } = this.#state;
    const [low, high] = extent(stimulus) ?? [0, 1];
    // Silence is dark.
    this.#stimulusRange = [low, high > low ? high : low + 1];
    this.#image = new LongImage(stimulus, info.n_bands, info.n_frames, this.#stimulusRange, sequential());
  }

  #box(surface: Surface): Box {
    const [top, bottom] =
      surface === this.#upper ? [MARGIN.top, SPECTROGRAM_BOTTOM] : [RATE_TOP, RATE_BOTTOM];
    return inset(surface, { ...MARGIN, top, bottom });
  }

  // ---- paint ------------------------------------------------------------------------------------------------

  readonly #paintUpper = (): void => {
    const state = this.#state;
    const theme = this.#theme();
    const ctx = this.#upper.begin();
    setAttribute(
      this.#spectrogram,
      "aria-label",
      "Spectrogram of the stimulus: frequency upward in kHz, time in seconds",
    );
    if (!ctx) return;
    const box = this.#box(this.#upper);
    const { from, to } = this.#time.window;
    this.#image?.draw(ctx, box, from, to, box.width * devicePixelRatio);
    drawFrame(ctx, theme, box);
    const grid = new Grid(box, state.axes.F, 1);
    drawAxis(
      ctx,
      theme,
      box,
      "left",
      frequencyTicks(state.axes.cfHz, box.height),
      (b) => grid.y(b),
      "frequency (kHz)",
    );
    const most = Math.floor(box.height / 36);
    drawColourBar(ctx, theme, box, this.#stimulusRange, sequential(), state.info.stimulus_unit, most);
    drawAxis(ctx, theme, box, "bottom", this.#timeTicks(box, false), this.#placeTime(box), "");
  };

  readonly #paintLower = (now: number): void => {
    const state = this.#state;
    const theme = this.#theme();
    setAttribute(this.element, "data-stale", state.current ? null : "true");
    this.#paintLegend();
    const held = state.inGesture;
    const moving = this.#range.follow(
      now,
      held,
      state.now.rate,
      state.trained.rate,
      state.psth,
      state.otherRate,
    );
    if (moving) this.#frameQueue.request(this.#paintLower);
    setAttribute(
      this.#curves,
      "aria-label",
      `Response of neuron ${state.neuron + 1} in ${state.info.rate_unit} over time in seconds`,
    );
    const ctx = this.#lower.begin();
    if (!ctx) return;
    const box = this.#box(this.#lower);
    const [low, high] = this.#range.ends;
    const place = (value: number) => box.y + box.height * (1 - (value - low) / (high - low || 1));
    this.#paintStill(theme, box, place);
    const line = pathOn(ctx);
    traceLine(line, state.rate, this.#time.window, box, place);
    ctx.save();
    clip(ctx, box);
    strokeSignal(ctx, theme.model, line);
    ctx.restore();
  };

  /** What does not change in a drag: a thousand filled steps and a dashed line take longer than all the rest. */
  #paintStill(theme: Theme, box: Box, place: (value: number) => number): void {
    const state = this.#state;
    const behind = this.#behind;
    const { from, to } = this.#time.window;
    const { width, height } = behind;
    const [low, high] = this.#range.ends;
    const { psth, peek, info } = state;
    const trainedRate = state.trained.rate;
    const shown = [
      psth,
      trainedRate,
      state.otherRate,
      peek,
      info,
      from,
      to,
      low,
      high,
      width,
      height,
      devicePixelRatio,
      theme,
    ];
    if (!this.#stillPainted.changedSince(...shown)) return;
    const ctx = behind.begin();
    if (!ctx) return;
    ctx.save();
    clip(ctx, box);
    if (info.has_responses && psth.length) {
      ctx.fillStyle = theme.recorded;
      fillSteps(ctx, psth, this.#time.window, box, place, 0);
    }
    if (!peek && trainedRate.length) {
      ctx.strokeStyle = theme.trained;
      ctx.lineWidth = 1;
      ctx.setLineDash([4, 3]);
      ctx.beginPath();
      traceLine(ctx, trainedRate, this.#time.window, box, place);
      ctx.stroke();
    }
    if (state.otherRate.length) {
      ctx.strokeStyle = theme.other;
      ctx.lineWidth = 1;
      ctx.setLineDash([]);
      ctx.beginPath();
      traceLine(ctx, state.otherRate, this.#time.window, box, place);
      ctx.stroke();
    }
    ctx.restore();
    drawFrame(ctx, theme, box);
    const ticks = linearTicks(low, high, Math.floor(box.height / 30));
    drawAxis(ctx, theme, box, "left", ticks, place, `rate (${info.rate_unit})`);
    drawAxis(ctx, theme, box, "bottom", this.#timeTicks(box, true), this.#placeTime(box), "time (s)");
  }

  #paintLegend(): void {
    const state = this.#state;
    const { otherName } = state;
    const label = `${state.info.has_responses}/${state.peek}/${otherName}`;
    if (label === this.#trainedLabel) return;
    this.#trainedLabel = label;
    const entries: [string, string][] = [["model", state.peek ? "model as trained" : "model"]];
    if (state.info.has_responses) entries.unshift(["recorded", "recorded"]);
    if (!state.peek) entries.push(["trained", "as trained"]);
    if (otherName) entries.push(["other", `B: ${otherName}`]);
    this.#legend.replaceChildren(...legend(entries));
  }

  #placeTime(box: Box): (seconds: number) => number {
    const { from, to } = this.#time.window;
    const framesPerSecond = 1000 / this.#state.info.dt_ms;
    return (seconds) => box.x + ((seconds * framesPerSecond - from) / (to - from)) * box.width;
  }

  #timeTicks(box: Box, numbers: boolean) {
    const { from, to } = this.#time.window;
    const seconds = this.#state.info.dt_ms / 1000;
    const ticks = linearTicks(from * seconds, to * seconds, Math.max(Math.floor(box.width / 80), 2));
    return numbers ? ticks : ticks.map(({ at }) => ({ at, text: "" }));
  }

  // ---- hover ------------------------------------------------------------------------------------------------

  #onHover(event: PointerEvent): void {
    this.#setHover(pointIn(this.#stage, event));
  }

  #hoverY = 0;

  #setHover(at: { x: number; y: number } | null): void {
    this.#hoverX = at?.x ?? null;
    this.#hoverY = at?.y ?? 0;
    this.#frameQueue.request(this.#paintHover);
  }

  /** One cursor through all panels, its values, and the stretch of sound that the receptive field sees there. */
  readonly #paintHover = (): void => {
    const state = this.#state;
    const { moment } = state;
    this.#paintPin();
    const cursor = this.#cursor;
    const bracket = this.#bracket;
    const player = this.#player;
    const box = this.#box(this.#lower);
    const { from, to } = this.#time.window;
    const perFrame = box.width / (to - from);
    const within = (x: number | null) => x !== null && x >= box.x && x <= box.x + box.width;
    const last = state.info.n_frames - 1;
    // What plays goes before what is pointed at.
    let x = player.frame === null ? this.#hoverX : box.x + (player.frame - from) * perFrame;
    if (x !== null && within(x)) {
      this.#led = clamp(Math.floor(from + (x - box.x) / perFrame), 0, last);
      moment.hover(this.#led);
    } else {
      // What another view points at meanwhile is not taken from it.
      if (moment.hovered === this.#led) moment.hover(null);
      this.#led = null;
      x = moment.hovered === null ? null : box.x + (moment.hovered + 0.5 - from) * perFrame;
    }
    const frame = moment.hovered;
    const inside = within(x);
    setHidden(cursor, !inside);
    setHidden(bracket, !inside);
    if (x === null || frame === null || !inside) {
      setText(this.#readout, moment.pinned === null ? "" : this.#valuesAt(moment.pinned, true));
      return;
    }
    cursor.style.transform = `translateX(${px(x)}px)`;
    const end = box.x + (frame + 1 - from) * perFrame;
    const start = Math.max(end - state.axes.T * perFrame, box.x);
    bracket.style.transform = `translateX(${px(start)}px)`;
    bracket.style.width = `${px(Math.max(Math.min(end, box.x + box.width) - start, 1))}px`;
    setText(this.#readout, this.#valuesAt(frame, this.#led === null));
  };

  #paintPin(): void {
    const { moment } = this.#state;
    const box = this.#box(this.#lower);
    const { from, to } = this.#time.window;
    const { pinned } = moment;
    const x = pinned === null ? Number.NaN : box.x + ((pinned + 0.5 - from) / (to - from)) * box.width;
    this.#handle.paint(x >= box.x && x <= box.x + box.width ? x : null);
  }

  #pressedAt: { x: number; y: number } | null = null;

  /** A click, not the end of a pan, pins the moment; one at the pinned moment lets go of it. */
  #onClick(event: MouseEvent): void {
    const pressed = this.#pressedAt;
    const moved = pressed ? Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) : 0;
    if (moved > CLICK_PX || closest(event.target, "button,.db-moment,.db-legend-row")) return;
    const frame = this.#frameAt(pointIn(this.#stage, event).x);
    if (frame !== null) this.#pin(frame === this.#state.moment.pinned ? null : frame);
  }

  /** Keep a moment, and show what it is made of. */
  #pin(frame: number | null): void {
    const { lanes, moment } = this.#state;
    moment.pin(frame);
    if (frame !== null && !lanes.includes("why")) this.#state.openLanes([...lanes, "why"]);
  }

  /** The bin at a place of the stage; null beside the plot. */
  #frameAt(x: number): number | null {
    const box = this.#box(this.#lower);
    const { from, to } = this.#time.window;
    if (x < box.x || x > box.x + box.width) return null;
    return clamp(
      Math.floor(from + ((x - box.x) / box.width) * (to - from)),
      0,
      this.#state.info.n_frames - 1,
    );
  }

  #valuesAt(frame: number, pinned = false): string {
    const state = this.#state;
    const { info, axes } = state;
    const seconds = ((frame + 0.5) * info.dt_ms) / 1000;
    const parts = [`${fixed(seconds, 3)} s`];
    const box = this.#box(this.#upper);
    const band = Math.round(new Grid(box, axes.F, 1).band(this.#hoverY));
    if (!pinned && band >= 0 && band < axes.F && this.#hoverY < this.#upper.height) {
      const level = state.stimulus[band * info.n_frames + frame];
      parts.push(`${frequency(bandToHz(band, axes.cfHz))}: ${fixed(level, 1)} ${info.stimulus_unit}`);
    } else {
      parts.push(`model ${number(state.rate[frame] ?? Number.NaN, 2)}`);
      if (info.has_responses) parts.push(`recorded ${number(state.psth[frame] ?? Number.NaN, 2)}`);
      parts.push(`trained ${number(state.trained.rate[frame] ?? Number.NaN, 2)}`);
    }
    return parts.join(" · ");
  }
}
