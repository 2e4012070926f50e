/**
 * The handles of the receptive field: one circle a Gaussian, two squares for its widths.
 *
 * Every handle is a focusable slider. Pointer, wheel and keys become edits of the state; positions and spoken values
 * are set from it.
 */

import { type Cleanup, closest, consume, element, setAttribute, setStyle, setText } from "../dom";
import type { Grid } from "../draw/grid";
import { frequency, milliseconds, number, octaves, signed } from "../format";
import { type Gaussian, limitsOf, offGrid, onGrid } from "../math/field";
import type { BenchState } from "../state";

export type Grip = "center" | "sigma_f" | "sigma_t";
const GRIPS: Grip[] = ["center", "sigma_f", "sigma_t"];

/** Pixels a pointer may tremble before it drags. */
const THRESHOLD_PX = 2;
/** Steps of one handle this close together are one gesture. */
const JOIN_MS = 600;
/** Closest that a width handle comes to its centre, in pixels. */
const CLEARANCE_PX = 17;
const SMALL_STEP = 0.25;
const BIG_STEP = 2;
const SIGMA_STEP = 0.1;
const BIG_SIGMA_STEP = 0.5;
const WEIGHT_SHARE = 0.05;

interface Drag {
  pointer: number;
  k: number;
  grip: Grip;
  /** Where the pointer went down, and where the handle was then, in pixels. */
  from: { x: number; y: number };
  start: Gaussian;
  anchor: { x: number; y: number };
  moved: boolean;
  side: number;
  target: HTMLElement;
}

export class Handles {
  readonly element = element("div.db-handles");
  readonly #grips: Record<Grip, HTMLElement>[] = [];
  #grid: Grid | null = null;
  #drag: Drag | null = null;
  /** The gesture that was begun here: only that one is ended here. */
  #own: string | null = null;
  #joined: { key: string; cancel: () => void } | null = null;

  readonly #state: BenchState;
  readonly #stage: HTMLElement;
  readonly #helpId: string;

