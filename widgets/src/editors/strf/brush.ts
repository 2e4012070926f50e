/**
 * The brush on a receptive field whose every weight is free: pointer and keys become strokes.
 *
 * A stroke is one gesture. A cell cursor, focusable, does with the keys what the pointer does.
 */

import { holds } from "../../base/box";
import { clamp } from "../../base/clamp";
import { type Cleanup, consume, element, type Point, pointIn, setAttribute, setStyle } from "../../base/dom";
import { frequency, milliseconds, number, px } from "../../base/format";
import { svg } from "../../base/svg";
import type { Grid } from "../../draw/grid";
import { limitsOf } from "../../math/field";
import { type Cell, type Spot, Stroke, type StrokeTool } from "../../math/stroke";
import { bandToHz, frameToLagMs } from "../../math/units";
import type { BenchState } from "../../state/bench-state";
import { OwnedGesture } from "../../state/owned-gesture";
import { Drag, type DragTarget } from "../../ui/drag";
import { moveTo, setAria, sliderHandle } from "../../ui/slider-handle";
import type { BrushTools } from "./brush-tools";

const NAME = "strf.kernel";
const FAR = 5;

/** What the picture shows of the weights: a brush adds in its units and to its sign. */
export interface Shown {
  /** A weight on screen is the raw one times this. */
  gain: number;
  /** Raw weight at the end of the colour range. */
  reach: number;
  unit: string;
}

export class FieldBrush {
  readonly element: HTMLElement;
  readonly ring: SVGElement;
  readonly #rings = ["db-halo", "db-ring"].map((name) => svg("ellipse", name));
  readonly #cursor: HTMLElement;
  readonly #gesture: OwnedGesture;
  readonly #drag: Drag;
  #at: Spot = { band: -1, frame: -1 };
  #grid: Grid | null = null;
  #under: Spot | null = null;
  #shown: Shown = { gain: 1, reach: 1, unit: "weight" };

