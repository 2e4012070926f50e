/**
 * The handles of the receptive field: one circle a Gaussian, two squares for its widths. A spare Gaussian, one of weight
 * 0, has none until it is chosen.
 *
 * Every handle is a focusable slider. Pointer, wheel and keys become edits of the state; positions and spoken values
 * are set from it.
 */

import type { Column } from "../contract";
import {
  type Cleanup,
  closest,
  consume,
  element,
  type Point,
  pointIn,
  setAttribute,
  setStyle,
  setText,
} from "../dom";
import type { Grid } from "../draw/grid";
import { frequency, milliseconds, octaves, signed } from "../format";
import { type Gaussian, limitsOf, type OnGrid, offGrid, onGrid } from "../math/field";
import type { BenchState } from "../state";
import { Drag, type Grasp } from "./drag";
import { OwnGesture } from "./gesture";
import { type Member, members, moved, scaled } from "./group";
import type { Selection } from "./selection";
import { moveTo, sliderHandle, speak } from "./slider";

export type Grip = "center" | "sigma_f" | "sigma_t";
const GRIPS: Grip[] = ["center", "sigma_f", "sigma_t"];
/** What each of them changes. */
const COLUMNS_OF: Record<Grip, Column[]> = {
  center: ["center_hz", "center_ms", "weight"],
  sigma_f: ["sigma_oct"],
  sigma_t: ["sigma_ms"],
};

/** Closest that a width handle comes to its centre, in pixels. */
const CLEARANCE_PX = 17;
const SMALL_STEP = 0.25;
const BIG_STEP = 2;
const SIGMA_STEP = 0.1;
const BIG_SIGMA_STEP = 0.5;
const WEIGHT_SHARE = 0.05;
/** Factor of several weights in one step. */
const WEIGHT_FACTOR = 1.1;

export class Handles {
  readonly element = element("div.db-handles");
  readonly #grips: Record<Grip, HTMLElement>[] = [];
  #grid: Grid | null = null;
  /** The handle that was pressed last, and the side of the centre that it stood on. */
  #pulled: { grip: Grip; side: number } = { grip: "center", side: 1 };
  readonly #gesture: OwnGesture;
  readonly #drag: Drag;
  readonly #state: BenchState;
  readonly #stage: HTMLElement;
  readonly #helpId: string;
  readonly #selection: Selection;
  /** The focus is on its way by a program, which chooses by itself. */
  #focusing = false;

