/**
 * The handles of the receptive field as elements, with what they tell a screen reader: one circle a Gaussian, two squares for its widths. A
 * unused Gaussian, one of weight 0, has none until it is chosen.
 */

import { closest, element, setAttribute, setHidden, setStyle, setText } from "../../../base/dom";
import { frequency, milliseconds, octaves, signed } from "../../../base/format";
import type { Grid } from "../../../draw/grid";
import { PaintInputs } from "../../../draw/surface";
import { type Column, limitsOf, naturalUnits, type Place } from "../../../math/field";
import { bandToHz } from "../../../math/units";
import type { BenchState } from "../../../state/bench-state";
import { moveTo, setAria, sliderHandle } from "../../../ui/slider-handle";
import type { Selection } from "./selection";

export type HandleKind = "center" | "sigma_f" | "sigma_t";
const HANDLE_KINDS: HandleKind[] = ["center", "sigma_f", "sigma_t"];
/** What each of them changes. */
const COLUMNS_OF: Record<HandleKind, Column[]> = {
  center: ["band", "frame", "weight"],
  sigma_f: ["sigma_bands"],
  sigma_t: ["sigma_frames"],
};

/** Closest that a width handle comes to its centre, in pixels. */
export const CLEARANCE_PX = 17;

/** The largest weight, as trained where there is that. */
export function heaviestOf({ trained, gaussians }: BenchState): number {
  const from = trained.gaussians.length ? trained.gaussians : gaussians;
  let heaviest = 0;
  for (let i = 4; i < from.length; i += 5) heaviest = Math.max(heaviest, Math.abs(from[i]));
  return heaviest;
}

export class HandleElements {
  readonly element = element("div.db-handles");
  /** Where they were placed last. */
  grid: Grid | null = null;
  /** The handle that is pressed, and the side of its centre that it stands on. */
  pulled: { kind: HandleKind; side: number } | null = null;
  readonly #all: (Record<HandleKind, HTMLElement> & { described: PaintInputs })[] = [];
  readonly #described = new PaintInputs();
  /** Lowest and highest centre that a user may set. */
  #hzEnds: number[] = [];
  readonly #state: BenchState;
  readonly #selection: Selection;
  readonly #stage: HTMLElement;
  readonly #helpId: string;

  constructor(state: BenchState, selection: Selection, stage: HTMLElement, helpId: string) {
    this.#state = state;
    this.#selection = selection;
    this.#stage = stage;
    this.#helpId = helpId;
  }

  /** The handle that is, or is around, an element. */
  at(target: EventTarget | null): { k: number; kind: HandleKind; handle: HTMLElement } | null {
    const handle = closest(target, "[data-handle]");
    if (!handle || !this.element.contains(handle)) return null;
    return { k: Number(handle.dataset.gaussian), kind: handle.dataset.handle as HandleKind, handle };
  }

  /** The handle of a Gaussian's centre. */
  centre(k: number): HTMLElement | undefined {
    return this.#all[k]?.center;
  }

  /** Width handles stand above and to the left (longer lag) of their centre, or opposite where there is no room. */
  side(kind: HandleKind, { band, frame }: Place): number {
    if (this.pulled?.kind === kind) return this.pulled.side;
    const { F, T } = this.#state.axes;
    return (kind === "sigma_f" ? band > 0.75 * F : frame < 0.25 * T) ? 1 : -1;
  }

