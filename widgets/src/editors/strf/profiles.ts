/**
 * The profiles of a receptive field that is their product: frequency beside the picture and time below it, each a curve
 * that a brush draws anew and a focusable slider changes place by place.
 */

import { type Box, holds } from "../../base/box";
import { clamp } from "../../base/clamp";
import {
  type Cleanup,
  closest,
  consume,
  element,
  type Point,
  pointIn,
  setAttribute,
  setHidden,
} from "../../base/dom";
import { frequency, milliseconds, number, px } from "../../base/format";
import { svg } from "../../base/svg";
import type { Grid } from "../../draw/grid";
import { extent } from "../../draw/line";
import { Eased } from "../../draw/surface";
import { reducedMotion } from "../../draw/theme";
import { brushed, type Place, passed, Sweep } from "../../math/brush";
import { bandToHz, frameToLagMs } from "../../math/units";
import type { BenchState } from "../../state/bench-state";
import { OwnedGesture } from "../../state/owned-gesture";
import { Drag, type DragTarget } from "../../ui/drag";
import { moveTo, setAria, sliderHandle } from "../../ui/slider-handle";
import type { BrushTools } from "./brush-tools";

/** Thickness of a profile, with its distance from the picture. */
export const PROFILE_PX = 58;
const GAP_PX = 6;
/** The axis goes farther than the curve on both sides by this share of it, so that a drag can. */
const ROOM = 0.3;
/** Steps of the keys, of the axis. */
const STEPS = [0.01, 0.05];
const FAR = 5;

/** One profile: where it lies, and which way it is read. */
class Profile {
  readonly ghost = svg("path", "db-trained-profile");
  readonly zero = svg("path", "db-cross");
  readonly line = svg("path", "db-profile");
  readonly handle: HTMLElement;
  /** Ends of the axis of values. */
  readonly low = new Eased();
  readonly high = new Eased();
  box: Box = { x: 0, y: 0, width: 0, height: 0 };
  at = -1;

  constructor(
    readonly name: "strf.factor_f" | "strf.factor_t",
    helpId: string,
  ) {
    const orientation = this.upright ? "horizontal" : "vertical";
    this.handle = sliderHandle("spot", helpId, { "data-profile": name, "aria-orientation": orientation });
  }

  /** Frequency runs upward and its values to the right. */
  get upright(): boolean {
    return this.name === "strf.factor_f";
  }

  get span(): number {
    return this.high.value - this.low.value;
  }

  /** Pixels of a place and a value. */
  point(grid: Grid, at: number, value: number): Point {
    const share = clamp((value - this.low.value) / this.span, 0, 1);
    const { x, y, width, height } = this.box;
    return this.upright
      ? { x: x + share * width, y: grid.y(at) }
      : { x: grid.x(at), y: y + (1 - share) * height };
  }

  /** Place and value of pixels. */
  placeOf(grid: Grid, { x, y }: Point): Place {
    const { box } = this;
    const share = this.upright ? (x - box.x) / box.width : 1 - (y - box.y) / box.height;
    const level = this.low.value + clamp(share, 0, 1) * this.span;
    return { band: this.upright ? grid.band(y) : grid.frame(x), level };
  }

  path(grid: Grid, values: ArrayLike<number>): string {
    let d = "";
    for (let i = 0; i < values.length; i++) {
      const { x, y } = this.point(grid, i, values[i]);
      d += `${d ? "L" : "M"}${px(x)} ${px(y)}`;
    }
    return d;
  }
}

export class ProfileEditor {
  readonly element: HTMLElement;
  readonly marks: SVGElement;
  readonly #profiles: Profile[];
  readonly #gesture: OwnedGesture;
  readonly #drag: Drag;
  #grid: Grid | null = null;
  /** The one that was pressed last. */
  #drawn: Profile | null = null;