  constructor(state: BenchState, selection: Selection, stage: HTMLElement, cleanup: Cleanup, helpId: string) {
    this.#state = state;
    this.#selection = selection;
    this.#stage = stage;
    this.#helpId = helpId;
    const { element: root } = this;
    this.#gesture = new OwnGesture(state);
    this.#drag = new Drag(root, this.#gesture, (e) => this.#press(e), cleanup);
    cleanup.listen<MouseEvent>(root, "dblclick", (e) => this.#onDoubleClick(e));
    cleanup.listen<KeyboardEvent>(root, "keydown", (e) => this.#onKey(e));
    cleanup.listen<FocusEvent>(root, "focusin", (e) => this.#onFocus(e));
    cleanup.listen<WheelEvent>(stage, "wheel", (e) => this.#onWheel(e), { passive: false });
  }

  get dragging(): boolean {
    return this.#drag.moved;
  }

  /** A handle is pressed. */
  get held(): boolean {
    return this.#drag.held;
  }

  /** The Gaussian to which a handle belongs; -1 for none. */
  owner(handle: EventTarget | null): number {
    return this.#gripOf(handle)?.k ?? -1;
  }

  /** Give a Gaussian's handle the focus, without a sign of it to a `pointer`. */
  focus(k: number, pointer: boolean): void {
    const handle = this.#grips[k]?.center;
    if (!handle) return;
    handle.hidden = false;
    this.#focus(handle, pointer);
  }

  /** Whether a hand or a key is changing something right now. */
  get busy(): boolean {
    return this.#state.inGesture;
  }

  /** Place every handle and set what it says. */
  paint(grid: Grid): void {
    this.#grid = grid;
    const state = this.#state;
    const G = state.info.kind === "gaussians" ? state.info.n_gaussians : 0;
    while (this.#grips.length < G) this.#addGaussian(this.#grips.length);
    for (const grips of this.#grips.slice(G)) for (const grip of GRIPS) grips[grip].hidden = true;
    const heaviest = this.#heaviest();
    for (let k = 0; k < G; k++) this.#place(k, grid, heaviest);
  }

  /** Leave a running drag; `cancel` puts the Gaussian back to where it was. */
  release(cancel: boolean): boolean {
    return this.#drag.release(cancel);
  }

  /** Change the weight of a Gaussian by a number of steps, as the wheel and the + and - keys do. */
  nudgeWeight(k: number, steps: number): void {
    const { all } = this.#selection;
    if (all.length > 1) {
      this.#gesture.join(`${all}/weight`, k);
      this.#state.set(scaled(this.#state, members(this.#state, all), steps * Math.log(WEIGHT_FACTOR)));
      return;
    }
    const { weight } = this.#state.gaussian(k);
    const step = WEIGHT_SHARE * (this.#heaviest() || 1);
    const next = weight + steps * step;
    this.#nudge(k, "weight", { weight: Math.abs(next) < 1e-9 * step ? 0 : next });
  }

  // ---- elements ---------------------------------------------------------------------------------------------

  #addGaussian(k: number): void {
    const make = (grip: Grip) => {
      const handle = sliderHandle(grip === "center" ? "centre" : "width", this.#helpId, {
        "data-gaussian": k,
        "data-handle": grip,
        "aria-orientation": grip === "center" ? null : "vertical",
      });
      this.element.append(handle);
      return handle;
    };
    this.#grips.push({ center: make("center"), sigma_f: make("sigma_f"), sigma_t: make("sigma_t") });
  }

  #heaviest(): number {
    const { trainedGaussians, gaussians } = this.#state;
    const from = trainedGaussians.length ? trainedGaussians : gaussians;
    let heaviest = 0;
    for (let i = 4; i < from.length; i += 5) heaviest = Math.max(heaviest, Math.abs(from[i]));
    return heaviest;
  }

  #place(k: number, grid: Grid, heaviest: number): void {
    const state = this.#state;
    const g = state.gaussian(k);
    const p = onGrid(g, state.axes);
    const { x, y, outside } = grid.centre(p);
    const grips = this.#grips[k];
    const selected = this.#selection.has(k);
    const first = k === state.selected;
    const radius = 6.5 + 4.5 * Math.sqrt(Math.min(Math.abs(g.weight) / (heaviest || 1), 1));
    const sign = g.weight > 0 ? "+" : g.weight < 0 ? "−" : "0";

    setStyle(grips.center, "--radius", `${radius.toFixed(1)}px`);
    setText(grips.center.firstChild as Node, sign);
    moveTo(grips.center, x, y);
    moveTo(grips.sigma_f, x, y + this.#sideF(p.band) * Math.max(p.sigmaBands * grid.perBand, CLEARANCE_PX));
    moveTo(
      grips.sigma_t,
      x + this.#sideT(p.frame) * Math.max(p.sigmaFrames * grid.perFrame, CLEARANCE_PX),
      y,
    );
    for (const grip of GRIPS) {
      const handle = grips[grip];
      const flags = {
        "db-selected": selected,
        "db-outside": outside,
        "db-faint": g.weight === 0,
        "db-positive": g.weight > 0,
        "db-negative": g.weight < 0,
      };
      for (const [name, on] of Object.entries(flags)) handle.classList.toggle(name, on);
      const free = state.unlocked(COLUMNS_OF[grip].map((column) => `strf.${column}`)).length > 0;
      const hidden = grip === "center" ? g.weight === 0 && !selected : !first || outside || !free;
      if (hidden !== handle.hidden) {
        // The focus stays in the stage.
        if (hidden && handle === handle.ownerDocument.activeElement)
          this.#stage.focus({ preventScroll: true });
        handle.hidden = hidden;
      }
      setAttribute(handle, "aria-disabled", !(state.editable && free) && "true");
    }
  }

  /** Set what every handle says to who cannot see it. */
  speak(): void {
    this.#grips.forEach((_, k) => {
      if (k < this.#state.info.n_gaussians) this.#speakOf(k);
    });
  }

  #speakOf(k: number): void {
    const state = this.#state;
    const g = state.gaussian(k);
    const grips = this.#grips[k];
    const channel = state.info.channel_names[state.channel] ?? "";
    const together = this.#selection.kept && this.#selection.has(k) ? ", selected" : "";
    const name = `Gaussian ${k + 1} of ${state.info.n_gaussians}${channel ? `, ${channel}` : ""}${together}`;
    const set = (grip: Grip, label: string, column: "center_hz" | "sigma_oct" | "sigma_ms", text: string) => {
      const [low, high] = limitsOf(column, g, state.info, state.axes);
      speak(grips[grip], `${name}: ${label}`, [low, high], g[column], text);
    };
    const place = `${frequency(g.center_hz)}, ${milliseconds(g.center_ms)}`;
    set("center", "centre", "center_hz", `${place}, weight ${signed(g.weight)}`);
    set("sigma_f", "width in frequency", "sigma_oct", octaves(g.sigma_oct));
    set("sigma_t", "width in time", "sigma_ms", milliseconds(g.sigma_ms));
  }

  /** Width handles stand above and to the left (longer lag) of their centre, or opposite where there is no room. */
  #sideF(band: number): number {
    if (this.#drag.held && this.#pulled.grip === "sigma_f") return this.#pulled.side;
    return band > 0.75 * this.#state.axes.F ? 1 : -1;
  }

  #sideT(frame: number): number {
    if (this.#drag.held && this.#pulled.grip === "sigma_t") return this.#pulled.side;
    return frame < 0.25 * this.#state.axes.T ? 1 : -1;
  }

  // ---- pointer ----------------------------------------------------------------------------------------------

  #gripOf(target: EventTarget | null): { k: number; grip: Grip; handle: HTMLElement } | null {
    const handle = closest(target, "[data-handle]");
    if (!handle || !this.element.contains(handle)) return null;
    return { k: Number(handle.dataset.gaussian), grip: handle.dataset.handle as Grip, handle };
  }

  #press(event: PointerEvent): Grasp | null {
    const state = this.#state;
    const on = this.#gripOf(event.target);
    const grid = this.#grid;
    if (!on || !grid) return null;
    event.preventDefault();
    this.#gesture.end();
    this.#focus(on.handle, true);
    const { grip, k } = on;
    const selection = this.#selection;
    if (event.shiftKey && grip === "center") {
      selection.toggle(k);
      return null;
    }
    selection.pick(k);
    if (!state.editable) return null;
    const start = state.gaussian(on.k);
    const p = onGrid(start, state.axes);
    const anchor = grid.centre(p);
    const side = grip === "sigma_f" ? this.#sideF(p.band) : this.#sideT(p.frame);
    this.#pulled = { grip, side };
    const several = grip === "center" && selection.all.length > 1;
    const of = several ? members(state, selection.all) : [];
    return {
      target: on.handle,
      begin: () => this.#gesture.begin(k),
      move: (dx, dy) => {
        if (several) this.#pullAll(of, start, p, dx / grid.perFrame, -dy / grid.perBand);
        else this.#pull(grip, start, p, anchor, dx, dy);
      },
      done: (how, dragged) => {
        if (how === "lifted" && !dragged) selection.set([k]);
      },
    };
  }