  constructor(state: BenchState, stage: HTMLElement, cleanup: Cleanup, helpId: string) {
    this.#state = state;
    this.#stage = stage;
    this.#helpId = helpId;
    const { element: root } = this;
    cleanup.listen<PointerEvent>(root, "pointerdown", (e) => this.#onDown(e));
    cleanup.listen<PointerEvent>(root, "pointermove", (e) => this.#onMove(e));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      cleanup.listen<PointerEvent>(root, type, (e) => this.#onUp(e));
    }
    cleanup.listen<MouseEvent>(root, "dblclick", (e) => this.#onDoubleClick(e));
    cleanup.listen<KeyboardEvent>(root, "keydown", (e) => this.#onKey(e));
    cleanup.listen<FocusEvent>(root, "focusin", (e) => this.#onFocus(e));
    cleanup.listen<WheelEvent>(stage, "wheel", (e) => this.#onWheel(e), { passive: false });
  }

  get dragging(): boolean {
    return this.#drag?.moved === true;
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
    this.#grips.forEach((grips, k) => {
      for (const grip of GRIPS) grips[grip].hidden = k >= G;
    });
    const heaviest = this.#heaviest();
    for (let k = 0; k < G; k++) this.#place(k, grid, heaviest);
  }

  get #open(): boolean {
    return this.#own !== null && this.#state.gestureId === this.#own;
  }

  #begin(k: number): void {
    this.#state.beginGesture(k);
    this.#own = this.#state.gestureId;
  }

  /** Leave a running drag; `cancel` puts the Gaussian back to where it was. */
  release(cancel: boolean): boolean {
    const drag = this.#drag;
    this.#drag = null;
    if (drag) {
      drag.target.classList.remove("db-dragging");
      try {
        drag.target.releasePointerCapture(drag.pointer);
      } catch {
        // The pointer is gone already.
      }
    }
    const open = this.#open;
    this.#joined?.cancel();
    this.#joined = null;
    if (open) this.#state.endGesture(cancel);
    return open;
  }

  /** Change the weight of a Gaussian by a number of steps, as the wheel and the + and - keys do. */
  nudgeWeight(k: number, steps: number): void {
    const { weight } = this.#state.gaussian(k);
    const step = WEIGHT_SHARE * (this.#heaviest() || 1);
    const next = weight + steps * step;
    this.#nudge(k, "weight", { weight: Math.abs(next) < 1e-9 * step ? 0 : next });
  }

  // ---- elements ---------------------------------------------------------------------------------------------

  #addGaussian(k: number): void {
    const make = (grip: Grip) => {
      const handle = element(
        "div",
        {
          class: `db-handle db-${grip === "center" ? "centre" : "width"}`,
          role: "slider",
          tabindex: 0,
          "data-gaussian": k,
          "data-handle": grip,
          "aria-describedby": this.#helpId,
          "aria-orientation": grip === "center" ? null : "vertical",
        },
        element("span.db-knob", { "aria-hidden": "true" }),
      );
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
    const selected = k === state.selected;
    const radius = 6.5 + 4.5 * Math.sqrt(Math.min(Math.abs(g.weight) / (heaviest || 1), 1));
    const sign = g.weight > 0 ? "+" : g.weight < 0 ? "−" : "0";

    setStyle(grips.center, "--radius", `${radius.toFixed(1)}px`);
    setText(grips.center.firstChild as Node, sign);
    move(grips.center, x, y);
    move(grips.sigma_f, x, y + this.#sideF(p.band) * Math.max(p.sigmaBands * grid.perBand, CLEARANCE_PX));
    move(grips.sigma_t, x + this.#sideT(p.frame) * Math.max(p.sigmaFrames * grid.perFrame, CLEARANCE_PX), y);
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
      if (grip !== "center") handle.hidden = !selected || outside;
      setAttribute(handle, "aria-disabled", !state.editable && "true");
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
    const name = `Gaussian ${k + 1} of ${state.info.n_gaussians}${channel ? `, ${channel}` : ""}`;
    const set = (grip: Grip, label: string, column: "center_hz" | "sigma_oct" | "sigma_ms", text: string) => {
      const [low, high] = limitsOf(column, g, state.info, state.axes);
      setAttribute(grips[grip], "aria-label", `${name}: ${label}`);
      setAttribute(grips[grip], "aria-valuemin", Number(low.toPrecision(4)));
      setAttribute(grips[grip], "aria-valuemax", Number(high.toPrecision(4)));
      setAttribute(grips[grip], "aria-valuenow", Number(g[column].toPrecision(4)));
      setAttribute(grips[grip], "aria-valuetext", text);
    };
    const place = `${frequency(g.center_hz)}, ${milliseconds(g.center_ms)}`;
    set("center", "centre", "center_hz", `${place}, weight ${signed(g.weight)}`);
    set("sigma_f", "width in frequency", "sigma_oct", octaves(g.sigma_oct));
    set("sigma_t", "width in time", "sigma_ms", milliseconds(g.sigma_ms));
  }

  /** Width handles stand above and to the left (longer lag) of their centre, or opposite where there is no room. */
  #sideF(band: number): number {
    if (this.#drag?.grip === "sigma_f") return this.#drag.side;
    return band > 0.75 * this.#state.axes.F ? 1 : -1;
  }

  #sideT(frame: number): number {
    if (this.#drag?.grip === "sigma_t") return this.#drag.side;
    return frame < 0.25 * this.#state.axes.T ? 1 : -1;
  }

  // ---- pointer ----------------------------------------------------------------------------------------------

  #gripOf(target: EventTarget | null): { k: number; grip: Grip; handle: HTMLElement } | null {
    const handle = closest(target, "[data-handle]");
    if (!handle || !this.element.contains(handle)) return null;
    return { k: Number(handle.dataset.gaussian), grip: handle.dataset.handle as Grip, handle };
  }

  #onDown(event: PointerEvent): void {
    const on = this.#gripOf(event.target);
    if (!on || event.button !== 0 || this.#drag || !this.#grid) return;
    event.preventDefault();
    this.#endJoined();
    this.element.dataset.pointer = "true";
    on.handle.focus({ preventScroll: true });
    this.#state.choose("selected", on.k);
    if (!this.#state.editable) return;
    const start = this.#state.gaussian(on.k);
    const p = onGrid(start, this.#state.axes);
    this.#drag = {
      pointer: event.pointerId,
      k: on.k,
      grip: on.grip,
      from: { x: event.clientX, y: event.clientY },
      start,
      anchor: this.#grid.centre(p),
      moved: false,
      side: on.grip === "sigma_f" ? this.#sideF(p.band) : this.#sideT(p.frame),
      target: on.handle,
    };
    try {
      on.handle.setPointerCapture(event.pointerId);
    } catch {
      // Without capture the drag still works while the pointer stays over the handle.
    }
  }

  #onMove(event: PointerEvent): void {
    const drag = this.#drag;
    const grid = this.#grid;
    const state = this.#state;
    if (!drag || !grid || event.pointerId !== drag.pointer) return;
    const dx = event.clientX - drag.from.x;
    const dy = event.clientY - drag.from.y;
    if (!drag.moved) {
      if (Math.hypot(dx, dy) < THRESHOLD_PX) return;
      drag.moved = true;
      drag.target.classList.add("db-dragging");
      this.#begin(drag.k);
    } else if (!this.#open) {
      this.release(false);
      return;
    }
    if (drag.grip === "center") {
      const at = onGrid(drag.start, state.axes);
      const frame = grid.frame(drag.anchor.x + dx);
      const band = grid.band(drag.anchor.y + dy);
      const g = offGrid({ ...at, frame, band }, drag.start.weight, state.axes);
      state.edit({ center_hz: g.center_hz, center_ms: g.center_ms });
    } else if (drag.grip === "sigma_f") {
      const { sigmaBands } = onGrid(drag.start, state.axes);
      const perBand = drag.start.sigma_oct / sigmaBands;
      state.edit({ sigma_oct: Math.max(sigmaBands + (drag.side * dy) / grid.perBand, 0) * perBand });
    } else {
      const frames = (drag.side * dx) / grid.perFrame;
      state.edit({ sigma_ms: Math.max(drag.start.sigma_ms + frames * state.axes.dtMs, 0) });
    }
  }

  #onUp(event: PointerEvent): void {
    if (this.#drag && event.pointerId === this.#drag.pointer) this.release(false);
  }

  #onDoubleClick(event: MouseEvent): void {
    const on = this.#gripOf(event.target);
    if (!on || !this.#state.editable) return;
    event.preventDefault();
    this.#state.revert(on.k);
  }

  #onFocus(event: FocusEvent): void {
    const on = this.#gripOf(event.target);
    if (on && !this.#drag) this.#state.choose("selected", on.k);
  }

  #onWheel(event: WheelEvent): void {
    const state = this.#state;
    const grid = this.#grid;
    const k = state.selected;
    if (k < 0 || !grid || !state.editable || event.ctrlKey || event.deltaY === 0) return;
    const focused = this.#gripOf(this.#stage.ownerDocument.activeElement);
    if (focused?.k !== k) return;
    const rect = this.element.getBoundingClientRect();
    const p = onGrid(state.gaussian(k), state.axes);
    const { x, y } = grid.centre(p);
    const dx = (event.clientX - rect.left - x) / Math.max(p.sigmaFrames * grid.perFrame, CLEARANCE_PX);
    const dy = (event.clientY - rect.top - y) / Math.max(p.sigmaBands * grid.perBand, CLEARANCE_PX);
    if (!(Math.hypot(dx, dy) <= 1.15)) return;
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
    if (event.ctrlKey || event.altKey || event.metaKey || !this.#state.editable || this.#drag) return;
    const { k, grip } = on;
    if (event.key === "Delete" || event.key === "Backspace") {
      this.#endJoined();
      this.#state.revert(k);
    } else if (event.key === "+" || event.key === "=" || event.key === "-" || event.key === "_") {
      this.nudgeWeight(k, event.key === "+" || event.key === "=" ? 1 : -1);
    } else if (event.key.startsWith("Arrow")) {
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
    const key = `${k}/${what}`;
    if (this.#joined?.key !== key || !this.#open) {
      this.#endJoined();
      this.#begin(k);
    } else this.#joined.cancel();
    this.#joined = { key, cancel: this.#state.clock.later(() => this.#endJoined(), JOIN_MS) };
    this.#state.edit(change);
  }

  #endJoined(): void {
    if (!this.#joined) return;
    this.#joined.cancel();
    this.#joined = null;
    if (this.#open) this.#state.endGesture();
  }
}

function move(handle: HTMLElement, x: number, y: number): void {
  setStyle(handle, "transform", `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`);
}

/** "4.2 kHz · 35 ms · σ 0.60 oct · 12 ms · weight +0.41". */
export function summary(g: Gaussian): string {
  const place = `${frequency(g.center_hz)} · ${milliseconds(g.center_ms)}`;
  return `${place} · σ ${octaves(g.sigma_oct)} · ${milliseconds(g.sigma_ms)} · weight ${number(g.weight)}`;
}
