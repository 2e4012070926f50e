/** Lanes that open between sound and response, on their time axis: drive, single trials, residual; the button of "why". */

import { type Box, clip } from "../base/box";
import { type Cleanup, element, setAttribute, setHidden } from "../base/dom";
import { number } from "../base/format";
import { drawAxis, drawFrame, linearTicks } from "../draw/axes";
import { ramp } from "../draw/colormap";
import { EasedRange } from "../draw/eased-range";
import { extent, pathOn, strokeSignal, traceLine, type Window } from "../draw/line";
import { type Frames, PaintInputs, Surface } from "../draw/surface";
import type { Theme } from "../draw/theme";
import type { BenchState } from "../state/bench-state";
import type { Numbers } from "../state/local-session";
import { PictureLane } from "./picture-lane";

const EDGE = 5;
const TITLES: [name: string, title: string][] = [
  ["drive", "Input of the output curve"],
  ["trials", "Recorded trials, one a row"],
  ["residual", "Recorded minus predicted response"],
  ["why", "Why the response is as high as it is at one moment: sound times receptive field, summed"],
];

/** One signal with its own value axis. */
class SignalLane {
  /** Axes: painted when they change, not in every frame of a drag. */
  readonly #still = element("canvas.db-canvas", { "aria-hidden": "true" });
  readonly #line = element("canvas.db-canvas.db-over", { role: "img" });
  readonly element = element("div.db-lane.db-signal-lane", {}, this.#still, this.#line);
  readonly #behind: Surface;
  readonly #front: Surface;
  readonly #range: EasedRange;
  readonly #framed = new PaintInputs();

  readonly #title: string;

  constructor(title: string, zero: boolean, requestPaint: () => void, cleanup: Cleanup) {
    this.#title = title;
    this.#range = new EasedRange(zero);
    this.#behind = new Surface(this.#still, cleanup, requestPaint);
    this.#front = new Surface(this.#line, cleanup, requestPaint);
  }

  /** Paint `values`; true while the value axis still moves. */
  paint(now: number, values: Numbers, held: boolean, theme: Theme, place: Box, window: Window): boolean {
    const moving = this.#range.follow(now, held, values);
    const [low, high] = this.#range.ends;
    const { width, height } = this.#behind;
    const box = { ...place, y: EDGE, height: height - 2 * EDGE };
    const at = (value: number) => box.y + box.height * (1 - (value - low) / (high - low || 1));
    setAttribute(
      this.#line,
      "aria-label",
      `${this.#title} over time, from ${number(low, 2)} to ${number(high, 2)}`,
    );
    if (
      this.#framed.changedSince(low, high, width, height, place.width, devicePixelRatio, theme, this.#title)
    ) {
      const ctx = this.#behind.begin();
      if (ctx) {
        drawFrame(ctx, theme, box);
        ctx.strokeStyle = theme.line;
        ctx.setLineDash([2, 3]);
        ctx.beginPath();
        ctx.moveTo(box.x, at(0));
        ctx.lineTo(box.x + box.width, at(0));
        ctx.stroke();
        ctx.setLineDash([]);
        drawAxis(ctx, theme, box, "left", linearTicks(low, high, 4), at, this.#title);
      }
    }
    const ctx = this.#front.begin();
    if (ctx) {
      const line = pathOn(ctx);
      traceLine(line, values, window, box, at);
      ctx.save();
      clip(ctx, box);
      strokeSignal(ctx, theme.model, line);
      ctx.restore();
    }
    return moving;
  }
}

export class Lanes {
  readonly element = element("div.db-lanes");
  /** Buttons that open and close the lanes. */
  readonly tools = element("div.db-tools", { role: "group", "aria-label": "Lanes" });
  readonly #drive: SignalLane;
  readonly #residual: SignalLane;
  readonly #trials = new PictureLane("trials");
  readonly #trialsPainted = new PaintInputs();
  readonly #buttons = new Map<string, HTMLButtonElement>();
  /** Recorded minus predicted, in a buffer that stays. */
  #difference = new Float64Array(0);

  readonly #state: BenchState;
  readonly #frameQueue: Frames;
  readonly #theme: () => Theme;
  readonly #place: () => { box: Box; window: Window };

  constructor(
    state: BenchState,
    frameQueue: Frames,
    theme: () => Theme,
    place: () => { box: Box; window: Window },
    cleanup: Cleanup,
  ) {
    this.#state = state;
    this.#frameQueue = frameQueue;
    this.#theme = theme;
    this.#place = place;
    const requestPaint = () => this.requestPaint();
    this.#drive = new SignalLane("drive", false, requestPaint, cleanup);
    this.#residual = new SignalLane("residual", true, requestPaint, cleanup);
    this.element.append(this.#drive.element, this.#trials.element, this.#residual.element);
    for (const [name, title] of TITLES) {
      const button = element("button.db-button", { title, "data-lane": name }, name);
      cleanup.listen(button, "click", () => this.#toggle(name));
      this.#buttons.set(name, button);
      this.tools.append(button);
    }
    // The time axis around them would take the pointer for a pan.
    cleanup.listen(this.tools, "pointerdown", (event) => event.stopPropagation());
    state.watch(
      cleanup,
      ["lanes", "info", "stimulus", "rate", "recorded", "peek", "neuron", "gesture"],
      requestPaint,
    );
  }

  requestPaint(): void {
    this.#frameQueue.request(this.#paint);
  }

  /** Which lanes there is something for. */
  #has(name: string): boolean {
    const state = this.#state;
    if (name === "drive") return state.info.local;
    if (name === "why") return true;
    return name === "trials" ? state.info.n_trials > 1 : state.info.has_responses;
  }

  #toggle(name: string): void {
    const { lanes } = this.#state;
    if (name === "why" && lanes.includes(name)) this.#state.moment.pin(null);
    this.#state.openLanes(lanes.includes(name) ? lanes.filter((lane) => lane !== name) : [...lanes, name]);
  }

  readonly #paint = (now: number): void => {
    const state = this.#state;
    const { box, window } = this.#place();
    const open = (name: string) => this.#has(name) && state.lanes.includes(name);
    for (const [name, button] of this.#buttons) {
      setHidden(button, !this.#has(name));
      setAttribute(button, "aria-pressed", String(open(name)));
    }
    const drive = open("drive") ? state.shown.drive : null;
    setHidden(this.#drive.element, drive === null);
    setHidden(this.#residual.element, !open("residual"));
    setHidden(this.#trials.element, !open("trials") || state.trials.length === 0);
    const theme = this.#theme();
    let moving = false;
    if (drive) moving = this.#drive.paint(now, drive, state.inGesture, theme, box, window);
    if (!this.#residual.element.hidden) {
      const values = this.#residualOf(state.psth, state.rate);
      moving = this.#residual.paint(now, values, state.inGesture, theme, box, window) || moving;
    }
    if (!this.#trials.element.hidden) this.#paintTrials(theme, box, window);
    if (moving) this.requestPaint();
  };

  #residualOf(psth: Numbers, rate: Numbers): Float64Array {
    if (this.#difference.length !== psth.length) this.#difference = new Float64Array(psth.length);
    for (let t = 0; t < psth.length; t++) this.#difference[t] = psth[t] - rate[t];
    return this.#difference;
  }

  #paintTrials(theme: Theme, box: Box, window: Window): void {
    const { trials, info } = this.#state;
    this.#trials.place(box, `${info.n_trials} recorded trials, the first at the bottom`);
    if (!this.#trialsPainted.changedSince(trials, window.from, window.to, box.x, box.width, theme)) return;
    const high = extent(trials)?.[1] ?? 1;
    const rows = { values: trials, rows: info.n_trials, columns: info.n_frames, start: 0 };
    this.#trials.paint(rows, high || 1, ramp(theme.panel, theme.foreground), box, window);
  }
}