  /** Place every handle. */
  paint(grid: Grid): void {
    this.grid = grid;
    const state = this.#state;
    const G = state.info.kind === "gaussians" ? state.info.n_gaussians : 0;
    while (this.#all.length < G) this.#add(this.#all.length);
    for (const elements of this.#all.slice(G))
      for (const kind of HANDLE_KINDS) setHidden(elements[kind], true);
    const heaviest = heaviestOf(state);
    for (let k = 0; k < G; k++) this.#place(k, grid, heaviest);
  }

  /** Bring what the handles tell a screen reader up to date, for Gaussians that have changed. */
  updateAria(): void {
    const { info, axes } = this.#state;
    if (this.#described.changedSince(info, axes)) {
      this.#all.forEach((elements) => {
        elements.described = new PaintInputs();
      });
      this.#hzEnds = limitsOf("strf.band", info.limits).map((band) => bandToHz(band, axes.cfHz));
    }
    for (let k = 0; k < Math.min(info.n_gaussians, this.#all.length); k++) this.#updateAriaOf(k);
  }

  #updateAriaOf(k: number): void {
    const { info, axes, channel } = this.#state;
    const g = this.#state.gaussian(k);
    const elements = this.#all[k];
    const where = info.channel_names[channel] ? `, ${info.channel_names[channel]}` : "";
    const together = this.#selection.kept && this.#selection.has(k) ? ", selected" : "";
    const pinned = this.#state.pinned(k) ? ", pinned" : "";
    const name = `Gaussian ${k + 1} of ${info.n_gaussians}${where}${together}${pinned}`;
    if (!elements.described.changedSince(name, ...Object.values(g))) return;
    const { hz, lagMs, octaves: width, ms } = naturalUnits(g, axes);
    const set = (kind: HandleKind, label: string, ends: number[], now: number, text: string) =>
      setAria(elements[kind], `${name}: ${label}`, [ends[0], ends[1]], now, text);
    const widths = (column: Column, unit: number) =>
      limitsOf(`strf.${column}`, info.limits).map((end) => end * unit);
    const place = `${frequency(hz)}, ${milliseconds(lagMs)}`;
    set("center", "centre", this.#hzEnds, hz, `${place}, weight ${signed(g.weight)}`);
    set("sigma_f", "width in frequency", widths("sigma_bands", width / g.sigma_bands), width, octaves(width));
    set("sigma_t", "width in time", widths("sigma_frames", axes.dtMs), ms, milliseconds(ms));
  }

  #add(k: number): void {
    const make = (kind: HandleKind) => {
      const handle = sliderHandle(kind === "center" ? "centre" : "width", this.#helpId, {
        "data-gaussian": k,
        "data-handle": kind,
        "aria-orientation": kind === "center" ? null : "vertical",
      });
      this.element.append(handle);
      return handle;
    };
    const [center, sigma_f, sigma_t] = HANDLE_KINDS.map(make);
    this.#all.push({ center, sigma_f, sigma_t, described: new PaintInputs() });
  }

  #place(k: number, grid: Grid, heaviest: number): void {
    const state = this.#state;
    const g = state.gaussian(k);
    const { x, y, outside } = grid.centre(g);
    const elements = this.#all[k];
    const selected = this.#selection.has(k);
    const pinned = state.pinned(k);
    const first = k === state.selected;
    const radius = 6.5 + 4.5 * Math.sqrt(Math.min(Math.abs(g.weight) / (heaviest || 1), 1));
    const sign = g.weight > 0 ? "+" : g.weight < 0 ? "−" : "0";

    setStyle(elements.center, "--radius", `${radius.toFixed(1)}px`);
    setText(elements.center.firstChild as Node, sign);
    moveTo(elements.center, x, y);
    moveTo(
      elements.sigma_f,
      x,
      y + this.side("sigma_f", g) * Math.max(g.sigma_bands * grid.perBand, CLEARANCE_PX),
    );
    moveTo(
      elements.sigma_t,
      x + this.side("sigma_t", g) * Math.max(g.sigma_frames * grid.perFrame, CLEARANCE_PX),
      y,
    );
    for (const kind of HANDLE_KINDS) {
      const handle = elements[kind];
      const flags = {
        "db-selected": selected,
        "db-outside": outside,
        "db-faint": g.weight === 0,
        "db-positive": g.weight > 0,
        "db-negative": g.weight < 0,
        "db-pinned": pinned && kind === "center",
      };
      for (const [name, on] of Object.entries(flags)) handle.classList.toggle(name, on);
      const free = state.unlocked(COLUMNS_OF[kind].map((column) => `strf.${column}`)).length > 0;
      const hidden = kind === "center" ? g.weight === 0 && !selected : !first || outside || !free;
      if (hidden !== handle.hidden) {
        // The focus stays in the stage.
        if (hidden && handle === handle.ownerDocument.activeElement)
          this.#stage.focus({ preventScroll: true });
        setHidden(handle, hidden);
      }
      setAttribute(handle, "aria-disabled", !(state.editable && free) && "true");
    }
  }
}
