/** What is chosen of an adaptation - curve, tool, band - and what the tools do to it as edits of the state. */

import { clamp } from "../../base/clamp";
import type { Cleanup } from "../../base/dom";
import { brushed, type Place, Sweep, smoothed, WIDTHS } from "../../math/brush";
import type { BenchState } from "../../state/bench-state";
import { OwnedGesture } from "../../state/owned-gesture";
import type { Part } from "../../state/parts";
import { type Curve, curvesOf, type Held, isLog, isTau, levelsOf, reachable, valueAt } from "./curves";

export type Tool = "point" | "curve" | "brush" | "smooth";

/** Steps of the keys, small and big: factors on a logarithmic axis, and of w. */
const LOG_STEPS = [Math.log(1.05), Math.log(1.5)];
const W_STEPS = [0.01, 0.1];

export class PrefilterTools {
  curves: Curve[] = [];
  tool: Tool = "point";
  width = WIDTHS[1];
  /** The selected band, and the one under the pointer. */
  band = 0;
  hover: number | null = null;
  /** Key of the chosen time constant, or "both" of them. */
  #tau = "on";
  /** Whether the curve of the lower plot is chosen: w, or the strength of depression. */
  #below = false;
  readonly gesture: OwnedGesture;

  constructor(
    readonly state: BenchState,
    readonly requestPaint: () => void,
    cleanup: Cleanup,
  ) {
    this.gesture = new OwnedGesture(state);
    this.#learn();
    cleanup.add(state.onChange((parts) => this.#onChange(parts)));
    cleanup.add(() => this.gesture.end());
  }

  // ---- what is chosen ---------------------------------------------------------------------------------------

  get editable(): boolean {
    const { state } = this;
    return state.prefilter.length > 0 && state.current && !state.peek;
  }

  /** Whether a curve may be edited. */
  free(curve: Curve): boolean {
    return this.editable && this.state.unlocked([curve.name]).length > 0;
  }

  /** Whether a gesture of this panel is open. */
  get busy(): boolean {
    return this.gesture.open;
  }

  /** The band whose numbers are shown: in a gesture the selected one, else the one under the pointer. */
  get shown(): number {
    return this.busy ? this.band : (this.hover ?? this.band);
  }

  /** Bands that the tool would touch at the pointer. */
  get under(): [first: number, last: number] {
    const { shown, tool, width, state } = this;
    if ((tool !== "brush" && tool !== "smooth") || (this.hover === null && !this.busy)) return [shown, shown];
    const half = (width - 1) / 2;
    return [Math.max(shown - half, 0), Math.min(shown + half, state.axes.F - 1)];
  }

  get active(): string {
    return this.#below ? (this.lower?.key ?? this.#tau) : this.#tau;
  }

  /** The curve of the lower plot. */
  get lower(): Curve | undefined {
    return this.curves.find((curve) => !isTau(curve));
  }

  get activeCurves(): Curve[] {
    const { active } = this;
    return this.curves.filter((c) => c.key === active || (active === "both" && isTau(c)));
  }

  /** The active curves that may be edited. */
  get editableCurves(): Curve[] {
    return this.activeCurves.filter((curve) => this.free(curve));
  }

  choose(active: string): void {
    const there = (key: string) => this.curves.some((c) => c.key === key);
    if (active === "both" ? this.curves.filter(isTau).length < 2 : !there(active)) return;
    this.#below = active === this.lower?.key;
    if (!this.#below) this.#tau = active;
    this.requestPaint();
  }

  /** Choose a curve by its slider or point: of two that move together, both. */
  chooseBy(curve: Curve): void {
    if (this.activeCurves.includes(curve)) return;
    this.choose(isTau(curve) && this.#tau === "both" ? "both" : curve.key);
  }

  /** Choose what is edited on one of the plots: its curve, or the time constants that were chosen last. */
  choosePlot(below: boolean): void {
    this.choose((below && this.lower?.key) || this.#tau);
  }

  take(tool: Tool): void {
    this.tool = tool;
    this.requestPaint();
  }

  setWidth(width: number): void {
    this.width = width;
    this.requestPaint();
  }

  selectBand(band: number): void {
    if (!Number.isFinite(band)) return;
    this.band = clamp(Math.round(band), 0, this.state.axes.F - 1);
    this.requestPaint();
  }

  setHover(band: number | null): void {
    if (band === this.hover) return;
    this.hover = band;
    this.requestPaint();
  }

  /** Value on screen. */
  value(curve: Curve, band: number): number {
    return this.state.prefilter[curve.row * this.state.axes.F + band];
  }

  levels(curve: Curve): Float64Array {
    return levelsOf(curve, this.state.prefilter, this.state.axes.F);
  }

  /** Whether a curve differs from what training left. */
  edited({ row }: Curve): boolean {
    const { prefilter, axes } = this.state;
    const trained = this.state.trained.prefilter;
    for (let i = row * axes.F; i < (row + 1) * axes.F; i++) {
      if (trained[i] !== prefilter[i] && !(Math.abs(prefilter[i] - trained[i]) < 1e-6 * trained[i]))
        return true;
    }
    return false;
  }

  // ---- edits: in a gesture ----------------------------------------------------------------------------------

  setValue(curve: Curve, value: number): void {
    const within = clamp(value, curve.low, curve.high);
    this.state.set([{ name: curve.name, index: [this.band], value: within }]);
  }

  /** Set levels of a curve. */
  put(curve: Curve, places: Place[]): void {
    this.state.set(
      places.map(({ band, level }) => ({ name: curve.name, index: [band], value: valueAt(curve, level) })),
    );
  }

  /** The points that a tool moves up and down from the selected band. */
  pointsMovedBy(tool: Tool): Held[] {
    const { F } = this.state.axes;
    const held: Held[] = [];
    for (const curve of this.editableCurves) {
      const levels = this.levels(curve);
      const hold = (band: number, share: number) => held.push({ curve, band, share, level: levels[band] });
      if (tool === "curve") {
        for (let band = 0; band < F; band++) {
          // A band that does not decay has no time constant that could be longer or shorter.
          if (Number.isFinite(this.value(curve, band))) hold(band, 1);
        }
      } else if (tool === "brush") {
        for (const [band, share] of brushed(this.band, this.width, F)) hold(band, share);
      } else hold(this.band, 1);
    }
    return held;
  }

  /** Move points by levels from where they were grasped. */
  moveBy(held: Held[], by: number): void {
    const reached = reachable(held, by);
    this.state.set(
      held.map(({ curve, band, level, share }) => ({
        name: curve.name,
        index: [band],
        value: valueAt(curve, level + share * reached),
      })),
    );
  }

  /** Smooth the active curves under a brush that lies on a band. */
  smoothAt(band: number): void {
    for (const curve of this.editableCurves) {
      const levels = this.levels(curve);
      const smooth = smoothed(levels);
      const places = brushed(band, this.width, levels.length).map(([at, share]) => ({
        band: at,
        level: levels[at] + share * (smooth[at] - levels[at]),
      }));
      this.put(curve, places);
    }
  }

  // ---- edits: a gesture each --------------------------------------------------------------------------------

  /** Smooth the active curves over all bands. */
  smoothAll(): void {
    this.gesture.end();
    this.gesture.begin();
    for (const curve of this.editableCurves) {
      const levels = [...smoothed(this.levels(curve))];
      this.put(
        curve,
        levels.map((level, band) => ({ band, level })),
      );
    }
    this.gesture.end();
  }

  /** Take the active curves back to what training left: at one band, or everywhere. */
  revert(band: number | null): void {
    this.gesture.end();
    const names = this.editableCurves.map((curve) => curve.name);
    if (names.length > 0) this.state.revertNames(names, band === null ? null : [band]);
  }

  /** A step of the keys up or down: the tool says how much of the curves follows. */
  nudge(way: number, big: boolean): void {
    const held = this.pointsMovedBy(this.tool);
    if (held.length === 0) return;
    this.gesture.join(`${this.active}/${this.tool}/${this.band}`);
    this.moveBy(held, way * (held.every(({ curve }) => isLog(curve)) ? LOG_STEPS : W_STEPS)[big ? 1 : 0]);
  }

  /** The sweep of brush and smoothing at the selected band: its neighbours take its level, or are smoothed. */
  dab(): void {
    const { tool, band, width } = this;
    if ((tool !== "brush" && tool !== "smooth") || this.editableCurves.length === 0) return;
    this.gesture.join(`dab/${this.active}/${tool}`);
    if (tool === "smooth") this.smoothAt(band);
    else {
      for (const curve of this.editableCurves) {
        const levels = this.levels(curve);
        this.put(curve, new Sweep(levels, width).dab({ band, level: levels[band] }));
      }
    }
  }

  // ---- state ------------------------------------------------------------------------------------------------

  #onChange(parts: ReadonlySet<Part>): void {
    if (parts.has("info")) this.#learn();
  }

  #learn(): void {
    const { info, axes } = this.state;
    const before = this.curves.map((c) => c.name).join();
    this.curves = curvesOf(info);
    if (this.curves.map((c) => c.name).join() === before && this.band < axes.F) return;
    this.gesture.end();
    this.band = Math.floor(axes.F / 2);
    this.hover = null;
    this.#tau = this.curves.find(isTau)?.key ?? "on";
    this.#below = false;
  }
}
