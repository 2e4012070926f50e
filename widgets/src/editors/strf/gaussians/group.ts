/** What is done to all chosen Gaussians at once, each time one gesture: they keep their shape, and what stops one stops all. */

import { clamp } from "../../../base/clamp";
import { COLUMNS } from "../../../kernel/contract";
import type { Slot } from "../../../kernel/request-queue";
import { type Column, changed, type Gaussian, limitsOf, type Place } from "../../../math/field";
import { unitMass } from "../../../math/gaussians";
import { octavesPerBand } from "../../../math/units";
import type { BenchState } from "../../../state/bench-state";
import { OwnedGesture } from "../../../state/owned-gesture";
import type { Selection } from "./selection";

export type Act = "add" | "duplicate" | "remove" | "revert";
export interface Member {
  k: number;
  g: Gaussian;
}

/** Widths of a new Gaussian. */
const NEW_OCTAVES = 0.4;
const NEW_MS = 15;
/** Share of the colour range that the peak of a new Gaussian takes. */
const NEW_PEAK = 0.5;
/** Where a new one is put when no place is given, as shares of the grid: the first that lies free by so much of it. */
const PLACES = [
  [0.5, 0.5],
  [0.5, 0.25],
  [0.5, 0.75],
  [0.25, 0.5],
  [0.75, 0.5],
];
const FREE = 0.1;
/** Relative error of values that came as float32, and more. */
const ROUNDING = 1e-5;

/** Gaussians of the channel on screen that weigh something, or with `unused` nothing. */
export function inUse(state: BenchState, unused = false): number[] {
  const G = state.info.kind === "gaussians" ? state.info.n_gaussians : 0;
  return Array.from({ length: G }, (_, k) => k).filter((k) => (state.gaussian(k).weight === 0) === unused);
}

export const members = (state: BenchState, ks: readonly number[]): Member[] =>
  ks.map((k) => ({ k, g: state.gaussian(k) }));

/** Slots that bring columns of a Gaussian to new values, within the limits. */
function slotsOf(state: BenchState, k: number, change: Partial<Gaussian>, from = state.gaussian(k)): Slot[] {
  const after = changed(from, change, state.info.limits);
  return COLUMNS.filter((column) => change[column] !== undefined).map((column) => ({
    name: `strf.${column}`,
    index: [state.neuron, state.channel, k],
    value: after[column],
  }));
}

/** As much of a step as lies in a range; null where the range lies the other way or is none. */
function within(step: number, low: number, high: number): number | null {
  const taken = clamp(step, low, high);
  return low <= high && (taken === 0 || taken * step > 0) ? taken : null;
}

/** As much of a step as all may go. */
function room(state: BenchState, of: Member[], column: keyof Place, step: number): number | null {
  const [low, high] = limitsOf(`strf.${column}`, state.info.limits);
  const at = of.map(({ g }) => g[column]);
  return within(step, low - Math.min(...at), high - Math.max(...at));
}

const shifted = ({ band, frame }: Gaussian, bands: number | null, frames: number | null) => ({
  ...(bands !== null && { band: band + bands }),
  ...(frames !== null && { frame: frame + frames }),
});

/** Slots that move all from where they were by as many bands and frames; a way that is barred to one is left out. */
export function moved(state: BenchState, of: Member[], bands: number, frames: number): Slot[] {
  const steps = [room(state, of, "band", bands), room(state, of, "frame", frames)] as const;
  return of.flatMap(({ k, g }) => slotsOf(state, k, shifted(g, ...steps), g));
}

/** Slots that multiply all weights by one factor, given as its logarithm. */
export function scaled(state: BenchState, of: Member[], log: number): Slot[] {
  const [low, high] = limitsOf("strf.weight", state.info.limits);
  const most = of.map(({ g }) => {
    return Math.log(Math.abs((g.weight < 0 ? low : high) / g.weight));
  });
  const factor = Math.exp(within(log, -Infinity, Math.min(...most)) ?? 0);
  return of.flatMap(({ k, g }) => slotsOf(state, k, { weight: g.weight * factor }));
}

export class Group {
  readonly #state: BenchState;
  readonly #selection: Selection;
  readonly #reach: () => number;
  readonly #gesture: OwnedGesture;

