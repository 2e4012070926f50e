/**
 * Pointer and keys on the curves of an adaptation become edits.
 *
 * Each curve is a focusable slider of the selected band.
 */

import { holds } from "../../base/box";
import { clamp } from "../../base/clamp";
import { type Cleanup, closest, element, type Point, pointIn, setAttribute, setHidden } from "../../base/dom";
import { type Place, passed, Sweep, WIDTHS } from "../../math/brush";
import { Drag, type DragTarget } from "../../ui/drag";
import { moveTo, setAria, sliderHandle } from "../../ui/slider-handle";
import { type Curve, isTau, levelOf } from "./curves";
import { type Layout, type Plot, plotOf } from "./plot";
import { sliderText } from "./text";
import type { PrefilterTools, Tool } from "./tools";

/** How near to a point one must press to hold it. */
const REACH_PX = 14;
const TOUCH_REACH_PX = 26;
/** A press this far outside of a plot still means it. */
const MARGIN_PX = 5;
const MANY_BANDS = 5;

const TOOL_KEYS: Record<string, Tool> = { d: "point", c: "curve", b: "brush", s: "smooth" };
export const ACTIVE_KEYS: Record<string, string[]> = {
  1: ["on", "recovery"],
  2: ["off"],
  3: ["both"],
  4: ["w", "strength"],
};

/** A sweep of brush or smoothing. */
interface Sweeping {
  tool: Tool;
  plot: Plot;
  sweeps: { curve: Curve; sweep: Sweep }[];
  last: Place;
}

export class PrefilterGestures {
  readonly element = element("div.db-handles");
  #layout: Layout | null = null;
  readonly #sliders = new Map<Curve["key"], HTMLElement>();
  readonly #drag: Drag;

  readonly #tools: PrefilterTools;
  readonly #stage: HTMLElement;
  readonly #helpId: string;

  constructor(tools: PrefilterTools, stage: HTMLElement, helpId: string, cleanup: Cleanup) {
    this.#tools = tools;
    this.#stage = stage;
    this.#helpId = helpId;
    this.#drag = new Drag(stage, tools.gesture, (e) => this.#press(e), cleanup);
    cleanup.listen<PointerEvent>(stage, "pointermove", (e) => this.#onHover(e));
    cleanup.listen<PointerEvent>(stage, "pointerleave", () => {
      if (!this.#drag.held) tools.setHover(null);
    });
    cleanup.listen<MouseEvent>(stage, "dblclick", (e) => this.#onDoubleClick(e));
    cleanup.listen<FocusEvent>(this.element, "focusin", (e) => {
      const curve = this.#curveOf(e.target);
      if (curve) tools.chooseBy(curve);
    });
  }

  get dragging(): boolean {
    return this.#drag.moved;
  }

  /** Leave a running drag and end the gesture; `cancel` puts everything back to where it was. */
  release(cancel: boolean): boolean {
    return this.#drag.release(cancel);
  }

  // ---- sliders ----------------------------------------------------------------------------------------------

  /** Place the sliders. */
  paint(layout: Layout): void {
    this.#layout = layout;
    const tools = this.#tools;
    const sliders = this.#sliders;
    for (const [key, slider] of sliders) setHidden(slider, !tools.curves.some((c) => c.key === key));
    const active = tools.activeCurves;
    for (const curve of tools.curves) {
      const slider = this.#sliderOf(curve);
      const plot = plotOf(layout, curve);
      const [x, y] = [plot.x(tools.band), plot.y(levelOf(curve, tools.value(curve, tools.band)))];
      moveTo(slider, x, y);
      slider.classList.toggle("db-selected", active.includes(curve));
      slider.classList.toggle("db-pinned", this.#pinned(curve));
      setAttribute(slider, "aria-disabled", !tools.free(curve) && "true");
    }
  }

  /** Whether a fit leaves the selected band of a curve alone. */
  #pinned(curve: Curve): boolean {
    return this.#tools.state.pinnedAt([curve.name], [this.#tools.band]);
  }

  /** Bring what every slider tells a screen reader up to date. */
  updateAria(): void {
    const tools = this.#tools;
    const { axes } = tools.state;
    for (const curve of tools.curves) {
      const slider = this.#sliderOf(curve);
      const value = tools.value(curve, tools.band);
      const together = tools.active === "both" && isTau(curve) ? ", moves with the other" : "";
      const name = curve.label && `${curve.label}: `;
      const pinned = this.#pinned(curve) ? ", pinned" : "";
      setAria(
        slider,
        `${name}${curve.what}${together}${pinned}`,
        [curve.low, curve.high],
        Math.min(value, curve.high),
        sliderText(curve, value, axes.cfHz[tools.band], axes.dtMs),
      );
    }
  }

  #sliderOf(curve: Curve): HTMLElement {
    let slider = this.#sliders.get(curve.key);
    if (!slider) {
      slider = sliderHandle(`adapt-handle.db-adapt-${curve.key}`, this.#helpId, { "data-curve": curve.key });
      this.#sliders.set(curve.key, slider);
      const at = this.#tools.curves.indexOf(curve);
      this.element.insertBefore(slider, this.element.children[at] ?? null);
    }
    return slider;
  }

  #curveOf(target: EventTarget | null): Curve | null {
    const slider = closest(target, "[data-curve]");
    return this.#tools.curves.find((c) => c.key === slider?.dataset.curve) ?? null;
  }

  // ---- places -----------------------------------------------------------------------------------------------

  #plotAt(at: Point): Plot | null {
    const layout = this.#layout;
    return [layout?.tau, layout?.lower].find((plot) => plot && holds(plot.box, at, MARGIN_PX)) ?? null;
  }

  #bandAt(plot: Plot, x: number): number {
    return clamp(Math.round(plot.band(x)), 0, plot.F - 1);
  }

