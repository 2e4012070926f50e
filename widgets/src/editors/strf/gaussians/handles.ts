/** Gestures at the handles of the receptive field: pointer, wheel and keys become edits of the state. */

import { type Cleanup, consume, type Point, pointIn, setHidden } from "../../../base/dom";
import type { Grid } from "../../../draw/grid";
import type { Gaussian } from "../../../math/field";
import type { BenchState } from "../../../state/bench-state";
import { OwnedGesture } from "../../../state/owned-gesture";
import { Drag, type DragTarget } from "../../../ui/drag";
import { members, moved, scaled } from "./group";
import { CLEARANCE_PX, HandleElements, type HandleKind, heaviestOf } from "./handle-elements";
import type { Selection } from "./selection";

const SMALL_STEP = 0.25;
const BIG_STEP = 2;
const SIGMA_STEP = 0.1;
const BIG_SIGMA_STEP = 0.5;
const WEIGHT_SHARE = 0.05;
/** Factor of several weights in one step. */
const WEIGHT_FACTOR = 1.1;

type WidthKind = Exclude<HandleKind, "center">;

/** A width that is larger by so many bands or frames. */
const widened = (kind: WidthKind, g: Gaussian, by: number): Partial<Gaussian> =>
  kind === "sigma_f"
    ? { sigma_bands: Math.max(g.sigma_bands + by, 0) }
    : { sigma_frames: Math.max(g.sigma_frames + by, 0) };

export class Handles {
  readonly element: HTMLElement;
  readonly #elements: HandleElements;
  readonly #gesture: OwnedGesture;
  readonly #drag: Drag;
  readonly #state: BenchState;
  readonly #stage: HTMLElement;
  readonly #selection: Selection;
  /** The focus is on its way by a program, which chooses by itself. */
  #focusing = false;

  constructor(state: BenchState, selection: Selection, stage: HTMLElement, cleanup: Cleanup, helpId: string) {
    this.#state = state;
    this.#selection = selection;
    this.#stage = stage;
    this.#elements = new HandleElements(state, selection, stage, helpId);
    const root = this.#elements.element;
    this.element = root;
    this.#gesture = new OwnedGesture(state);
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
    return this.#elements.at(handle)?.k ?? -1;
  }

  /** Give a Gaussian's handle the focus, without a sign of it to a `pointer`. */
  focus(k: number, pointer: boolean): void {
    const handle = this.#elements.centre(k);
    if (!handle) return;
    setHidden(handle, false);
    this.#focus(handle, pointer);
  }

  /** Whether pointer or keys are changing something right now. */
  get busy(): boolean {
    return this.#state.inGesture;
  }

  /** Place every handle. */
  paint(grid: Grid): void {
    this.#elements.paint(grid);
  }

  /** Bring what every handle tells a screen reader up to date. */
  updateAria(): void {
    this.#elements.updateAria();
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
    const step = WEIGHT_SHARE * (heaviestOf(this.#state) || 1);
    const next = weight + steps * step;
    this.#nudge(k, "weight", { weight: Math.abs(next) < 1e-9 * step ? 0 : next });
  }

  // ---- pointer ----------------------------------------------------------------------------------------------

  #press(event: PointerEvent): DragTarget | null {
    const state = this.#state;
    const on = this.#elements.at(event.target);
    const { grid } = this.#elements;
    if (!on || !grid) return null;
    event.preventDefault();
    this.#gesture.end();
    this.#focus(on.handle, true);
    const { kind, k } = on;
    const selection = this.#selection;
    if (event.shiftKey && kind === "center") {
      selection.toggle(k);
      return null;
    }
    selection.pick(k);
    if (!state.editable) return null;
    const start = state.gaussian(on.k);
    const anchor = grid.centre(start);
    this.#elements.pulled = { kind, side: this.#elements.side(kind, start) };
    const several = kind === "center" && selection.all.length > 1;
    const of = several ? members(state, selection.all) : [];
    return {
      element: on.handle,
      begin: () => this.#gesture.begin(k),
      move: (dx, dy) => {
        if (several) state.set(moved(state, of, -dy / grid.perBand, dx / grid.perFrame));
        else this.#pull(kind, start, anchor, dx, dy);
      },
      done: (how, dragged) => {
        this.#elements.pulled = null;
        if (how === "lifted" && !dragged) selection.set([k]);
      },
    };
  }

  /** Drag a handle of a Gaussian to some pixels from where it began. */
  #pull(kind: HandleKind, start: Gaussian, anchor: Point, dx: number, dy: number): void {
    const state = this.#state;
    const { grid, pulled } = this.#elements;
    if (!grid || !pulled) return;
    if (kind === "center") {
      state.edit({ band: grid.band(anchor.y + dy), frame: grid.frame(anchor.x + dx) });
    } else {
      const by = kind === "sigma_f" ? dy / grid.perBand : dx / grid.perFrame;
      state.edit(widened(kind, start, pulled.side * by));
    }
  }

