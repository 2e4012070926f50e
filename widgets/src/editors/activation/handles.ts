/**
 * The handles of an output curve: bars for its levels, a circle for its threshold or knee, a square on its tangent.
 *
 * Every handle is a focusable slider that moves one feature of the curve (math/curves.ts).
 */

import { holds, nearestIn } from "../../base/box";
import {
  type Cleanup,
  closest,
  consume,
  element,
  type Point,
  setAttribute,
  setHidden,
  setText,
} from "../../base/dom";
import {
  type Curve,
  type CurveFeature,
  type CurveFeatures,
  featuresOf,
  heightAtThreshold,
  isEditable,
  moveFeature,
  type Parameters,
  parametersBehind,
  toFeatures,
} from "../../math/curves";
import type { BenchState } from "../../state/bench-state";
import { OwnedGesture } from "../../state/owned-gesture";
import { Drag, type DragTarget } from "../../ui/drag";
import { moveTo, setAria, sliderHandle } from "../../ui/slider-handle";
import { endsOfSlider, limitsIn, longName, nameOf, parametersOf, stepped, valueText } from "./features";
import type { Plot } from "./plot";

/** Steps with Shift. */
const BIG = 5;
/** Below this relative difference a value in single precision is the trained one. */
const SAME = 1e-5;

/** What a gesture began with, and the value that it has come to. */
interface Held {
  feature: CurveFeature;
  start: Parameters;
  value: number;
}

export class CurveHandles {
  readonly element = element("div.db-handles");
  readonly #elements = new Map<CurveFeature, HTMLElement>();
  #plot: Plot | null = null;
  #held: Held | null = null;
  readonly #gesture: OwnedGesture;
  readonly #drag: Drag;
  readonly #positions = new HandlePositions();

  readonly #state: BenchState;
  readonly #helpId: string;