  constructor(
    readonly state: BenchState,
    readonly tools: BrushTools,
    readonly stage: HTMLElement,
    helpId: string,
    cleanup: Cleanup,
  ) {
    this.#cursor = sliderHandle("cell", helpId, { "aria-orientation": null });
    this.element = element("div.db-handles");
    this.ring = svg("svg", "db-marks db-clip", ...this.#rings);
    this.#gesture = new OwnedGesture(state);
    this.#drag = new Drag(stage, this.#gesture, (e) => this.#press(e), cleanup);
    cleanup.listen<KeyboardEvent>(this.element, "keydown", (e) => {
      if (this.#onKey(e)) consume(e);
    });
    cleanup.add(() => this.#gesture.end());
  }

  /** Whether this field can be painted, were it not for what is on screen just now. */
  get available(): boolean {
    const { kind, limits, locked } = this.state.info;
    return kind === "full" && NAME in limits && !locked.includes(NAME);
  }

  get dragging(): boolean {
    return this.#drag.moved;
  }

  /** Leave a running stroke; `cancel` takes it back. */
  release(cancel: boolean): boolean {
    return this.#drag.release(cancel);
  }

  /** Show the ring of the brush under a pointer, from the corner of the stage. */
  hover(at: Point | null): void {
    const grid = this.#grid;
    this.#under =
      at && grid && holds(grid.box, at) ? { band: grid.band(at.y), frame: grid.frame(at.x) } : null;
    this.#paintRing();
  }

  /** Place the cursor and the ring; null where nothing is painted. */
  paint(grid: Grid | null, shown: Shown): void {
    this.#grid = grid;
    this.#shown = shown;
    if (!grid) this.#cursor.remove();
    else if (!this.#cursor.parentNode) this.element.append(this.#cursor);
    if (grid) {
      const { F, T } = grid;
      if (this.#at.band < 0) this.#at = { band: F >> 1, frame: T - 1 - (T >> 3) };
      const at = this.#inside(this.#at);
      setStyle(this.#cursor, "--across", `${px(grid.perFrame)}px`);
      setStyle(this.#cursor, "--up", `${px(grid.perBand)}px`);
      moveTo(this.#cursor, grid.x(at.frame), grid.y(at.band));
      setAttribute(this.#cursor, "aria-disabled", !this.state.paintable(NAME) && "true");
    }
    this.#paintRing();
  }

  /** Frequency and lag of the selected cell, and its weight as it is on screen. */
  #textAt(): [place: string, value: number] {
    const { axes, kernel, channel } = this.state;
    const { band, frame } = this.#inside(this.#at);
    const [hz, lag] = [bandToHz(band, axes.cfHz), frameToLagMs(frame, axes.T, axes.dtMs, axes.delayMs)];
    const value = this.#shown.gain * kernel[(channel * axes.F + band) * axes.T + frame];
    return [`${frequency(hz)}, ${milliseconds(lag)}`, value];
  }

  /** Text beside the brush while it draws, and where it stands. */
  get tip(): [string, Point] | null {
    const [grid, at] = [this.#grid, this.#under];
    if (!this.dragging || !grid || !at) return null;
    const [place, value] = this.#textAt();
    return [`${place}\n${this.#shown.unit} ${number(value, 2)}`, { x: grid.x(at.frame), y: grid.y(at.band) }];
  }

  /** Bring what the cursor tells a screen reader up to date. */
  updateAria(): void {
    const { state } = this;
    if (!this.#grid) return;
    const { info } = state;
    const { gain, reach, unit } = this.#shown;
    const [place, value] = this.#textAt();
    const channel = info.n_channels > 1 ? `, ${info.channel_names[state.channel]}` : "";
    const end = Math.max(Math.abs(gain) * reach, Math.abs(value) || 0);
    setAria(
      this.#cursor,
      `Weight of one cell${channel}`,
      [-end, end],
      value,
      `${place}: ${unit} ${number(value, 2)}`,
    );
  }

  #inside({ band, frame }: Spot): Spot {
    const { F, T } = this.state.axes;
    return { band: clamp(Math.round(band), 0, F - 1), frame: clamp(Math.round(frame), 0, T - 1) };
  }

  #paintRing(): void {
    const grid = this.#grid;
    const at = this.#under;
    const shown = grid && at && this.state.paintable(NAME);
    setAttribute(this.ring, "visibility", shown ? null : "hidden");
    if (!shown) return;
    const radius = this.tools.width / 2;
    for (const ring of this.#rings) {
      setAttribute(ring, "cx", px(grid.x(at.frame) - grid.box.x));
      setAttribute(ring, "cy", px(grid.y(at.band) - grid.box.y));
      setAttribute(ring, "rx", px(radius * grid.perFrame));
      setAttribute(ring, "ry", px(radius * grid.perBand));
    }
  }

  // ---- strokes ----------------------------------------------------------------------------------------------

  #stroke(tool: StrokeTool): Stroke {
    const { state, tools } = this;
    const { F, T } = state.axes;
    const from = state.channel * F * T;
    const { gain, reach } = this.#shown;
    const amount = tools.strength * reach * (gain < 0 ? -1 : 1);
    return new Stroke(state.kernel.subarray(from, from + F * T), F, T, tools.width, tool, amount);
  }

  #put(cells: Cell[]): void {
    const { state } = this;
    const limits = limitsOf(NAME, state.info.limits);
    state.set(
      cells.map(({ band, frame, value }) => ({
        name: NAME,
        index: [state.neuron, state.channel, band, frame],
        value: clamp(value, ...limits),
      })),
    );
  }

  #press(event: PointerEvent): DragTarget | null {
    const grid = this.#grid;
    if (!grid || !this.state.paintable(NAME)) return null;
    const from = pointIn(this.stage, event);
    if (!holds(grid.box, from)) return null;
    event.preventDefault();
    this.#gesture.end();
    this.element.dataset.pointer = "true";
    this.#cursor.focus({ preventScroll: true });
    const stroke = this.#stroke(this.tools.toolWith(event.shiftKey));
    let last = { band: grid.band(from.y), frame: grid.frame(from.x) };
    const draw = (to: Spot) => {
      this.#put(stroke.sweep(last, to));
      this.#at = this.#inside(to);
      this.#under = last = to;
      this.#paintRing();
    };
    return {
      element: this.stage,
      atOnce: true,
      begin: () => {
        this.#gesture.begin();
        draw(last);
      },
      move: (dx, dy) => draw({ band: grid.band(from.y + dy), frame: grid.frame(from.x + dx) }),
    };
  }

  // ---- keys -------------------------------------------------------------------------------------------------

  #onKey(event: KeyboardEvent): boolean {
    const { key, shiftKey } = event;
    if (key === "Tab" || key.startsWith("Arrow")) delete this.element.dataset.pointer;
    if (key === "Escape") return this.release(true);
    if (event.ctrlKey || event.altKey || event.metaKey || this.#drag.held) return false;
    if (this.tools.key(event)) return true;
    const { F, T } = this.state.axes;
    const step = shiftKey ? FAR : 1;
    const move = (bands: number, frames: number) => {
      const { band, frame } = this.#at;
      this.#at = this.#inside({ band: band + bands, frame: frame + frames });
    };
    if (key === "ArrowUp") move(step, 0);
    else if (key === "ArrowDown") move(-step, 0);
    else if (key === "ArrowLeft") move(0, -step);
    else if (key === "ArrowRight") move(0, step);
    else if (key === "PageUp") move(F, 0);
    else if (key === "PageDown") move(-F, 0);
    else if (key === "Home") move(0, -T);
    else if (key === "End") move(0, T);
    else if (key === "+" || key === "=") return this.#dab("add");
    else if (key === "-" || key === "_") return this.#dab("subtract");
    else if (key === "0") return this.#dab("erase");
    else if (key === "Delete" || key === "Backspace") return this.#revert();
    else if (key === "Enter" && !shiftKey) return this.#dab(this.tools.tool);
    else return false;
    this.tools.changed();
    return true;
  }

  #revert(): boolean {
    const { state } = this;
    const { band, frame } = this.#inside(this.#at);
    this.#gesture.end();
    if (state.paintable(NAME)) state.revertNames([NAME], [state.neuron, state.channel, band, frame]);
    return true;
  }

  /** One touch of the brush at the cursor. */
  #dab(tool: StrokeTool): boolean {
    if (!this.state.paintable(NAME)) return false;
    this.#gesture.join(`${tool}/${this.#at.band}/${this.#at.frame}`);
    this.#put(this.#stroke(tool).sweep(this.#at, this.#at));
    return true;
  }
}