  /** Move several as far as one of them went from where it began. */
  #pullAll(of: Member[], start: Gaussian, p: OnGrid, frames: number, bands: number): void {
    const state = this.#state;
    const to = offGrid({ ...p, frame: p.frame + frames, band: p.band + bands }, 0, state.axes);
    const octaves = bands ? Math.log2(to.center_hz / start.center_hz) : 0;
    state.set(moved(state, of, octaves, frames ? to.center_ms - start.center_ms : 0));
  }

  /** Drag a handle of a Gaussian to some pixels from where it began. */
  #pull(grip: Grip, start: Gaussian, p: OnGrid, anchor: Point, dx: number, dy: number): void {
    const state = this.#state;
    const grid = this.#grid;
    const { side } = this.#pulled;
    if (!grid) return;
    if (grip === "center") {
      const [frame, band] = [grid.frame(anchor.x + dx), grid.band(anchor.y + dy)];
      const { center_hz, center_ms } = offGrid({ ...p, frame, band }, start.weight, state.axes);
      state.edit({ center_hz, center_ms });
    } else if (grip === "sigma_f") {
      const bands = Math.max(p.sigmaBands + (side * dy) / grid.perBand, 0);
      state.edit({ sigma_oct: (bands * start.sigma_oct) / p.sigmaBands });
    } else {
      const frames = (side * dx) / grid.perFrame;
      state.edit({ sigma_ms: Math.max(start.sigma_ms + frames * state.axes.dtMs, 0) });
    }
  }

  #onDoubleClick(event: MouseEvent): void {
    const on = this.#gripOf(event.target);
    if (!on || !this.#state.editable) return;
    event.preventDefault();
    this.#state.revert(on.k);
  }

  #onFocus(event: FocusEvent): void {
    const on = this.#gripOf(event.target);
    const { kept } = this.#selection;
    if (on && !this.#drag.held && !this.#focusing && !kept) this.#selection.pick(on.k);
  }

  #focus(handle: HTMLElement, pointer: boolean): void {
    if (pointer) this.element.dataset.pointer = "true";
    else delete this.element.dataset.pointer;
    this.#focusing = true;
    handle.focus({ preventScroll: true });
    this.#focusing = false;
  }

  #onWheel(event: WheelEvent): void {
    const state = this.#state;
    const grid = this.#grid;
    const k = state.selected;
    if (k < 0 || !grid || !state.editable || event.ctrlKey || event.deltaY === 0) return;
    if (!this.#selection.has(this.owner(this.#stage.ownerDocument.activeElement))) return;
    const at = pointIn(this.element, event);
    const under = this.#selection.all.some((one) => {
      const p = onGrid(state.gaussian(one), state.axes);
      const { x, y } = grid.centre(p);
      const dx = (at.x - x) / Math.max(p.sigmaFrames * grid.perFrame, CLEARANCE_PX);
      const dy = (at.y - y) / Math.max(p.sigmaBands * grid.perBand, CLEARANCE_PX);
      return Math.hypot(dx, dy) <= 1.15;
    });
    if (!under) return;
    event.preventDefault();
    this.nudgeWeight(k, (event.deltaY < 0 ? 1 : -1) * (event.shiftKey ? 4 : 1));
  }

  // ---- keys -------------------------------------------------------------------------------------------------

  #onKey(event: KeyboardEvent): void {
    const on = this.#gripOf(event.target);
    if (!on) return;
    if (event.key === "Tab" || event.key.startsWith("Arrow")) delete this.element.dataset.pointer;
    if (event.key === "Escape") {
      if (this.release(true)) consume(event);
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey || !this.#state.editable || this.#drag.held) return;
    const { k, grip } = on;
    if (event.key === "Enter" || event.key === " ") {
      if (event.shiftKey) this.#selection.toggle(k, true);
      else this.#selection.set([k]);
    } else if (event.key === "+" || event.key === "=" || event.key === "-" || event.key === "_") {
      this.#selection.pick(k);
      this.nudgeWeight(k, event.key === "+" || event.key === "=" ? 1 : -1);
    } else if (event.key.startsWith("Arrow")) {
      this.#selection.pick(k);
      const dx = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      const dy = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
      if (grip === "center") this.#moveCentre(k, dx, dy, event.shiftKey);
      else this.#moveWidth(k, grip, dx, dy, event.shiftKey);
    } else return;
    consume(event);
  }

  #moveCentre(k: number, dx: number, dy: number, big: boolean): void {
    const { axes } = this.#state;
    const g = this.#state.gaussian(k);
    const p = onGrid(g, axes);
    const step = big ? BIG_STEP : SMALL_STEP;
    const { all } = this.#selection;
    if (all.length > 1) {
      this.#gesture.join(`${all}/center`, k);
      this.#pullAll(members(this.#state, all), g, p, dx * step, dy * step);
      return;
    }
    const next = offGrid({ ...p, band: p.band + dy * step, frame: p.frame + dx * step }, g.weight, axes);
    this.#nudge(k, "center", dy ? { center_hz: next.center_hz } : { center_ms: next.center_ms });
  }

  #moveWidth(k: number, grip: "sigma_f" | "sigma_t", dx: number, dy: number, big: boolean): void {
    const { axes } = this.#state;
    const g = this.#state.gaussian(k);
    const p = onGrid(g, axes);
    const sideways = grip === "sigma_t" ? this.#sideT(p.frame) * dx : dx;
    const step = (big ? BIG_SIGMA_STEP : SIGMA_STEP) * (dy || sideways);
    if (grip === "sigma_f") {
      this.#nudge(k, grip, { sigma_oct: ((p.sigmaBands + step) * g.sigma_oct) / p.sigmaBands });
    } else this.#nudge(k, grip, { sigma_ms: (p.sigmaFrames + step) * axes.dtMs });
  }

  /** One small change; those of one handle within 600 ms are one gesture. */
  #nudge(k: number, what: string, change: Partial<Gaussian>): void {
    this.#gesture.join(`${k}/${what}`, k);
    this.#state.edit(change);
  }
}