  constructor(state: BenchState, cleanup: Cleanup, helpId: string) {
    this.#state = state;
    this.#helpId = helpId;
    const { element: root } = this;
    this.#gesture = new OwnedGesture(state);
    this.#drag = new Drag(root, this.#gesture, (e) => this.#press(e), cleanup);
    cleanup.listen<MouseEvent>(root, "dblclick", (e) => this.#onDoubleClick(e));
    cleanup.listen<KeyboardEvent>(root, "keydown", (e) => this.#onKey(e));
  }

  /** The curve on screen, when it is one that can be edited. */
  get kind(): Curve | null {
    const { kind, names } = this.#state.info.activation;
    return isEditable(kind) && names.length > 0 ? kind : null;
  }

  get parameters(): Parameters {
    return parametersOf(this.#state, this.#state.activation);
  }

  /** The feature that pointer or keys are moving right now. */
  get moving(): CurveFeature | null {
    return this.#gesture.open ? (this.#held?.feature ?? null) : null;
  }

  /** Whether a feature can be moved now. */
  #movable(feature: CurveFeature): boolean {
    const kind = this.kind;
    const state = this.#state;
    if (!kind || !state.current || state.peek || !this.#exists(kind, feature)) return false;
    const names = parametersBehind(kind, feature).map(longName);
    return state.unlocked(names).length === names.length;
  }

  /** Whether the module has all that a feature concerns: one without a bias has no baseline to move. */
  #exists(kind: Curve, feature: CurveFeature): boolean {
    return parametersBehind(kind, feature).every((name) => this.#state.info.activation.names.includes(name));
  }

  /** Whether a fit leaves all that a feature concerns alone. */
  #pinned(feature: CurveFeature): boolean {
    const kind = this.kind;
    return (
      !!kind && this.#state.pinnedAt(parametersBehind(kind, feature).map(longName), [this.#state.neuron])
    );
  }

  /** Position every handle. */
  paint(plot: Plot): void {
    this.#plot = plot;
    const { kind } = this;
    const features = kind ? featuresOf(kind).filter((feature) => this.#exists(kind, feature)) : [];
    for (const feature of features) if (!this.#elements.has(feature)) this.#add(feature);
    const now = kind ? toFeatures(kind, this.parameters) : {};
    if (kind && !this.#state.inGesture) this.#positions.choose(kind, now, plot);
    for (const [feature, handle] of this.#elements) {
      const at = kind && features.includes(feature) ? this.#positions.of(kind, feature, now, plot) : null;
      setHidden(handle, at === null);
      if (!at) continue;
      moveTo(handle, at.x, at.y);
      handle.classList.toggle("db-outside", at.outside);
      handle.classList.toggle("db-pinned", this.#pinned(feature));
      setAttribute(handle, "data-label", this.#positions.labelOf(feature, at, plot));
      setAttribute(handle, "aria-disabled", !this.#movable(feature) && "true");
    }
  }

  /** Where the handle of a feature is, in pixels of the stage; null where there is none. */
  at(feature: CurveFeature): Point | null {
    const kind = this.kind;
    const plot = this.#plot;
    return kind && plot ? this.#positions.of(kind, feature, toFeatures(kind, this.parameters), plot) : null;
  }

  /** Bring what every handle tells a screen reader up to date. */
  updateAria(): void {
    const kind = this.kind;
    const plot = this.#plot;
    if (!kind || !plot) return;
    const { parameters } = this;
    const { rate_unit } = this.#state.info;
    const features = toFeatures(kind, parameters);
    for (const feature of featuresOf(kind)) {
      const handle = this.#elements.get(feature);
      if (!handle) continue;
      const value = features[feature] ?? 0;
      const [low, high] = endsOfSlider(feature, plot);
      const name = nameOf(feature, features);
      const pinned = this.#pinned(feature) ? ", pinned" : "";
      const ends = [Math.min(low, value), Math.max(high, value)] as const;
      setAria(
        handle,
        `Output curve: ${name}${pinned}`,
        ends,
        value,
        valueText(kind, feature, parameters, rate_unit),
      );
      setText(handle.lastChild as Node, name);
    }
  }

  /** "threshold 0.42 a.u.", in one line or two. */
  summary(feature: CurveFeature): string {
    const { kind, parameters } = this;
    if (!kind) return "";
    const value = valueText(kind, feature, parameters, this.#state.info.rate_unit);
    return `${nameOf(feature, toFeatures(kind, parameters))} ${value.replace(", ", "\n")}`;
  }

  /** Leave a running drag; `cancel` puts the curve back to where it was. */
  release(cancel: boolean): boolean {
    return this.#drag.release(cancel);
  }

  // ---- places -----------------------------------------------------------------------------------------------

  #add(feature: CurveFeature): void {
    const kind =
      feature === "baseline" || feature === "ceiling" ? "level" : feature === "slope" ? "width" : "centre";
    const handle = sliderHandle(kind, this.#helpId, {
      "data-handle": feature,
      "aria-orientation": feature === "threshold" ? "horizontal" : "vertical",
    });
    handle.append(element("span.db-handle-name", { "aria-hidden": "true" }));
    this.#elements.set(feature, handle);
    this.element.append(handle);
  }

  // ---- gestures ---------------------------------------------------------------------------------------------

  /** Begin a gesture of a feature. */
  #begin(feature: CurveFeature): void {
    this.#gesture.begin();
    this.#hold(feature);
  }

  #hold(feature: CurveFeature): void {
    const { kind, parameters } = this;
    this.#held = {
      feature,
      start: parameters,
      value: kind ? (toFeatures(kind, parameters)[feature] ?? 0) : 0,
    };
  }

  /** Give the dragged feature a new value, from the parameters at the beginning of the gesture. */
  #move(to: number): void {
    const kind = this.kind;
    const state = this.#state;
    const held = this.#held;
    if (!kind || !held || !Number.isFinite(to)) return;
    const limitsOf = (name: string) => limitsIn(state, name);
    const next = moveFeature(kind, held.start, held.feature, to, limitsOf);
    held.value = toFeatures(kind, { ...held.start, ...next })[held.feature] ?? 0;
    state.set(
      Object.entries(next).map(([name, value]) => ({ name: longName(name), index: [state.neuron], value })),
    );
  }

  /** Back to its trained value, the others as they are. */
  #revert(feature: CurveFeature): void {
    const { kind, parameters } = this;
    const state = this.#state;
    if (!kind || !this.#movable(feature)) return;
    this.release(false);
    const trained = parametersOf(state, state.trained.activation);
    const to = toFeatures(kind, trained)[feature] ?? 0;
    const next = moveFeature(kind, parameters, feature, to, (name) => limitsIn(state, name));
    const near = (name: string, other: Parameters) =>
      Math.abs(next[name] - other[name]) <= SAME * Math.max(Math.abs(other[name]), SAME);
    const changed = Object.keys(next).filter((name) => !near(name, parameters));
    if (changed.length === 0) return;
    // Where that is the trained parameters themselves, they come back to the last bit.
    if (changed.every((name) => near(name, trained))) {
      state.revertNames(changed.map(longName), [state.neuron]);
      return;
    }
    this.#begin(feature);
    this.#move(to);
    this.#gesture.end();
  }

  // ---- pointer ----------------------------------------------------------------------------------------------

  #handleOf(target: EventTarget | null): { feature: CurveFeature; handle: HTMLElement } | null {
    const handle = closest(target, "[data-handle]");
    return handle && this.element.contains(handle)
      ? { feature: handle.dataset.handle as CurveFeature, handle }
      : null;
  }

  #press(event: PointerEvent): DragTarget | null {
    const on = this.#handleOf(event.target);
    const anchor = on ? this.at(on.feature) : null;
    if (!on || !anchor) return null;
    const { feature, handle } = on;
    event.preventDefault();
    this.#gesture.end();
    this.element.dataset.pointer = "true";
    handle.focus({ preventScroll: true });
    if (!this.#movable(feature)) return null;
    return {
      element: handle,
      begin: () => this.#begin(feature),
      move: (dx, dy) => this.#pull(feature, anchor.x + dx, anchor.y + dy),
    };
  }

  /** Drag the handle of a feature to a place. */
  #pull(feature: CurveFeature, x: number, y: number): void {
    const kind = this.kind;
    const plot = this.#plot;
    const held = this.#held;
    if (!plot || !kind || !held) return;
    if (feature === "threshold") this.#move(plot.driveAt(x));
    else if (feature === "slope") {
      this.#move(this.#positions.slopeTo(kind, toFeatures(kind, held.start), plot, { x, y }));
    } else this.#move(plot.rateAt(y));
  }

  #onDoubleClick(event: MouseEvent): void {
    const on = this.#handleOf(event.target);
    if (!on) return;
    event.preventDefault();
    this.#revert(on.feature);
  }