  /** The point nearest to a place; where two are equally near, the one of the active curves. */
  #pointAt({ x, y }: Point, reach: number): { curve: Curve; band: number } | null {
    const layout = this.#layout;
    const tools = this.#tools;
    if (!layout) return null;
    const active = tools.activeCurves;
    let found: { curve: Curve; band: number } | null = null;
    let nearest = reach;
    for (const curve of [...active, ...tools.curves.filter((c) => !active.includes(c))]) {
      const plot = plotOf(layout, curve);
      tools.levels(curve).forEach((level, band) => {
        const distance = Math.hypot(plot.x(band) - x, plot.y(level) - y);
        if (distance < nearest) [found, nearest] = [{ curve, band }, distance];
      });
    }
    return found;
  }

  // ---- pointer ----------------------------------------------------------------------------------------------

  #press(event: PointerEvent): DragTarget | null {
    const tools = this.#tools;
    const from = pointIn(this.#stage, event);
    const plot = this.#plotAt(from);
    if (!plot) return null;
    event.preventDefault();
    tools.gesture.end();
    const tool = event.shiftKey ? "curve" : tools.tool;
    const reach = event.pointerType === "touch" ? TOUCH_REACH_PX : REACH_PX;
    const point = tool === "point" ? this.#pointAt(from, reach) : null;
    if (!point) tools.choosePlot(plot === this.#layout?.lower);
    else if (!tools.activeCurves.includes(point.curve)) tools.choose(point.curve.key);
    tools.selectBand(point?.band ?? this.#bandAt(plot, from.x));
    this.#focus(point?.curve ?? tools.activeCurves[0]);
    const curves = tools.editableCurves;
    if (curves.length === 0 || (tool === "point" && !point)) return null;
    const held = tools.pointsMovedBy(tool);
    const last = { band: plot.band(from.x), level: plot.level(from.y) };
    const sweeps = curves.map((curve) => ({ curve, sweep: new Sweep(tools.levels(curve), tools.width) }));
    const sweeping = { tool, plot, sweeps, last };
    const brushing = tool === "brush" || tool === "smooth";
    return {
      element: this.#stage,
      atOnce: brushing,
      begin: () => {
        tools.gesture.begin();
        if (brushing) this.#touch(sweeping, { band: tools.band, level: last.level });
      },
      move: (dx, dy) => {
        const x = from.x + dx;
        tools.hover = this.#bandAt(plot, x);
        if (brushing) this.#sweep(sweeping, { band: plot.band(x), level: plot.level(from.y + dy) });
        else tools.moveBy(held, -dy * plot.perPixel);
      },
    };
  }

  #focus(curve: Curve | undefined): void {
    this.element.dataset.pointer = "true";
    if (curve) this.#sliderOf(curve).focus({ preventScroll: true });
  }

  #onHover(event: PointerEvent): void {
    if (this.#drag.held) return;
    const at = pointIn(this.#stage, event);
    const plot = this.#plotAt(at);
    this.#tools.setHover(plot && this.#bandAt(plot, at.x));
  }

  #sweep(sweeping: Sweeping, to: Place): void {
    const before = this.#tools.band;
    for (const place of passed(sweeping.last, to, sweeping.plot.F)) {
      // Smoothing again and again where the pointer trembles would flatten what it only rests on.
      if (sweeping.tool === "brush" || place.band !== before) this.#touch(sweeping, place);
    }
    sweeping.last = to;
  }

  /** One step of a sweep. */
  #touch({ tool, sweeps }: Sweeping, place: Place): void {
    const tools = this.#tools;
    if (tool === "smooth") tools.smoothAt(place.band);
    else for (const { curve, sweep } of sweeps) tools.put(curve, sweep.dab(place));
    tools.selectBand(place.band);
  }

  #onDoubleClick(event: MouseEvent): void {
    const tools = this.#tools;
    if (tools.tool !== "point") return;
    const at = pointIn(this.#stage, event);
    const point = this.#plotAt(at) && this.#pointAt(at, REACH_PX);
    if (!point) return;
    event.preventDefault();
    if (!tools.activeCurves.includes(point.curve)) tools.choose(point.curve.key);
    tools.revert(point.band);
  }

  // ---- keys -------------------------------------------------------------------------------------------------

  /** A key pressed anywhere in the panel but in its fields. Whether it meant something. */
  key(event: KeyboardEvent): boolean {
    const tools = this.#tools;
    if (event.key === "Tab" || event.key.startsWith("Arrow")) delete this.element.dataset.pointer;
    if (event.key === "Escape") return this.release(true);
    if (event.ctrlKey || event.altKey || event.metaKey || this.#drag.held) return false;
    const name = event.key.toLowerCase();
    if (name === "[" || name === "]") {
      const at = WIDTHS.indexOf(tools.width) + (name === "]" ? 1 : -1);
      tools.setWidth(WIDTHS[clamp(at, 0, WIDTHS.length - 1)]);
    } else if (TOOL_KEYS[name]) tools.take(TOOL_KEYS[name]);
    else if (ACTIVE_KEYS[name]) this.#chooseByKey(ACTIVE_KEYS[name]);
    else {
      const curve = this.#curveOf(event.target);
      if (!curve) return false;
      tools.chooseBy(curve);
      return this.#sliderKey(event);
    }
    return true;
  }

  #chooseByKey(actives: string[]): void {
    const tools = this.#tools;
    const focused = this.element.contains(this.element.ownerDocument.activeElement);
    for (const active of actives) tools.choose(active);
    const [first] = tools.activeCurves;
    if (focused && first) this.#sliderOf(first).focus({ preventScroll: true });
  }

  #sliderKey({ key, shiftKey }: KeyboardEvent): boolean {
    const tools = this.#tools;
    const step = shiftKey ? MANY_BANDS : 1;
    if (key === "ArrowLeft") tools.selectBand(tools.band - step);
    else if (key === "ArrowRight") tools.selectBand(tools.band + step);
    else if (key === "Home") tools.selectBand(0);
    else if (key === "End") tools.selectBand(tools.state.axes.F - 1);
    else if (key === "ArrowUp" || key === "ArrowDown") tools.nudge(key === "ArrowUp" ? 1 : -1, shiftKey);
    else if (key === "Delete" || key === "Backspace") tools.revert(tools.band);
    else if (key === "Enter" && !shiftKey) tools.dab();
    else return false;
    return true;
  }
}