  constructor(
    readonly state: BenchState,
    readonly tools: BrushTools,
    readonly stage: HTMLElement,
    helpId: string,
    readonly requestPaint: () => void,
    cleanup: Cleanup,
  ) {
    this.#profiles = (["strf.factor_f", "strf.factor_t"] as const).map((name) => new Profile(name, helpId));
    this.element = element("div.db-handles");
    this.marks = svg(
      "svg",
      "db-marks",
      ...this.#profiles.flatMap(({ zero, ghost, line }) => [zero, ghost, line]),
    );
    setAttribute(this.marks, "aria-hidden", "true");
    this.#gesture = new OwnedGesture(state);
    this.#drag = new Drag(stage, this.#gesture, (e) => this.#press(e), cleanup);
    cleanup.listen<KeyboardEvent>(this.element, "keydown", (e) => {
      if (this.#onKey(e)) consume(e);
    });
    cleanup.add(() => this.#gesture.end());
  }

  get available(): boolean {
    return this.state.info.kind === "separable" && this.state.factors.length > 0;
  }

  /** Whether any of it may be edited, were it not for what is on screen just now. */
  get free(): boolean {
    const names = this.#profiles.map(({ name }) => name).filter((name) => name in this.state.info.limits);
    return this.available && this.state.unlocked(names).length > 0;
  }

  get dragging(): boolean {
    return this.#drag.moved;
  }

  /** Leave a running drag; `cancel` takes it back. */
  release(cancel: boolean): boolean {
    return this.#drag.release(cancel);
  }

  paint(grid: Grid, now: number): void {
    this.#grid = grid;
    const { available, state } = this;
    setHidden(this.element, !available);
    setAttribute(this.marks, "visibility", available ? null : "hidden");
    if (!available) return;
    if (!this.element.firstChild) this.element.append(...this.#profiles.map(({ handle }) => handle));
    const { x, y, width, height } = grid.box;
    const thick = PROFILE_PX - GAP_PX;
    for (const profile of this.#profiles) {
      profile.box = profile.upright
        ? { x: x - PROFILE_PX, y, width: thick, height }
        : { x, y: y + height + GAP_PX, width, height: thick };
      const values = this.#values(profile, state.factors);
      const trained = this.#values(profile, state.trained.factors);
      if (!state.inGesture || Number.isNaN(profile.span)) {
        const ends = [values, trained].flatMap((of) => extent(of) ?? []);
        const [low, high] = [Math.min(...ends, 0), Math.max(...ends, 0)];
        const room = ROOM * (high - low) || 1;
        profile.low.aim(low - room, now, !reducedMotion());
        profile.high.aim(high + room, now, !reducedMotion());
      }
      const moving = [profile.low, profile.high].map((end) => end.step(now));
      if (moving.some(Boolean)) this.requestPaint();
      if (profile.at < 0) profile.at = largest(values);
      profile.at = Math.min(profile.at, values.length - 1);
      const place = profile.point(grid, profile.at, values[profile.at]);
      moveTo(profile.handle, place.x, place.y);
      profile.handle.classList.add("db-selected");
      setAttribute(profile.handle, "aria-disabled", !state.paintable(profile.name) && "true");
      setAttribute(profile.line, "d", profile.path(grid, values));
      const old = !state.peek && trained.some((value, i) => value !== values[i]);
      setAttribute(profile.ghost, "d", old && profile.path(grid, trained));
      const [from, to] = [0, values.length - 1].map((i) => profile.point(grid, i, 0));
      setAttribute(profile.zero, "d", `M${px(from.x)} ${px(from.y)}L${px(to.x)} ${px(to.y)}`);
    }
  }

  /** Frequency or lag of the selected place, and the value there. */
  #textAt(profile: Profile): [text: string, value: number] {
    const { axes, factors } = this.state;
    const { at, upright } = profile;
    const value = this.#values(profile, factors)[at];
    const place = upright
      ? frequency(bandToHz(at, axes.cfHz))
      : milliseconds(frameToLagMs(at, axes.T, axes.dtMs, axes.delayMs));
    return [`${place}: ${number(value)}`, value];
  }

  /** Text beside the curve while it is drawn, and where it stands. */
  get tip(): [string, Point] | null {
    const profile = this.#drawn;
    if (!this.dragging || !this.#grid || !profile) return null;
    const [text, value] = this.#textAt(profile);
    return [text, profile.point(this.#grid, profile.at, value)];
  }

  /** Bring what the sliders tell a screen reader up to date. */
  updateAria(): void {
    const { channel, info } = this.state;
    if (!this.available) return;
    const where = info.n_channels > 1 ? `, ${info.channel_names[channel]}` : "";
    for (const profile of this.#profiles) {
      const { upright } = profile;
      const [text, value] = this.#textAt(profile);
      const [low, high] = [profile.low.value, profile.high.value];
      setAria(
        profile.handle,
        `${upright ? "Frequency" : "Time"} profile${where}`,
        [low, high],
        clamp(value, low, high),
        text,
      );
    }
  }

  /** Values of a profile of the channel on screen. */
  #values({ upright }: Profile, factors: Float32Array | Float64Array): Float32Array | Float64Array {
    const { axes, channel, info } = this.state;
    const size = upright ? axes.F : axes.T;
    const from = (upright ? 0 : info.n_channels * axes.F) + channel * size;
    return factors.subarray(from, from + size);
  }

  #put({ name }: Profile, places: Place[]): void {
    const { state } = this;
    state.set(
      places.map(({ band, level }) => ({ name, index: [state.neuron, state.channel, band], value: level })),
    );
  }

  // ---- pointer ----------------------------------------------------------------------------------------------

  #press(event: PointerEvent): DragTarget | null {
    const grid = this.#grid;
    if (!grid || !this.available) return null;
    const from = pointIn(this.stage, event);
    const profile = this.#profiles.find((one) => holds(one.box, from));
    if (!profile || !this.state.paintable(profile.name)) return null;
    event.preventDefault();
    this.#gesture.end();
    this.element.dataset.pointer = "true";
    this.#drawn = profile;
    profile.handle.focus({ preventScroll: true });
    const start = Float64Array.from(this.#values(profile, this.state.factors));
    const sweep = new Sweep(start, 2 * (this.tools.width >> 1) + 1);
    let last = profile.placeOf(grid, from);
    const touch = (place: Place) => {
      profile.at = clamp(Math.round(place.band), 0, start.length - 1);
      this.#put(profile, sweep.dab({ ...place, band: profile.at }));
    };
    return {
      element: this.stage,
      atOnce: true,
      begin: () => {
        this.#gesture.begin();
        touch(last);
      },
      move: (dx, dy) => {
        const to = profile.placeOf(grid, { x: from.x + dx, y: from.y + dy });
        for (const place of passed(last, to, start.length)) touch(place);
        last = to;
      },
    };
  }

  // ---- keys -------------------------------------------------------------------------------------------------

  #onKey(event: KeyboardEvent): boolean {
    const { key, shiftKey } = event;
    if (key === "Tab" || key.startsWith("Arrow")) delete this.element.dataset.pointer;
    if (key === "Escape") return this.release(true);
    if (event.ctrlKey || event.altKey || event.metaKey || this.#drag.held) return false;
    if (this.tools.key(event)) return true;
    const name = closest(event.target, "[data-profile]")?.dataset.profile;
    const profile = this.#profiles.find((one) => one.name === name);
    if (!profile) return false;
    const size = profile.upright ? this.state.axes.F : this.state.axes.T;
    const keys = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key];
    const along = keys?.[profile.upright ? 1 : 0] ?? { Home: -size, End: size }[key] ?? 0;
    const up = keys?.[profile.upright ? 0 : 1] ?? { "+": 1, "=": 1, "-": -1, _: -1 }[key] ?? 0;
    if (along) {
      profile.at = clamp(profile.at + along * (shiftKey ? FAR : 1), 0, size - 1);
      this.requestPaint();
    } else if (up) this.#nudge(profile, up * profile.span * STEPS[shiftKey && keys ? 1 : 0]);
    else if (key === "0") this.#nudge(profile, 0);
    else if (key === "Delete" || key === "Backspace") {
      this.#gesture.end();
      const { neuron, channel } = this.state;
      if (this.state.paintable(profile.name)) {
        this.state.revertNames([profile.name], [neuron, channel, profile.at]);
      }
    } else return false;
    return true;
  }

  /** A step of the keys: the neighbours under the brush go their share of it; 0 takes the place itself to zero. */
  #nudge(profile: Profile, by: number): void {
    if (!this.state.paintable(profile.name)) return;
    this.#gesture.join(`${profile.name}/${profile.at}`);
    const values = this.#values(profile, this.state.now.factors);
    const under = brushed(profile.at, 2 * (this.tools.width >> 1) + 1, values.length);
    const places = under.map(([band, share]) => ({ band, level: values[band] + share * by }));
    this.#put(profile, by ? places : [{ band: profile.at, level: 0 }]);
  }
}

function largest(values: ArrayLike<number>): number {
  let at = 0;
  for (let i = 1; i < values.length; i++) if (Math.abs(values[i]) > Math.abs(values[at])) at = i;
  return at;
}