  // ---- keys -------------------------------------------------------------------------------------------------

  #onKey(event: KeyboardEvent): void {
    const on = this.#handleOf(event.target);
    if (!on) return;
    const { key } = event;
    if (key === "Tab" || key.startsWith("Arrow")) delete this.element.dataset.pointer;
    if (key === "Escape") {
      if (this.release(true)) consume(event);
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey || this.#drag.held || !this.#movable(on.feature))
      return;
    if (key === "Delete" || key === "Backspace") this.#revert(on.feature);
    else if (key === "ArrowUp" || key === "ArrowRight") this.#nudge(on.feature, event.shiftKey ? BIG : 1);
    else if (key === "ArrowDown" || key === "ArrowLeft") this.#nudge(on.feature, event.shiftKey ? -BIG : -1);
    else return;
    consume(event);
  }

  /** Some small steps; those of one handle within 600 ms are one gesture. */
  #nudge(feature: CurveFeature, steps: number): void {
    const kind = this.kind;
    const plot = this.#plot;
    if (!plot || !kind) return;
    if (this.#gesture.join(feature)) this.#hold(feature);
    const held = this.#held as Held;
    this.#move(stepped(feature, { ...toFeatures(kind, held.start), [feature]: held.value }, steps, plot));
  }
}

/** From the threshold to the square on the tangent. */
const ARM_PX = 54;
/** From the edge of the plot to the bars of the levels. */
const INSET_PX = 14;
/** Room for a name beside its handle. */
const LABEL_PX = 78;

