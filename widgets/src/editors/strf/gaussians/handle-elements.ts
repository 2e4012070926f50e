/**
 * The handles of the receptive field as they are seen and heard: one circle a Gaussian, two squares for its widths. A
 * unused Gaussian, one of weight 0, has none until it is chosen.
 */

import { closest, element, setAttribute, setStyle, setText } from "../../../base/dom";
import { frequency, milliseconds, octaves, signed } from "../../../base/format";
import type { Grid } from "../../../draw/grid";
import { type Column, limitsOf, type OnGrid, onGrid } from "../../../math/field";
import type { BenchState } from "../../../state/bench-state";
import { moveTo, setAria, sliderHandle } from "../../../ui/slider-handle";
import type { Selection } from "./selection";

export type HandleKind = "center" | "sigma_f" | "sigma_t";
const HANDLE_KINDS: HandleKind[] = ["center", "sigma_f", "sigma_t"];
/** What each of them changes. */
const COLUMNS_OF: Record<HandleKind, Column[]> = {
  center: ["center_hz", "center_ms", "weight"],
  sigma_f: ["sigma_oct"],
  sigma_t: ["sigma_ms"],
};

/** Closest that a width handle comes to its centre, in pixels. */
export const CLEARANCE_PX = 17;

/** The largest weight, as trained where there is that. */
export function heaviestOf({ trainedGaussians, gaussians }: BenchState): number {
  const from = trainedGaussians.length ? trainedGaussians : gaussians;
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
  readonly #all: Record<HandleKind, HTMLElement>[] = [];
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
  side(kind: HandleKind, { band, frame }: OnGrid): number {
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
    for (const elements of this.#all.slice(G)) for (const kind of HANDLE_KINDS) elements[kind].hidden = true;
    const heaviest = heaviestOf(state);
    for (let k = 0; k < G; k++) this.#place(k, grid, heaviest);
  }

  /** Set what every handle says to who cannot see it. */
  updateAria(): void {
    this.#all.forEach((_, k) => {
      if (k < this.#state.info.n_gaussians) this.#updateAriaOf(k);
    });
  }

  #updateAriaOf(k: number): void {
    const state = this.#state;
    const g = state.gaussian(k);
    const elements = this.#all[k];
    const channel = state.info.channel_names[state.channel] ?? "";
    const together = this.#selection.kept && this.#selection.has(k) ? ", selected" : "";
    const name = `Gaussian ${k + 1} of ${state.info.n_gaussians}${channel ? `, ${channel}` : ""}${together}`;
    const set = (
      kind: HandleKind,
      label: string,
      column: "center_hz" | "sigma_oct" | "sigma_ms",
      text: string,
    ) => {
      const [low, high] = limitsOf(column, g, state.info, state.axes);
      setAria(elements[kind], `${name}: ${label}`, [low, high], g[column], text);
    };
    const place = `${frequency(g.center_hz)}, ${milliseconds(g.center_ms)}`;
    set("center", "centre", "center_hz", `${place}, weight ${signed(g.weight)}`);
    set("sigma_f", "width in frequency", "sigma_oct", octaves(g.sigma_oct));
    set("sigma_t", "width in time", "sigma_ms", milliseconds(g.sigma_ms));
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
    this.#all.push({ center: make("center"), sigma_f: make("sigma_f"), sigma_t: make("sigma_t") });
  }

  #place(k: number, grid: Grid, heaviest: number): void {
    const state = this.#state;
    const g = state.gaussian(k);
    const p = onGrid(g, state.axes);
    const { x, y, outside } = grid.centre(p);
    const elements = this.#all[k];
    const selected = this.#selection.has(k);
    const first = k === state.selected;
    const radius = 6.5 + 4.5 * Math.sqrt(Math.min(Math.abs(g.weight) / (heaviest || 1), 1));
    const sign = g.weight > 0 ? "+" : g.weight < 0 ? "−" : "0";

    setStyle(elements.center, "--radius", `${radius.toFixed(1)}px`);
    setText(elements.center.firstChild as Node, sign);
    moveTo(elements.center, x, y);
    moveTo(
      elements.sigma_f,
      x,
      y + this.side("sigma_f", p) * Math.max(p.sigmaBands * grid.perBand, CLEARANCE_PX),
    );
    moveTo(
      elements.sigma_t,
      x + this.side("sigma_t", p) * Math.max(p.sigmaFrames * grid.perFrame, CLEARANCE_PX),
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
      };
      for (const [name, on] of Object.entries(flags)) handle.classList.toggle(name, on);
      const free = state.unlocked(COLUMNS_OF[kind].map((column) => `strf.${column}`)).length > 0;
      const hidden = kind === "center" ? g.weight === 0 && !selected : !first || outside || !free;
      if (hidden !== handle.hidden) {
        // The focus stays in the stage.
        if (hidden && handle === handle.ownerDocument.activeElement)
          this.#stage.focus({ preventScroll: true });
        handle.hidden = hidden;
      }
      setAttribute(handle, "aria-disabled", !(state.editable && free) && "true");
    }
  }
}