  #onDoubleClick(event: MouseEvent): void {
    const on = this.#elements.at(event.target);
    if (!on || !this.#state.editable) return;
    event.preventDefault();
    this.#state.revert(on.k);
  }

  #onFocus(event: FocusEvent): void {
    const on = this.#elements.at(event.target);
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
    const { grid } = this.#elements;
    const k = state.selected;
    if (k < 0 || !grid || !state.editable || event.ctrlKey || event.deltaY === 0) return;
    if (!this.#selection.has(this.owner(this.#stage.ownerDocument.activeElement))) return;
    const at = pointIn(this.element, event);
    const under = this.#selection.all.some((one) => {
      const p = state.gaussian(one);
      const { x, y } = grid.centre(p);
      const dx = (at.x - x) / Math.max(p.sigma_frames * grid.perFrame, CLEARANCE_PX);
      const dy = (at.y - y) / Math.max(p.sigma_bands * grid.perBand, CLEARANCE_PX);
      return Math.hypot(dx, dy) <= 1.15;
    });
    if (!under) return;
    event.preventDefault();
    this.nudgeWeight(k, (event.deltaY < 0 ? 1 : -1) * (event.shiftKey ? 4 : 1));
  }

  // ---- keys -------------------------------------------------------------------------------------------------

  #onKey(event: KeyboardEvent): void {
    const on = this.#elements.at(event.target);
    if (!on) return;
    if (event.key === "Tab" || event.key.startsWith("Arrow")) delete this.element.dataset.pointer;
    if (event.key === "Escape") {
      if (this.release(true)) consume(event);
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey || !this.#state.editable || this.#drag.held) return;
    const { k, kind } = on;
    // Shift + Enter runs the notebook's cell.
    if ((event.key === "Enter" && !event.shiftKey) || event.key === " ") {
      if (event.shiftKey) this.#selection.toggle(k, true);
      else this.#selection.set([k]);
    } else if (event.key === "+" || event.key === "=" || event.key === "-" || event.key === "_") {
      this.#selection.pick(k);
      this.nudgeWeight(k, event.key === "+" || event.key === "=" ? 1 : -1);
    } else if (event.key.startsWith("Arrow")) {
      this.#selection.pick(k);
      const dx = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      const dy = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
      if (kind === "center") this.#moveCentre(k, dx, dy, event.shiftKey);
      else this.#moveWidth(k, kind, dx, dy, event.shiftKey);
    } else return;
    consume(event);
  }

  #moveCentre(k: number, dx: number, dy: number, big: boolean): void {
    const { band, frame } = this.#state.gaussian(k);
    const step = big ? BIG_STEP : SMALL_STEP;
    const { all } = this.#selection;
    if (all.length > 1) {
      this.#gesture.join(`${all}/center`, k);
      this.#state.set(moved(this.#state, members(this.#state, all), dy * step, dx * step));
      return;
    }
    this.#nudge(k, "center", dy ? { band: band + dy * step } : { frame: frame + dx * step });
  }

  #moveWidth(k: number, kind: WidthKind, dx: number, dy: number, big: boolean): void {
    const g = this.#state.gaussian(k);
    const sideways = kind === "sigma_t" ? this.#elements.side(kind, g) * dx : dx;
    const by = (big ? BIG_SIGMA_STEP : SIGMA_STEP) * (dy || sideways);
    this.#nudge(k, kind, widened(kind, g, by));
  }

  /** One small change; those of one handle within 600 ms are one gesture. */
  #nudge(k: number, what: string, change: Partial<Gaussian>): void {
    this.#gesture.join(`${k}/${what}`, k);
    this.#state.edit(change);
  }
}