/** A place, moved to the edge of the plot if it lies outside. */
export interface Position extends Point {
  outside: boolean;
}

export class HandlePositions {
  /** Which side the square on the tangent and the baseline's bar stand on: 1 right, -1 left. */
  arm = 1;
  foot = -1;

  /** The baseline's bar stands where the curve comes near it, the square where there is room for it. */
  choose(kind: Curve, features: CurveFeatures, plot: Plot): void {
    const { baseline = 0, ceiling = 0, slope = 0 } = features;
    this.foot = slope * (ceiling - baseline) < 0 ? 1 : -1;
    const room = (side: number) => holds(plot.box, armEnd(kind, features, plot, side));
    this.arm = room(1) || !room(-1) ? 1 : -1;
  }

  /** Null where a handle has no place: a tangent needs its threshold in the plot. */
  of(kind: Curve, feature: CurveFeature, features: CurveFeatures, plot: Plot): Position | null {
    const value = features[feature] ?? 0;
    if (feature === "knee") return inside(plot, plot.x(0), plot.y(value));
    if (feature === "threshold") {
      const hub = hubOf(kind, features, plot);
      return inside(plot, hub.x, hub.y);
    }
    if (feature === "slope") {
      const hub = hubOf(kind, features, plot);
      return holds(plot.box, hub) ? { ...armEnd(kind, features, plot, this.arm), outside: false } : null;
    }
    const { x, width } = plot.box;
    const side = feature === "ceiling" ? -this.foot : this.foot;
    return inside(plot, side < 0 ? x + INSET_PX : x + width - INSET_PX, plot.y(value));
  }

  /** Side of a handle on which its name stands: off the curve, and within the plot. */
  labelOf(feature: CurveFeature, { x }: Point, { box }: Plot): "left" | "right" {
    const wanted =
      feature === "baseline" || feature === "threshold" || feature === "knee" ? -this.foot : this.foot;
    if (wanted > 0) return x + LABEL_PX < box.x + box.width ? "right" : "left";
    return x - LABEL_PX > box.x ? "left" : "right";
  }

  /** Slope of the line from the threshold to where the square was drawn to; never over the vertical. */
  slopeTo(kind: Curve, features: CurveFeatures, plot: Plot, square: Point): number {
    const hub = hubOf(kind, features, plot);
    const aside = Math.max(this.arm * (square.x - hub.x), LEAST_PX);
    return (this.arm * (hub.y - square.y) * plot.perDrive) / (aside * plot.perRate);
  }
}

/** Least way to the side of the threshold that the square is taken for. */
const LEAST_PX = 0.5;

function hubOf(kind: Curve, features: CurveFeatures, plot: Plot): Point {
  return { x: plot.x(features.threshold ?? 0), y: plot.y(heightAtThreshold(kind, features)) };
}

function armEnd(kind: Curve, features: CurveFeatures, plot: Plot, side: number): Point {
  const hub = hubOf(kind, features, plot);
  const steep = ((features.slope ?? 0) * plot.perRate) / plot.perDrive;
  const x = (side * ARM_PX) / Math.hypot(1, steep);
  return { x: hub.x + x, y: hub.y - steep * x };
}

function inside({ box }: Plot, x: number, y: number): Position {
  const at = { x, y };
  return { ...nearestIn(box, at), outside: !holds(box, at) };
}