  /** `reach` is the largest value that the colours show. */
  constructor(state: BenchState, selection: Selection, reach: () => number) {
    this.#state = state;
    this.#selection = selection;
    this.#reach = reach;
    this.#gesture = new OwnedGesture(state);
  }

  /** Why something cannot be done now; empty where it can. */
  whyNot(act: Act): string {
    const state = this.#state;
    const n = this.#selection.all.length;
    if (!state.editable) return "Nothing can be changed at the moment";
    if (act !== "revert" && state.info.locked.includes("strf.weight")) return "Weights are locked here";
    if (act !== "add" && n === 0) return "Select a Gaussian first";
    if (act === "remove" || act === "revert") return "";
    const unused = inUse(state, true).length;
    if (unused === 0)
      return `All ${state.info.n_gaussians} Gaussians of this channel are in use: remove one first`;
    return act === "duplicate" && unused < n ? `${n} are selected, but only ${unused} can be added` : "";
  }

  /** Do it where it can be done; what is new is chosen. */
  act(act: Act, at?: Place): void {
    if (!this.whyNot(act)) this[act](at);
  }

  private add(at = this.#freePlace()): void {
    const state = this.#state;
    const { axes, info } = state;
    const [k] = inUse(state, true);
    const sigma_bands = NEW_OCTAVES / octavesPerBand(at.band, axes.cfHz);
    const wanted = { ...at, sigma_bands, sigma_frames: NEW_MS / axes.dtMs };
    const free = Object.entries(wanted).filter(([column]) => !info.locked.includes(`strf.${column}`));
    const next = changed(state.gaussian(k), Object.fromEntries(free), info.limits);
    const peak =
      Math.max(...unitMass(next.band, next.sigma_bands, axes.F)) *
      Math.max(...unitMass(next.frame, next.sigma_frames, axes.T));
    this.#set(slotsOf(state, k, { ...next, weight: (NEW_PEAK * this.#reach()) / peak }));
    this.#selection.set([k]);
  }

  /** Copies lie half a width higher and earlier, or where there is no room lower and later. */
  private duplicate(): void {
    const state = this.#state;
    const of = members(state, this.#selection.all);
    const to = inUse(state, true).slice(0, of.length);
    const { sigma_bands, sigma_frames } = (of.at(-1) as Member).g;
    const aside = (column: keyof Place, step: number) =>
      room(state, of, column, step) || room(state, of, column, -step);
    const steps = [aside("band", sigma_bands / 2), aside("frame", -sigma_frames / 2)] as const;
    const copies = of.map(({ g }) => changed(g, shifted(g, ...steps), state.info.limits));
    this.#set(copies.flatMap((g, i) => slotsOf(state, to[i], g)));
    this.#selection.set(to);
  }

  private remove(): void {
    const state = this.#state;
    this.#set(this.#selection.all.flatMap((k) => slotsOf(state, k, { weight: 0 })));
    this.#selection.set([]);
  }

  private revert(): void {
    const state = this.#state;
    const { all } = this.#selection;
    const of = all.map((k) => ({ k, g: state.gaussian(k, state.trained.gaussians) }));
    // The kernel refuses values beyond the limits, but goes back to them where training left them there.
    const allowed = of.every(({ g }) => {
      const inside = changed(g, g, state.info.limits);
      return COLUMNS.every((c: Column) => Math.abs(inside[c] - g[c]) <= ROUNDING * (1 + Math.abs(g[c])));
    });
    if (all.length > 1 && allowed) this.#set(of.flatMap(({ k, g }) => slotsOf(state, k, g)));
    else for (const k of all) state.revert(k);
  }

  #set(slots: Slot[]): void {
    this.#gesture.begin();
    this.#state.set(slots);
    this.#gesture.end();
  }

  #freePlace(): Place {
    const state = this.#state;
    const { F, T } = state.axes;
    const taken = inUse(state).map((k) => state.gaussian(k));
    const places = PLACES.map(([up, along]) => ({ band: up * (F - 1), frame: along * (T - 1) }));
    const free = ({ band, frame }: Place) =>
      taken.every((p) => Math.hypot((p.band - band) / F, (p.frame - frame) / T) > FREE);
    return places.find(free) ?? places[0];
  }
}
