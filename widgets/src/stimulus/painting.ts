/** A spectrogram under a brush: soft dabs, lines, bursts of noise, and every stroke's way back. No elements here. */

import { clamp } from "../base/clamp";

/** A place on the grid; between two cells where it is not whole. */
export interface Cell {
  frame: number;
  band: number;
}
/** Frames from the first to before the second. */
export type Frames = [from: number, to: number];

/** Frames over which a dab is louder than half of its level. */
export const DAB_FRAMES = 4;
/** A dab ends where it is this share of its level. */
const LEAST = 0.01;
/** How much softer than its level noise is at the most, as a share. */
export const NOISE_DEPTH = 0.25;
const MOST_STEPS = 50;
/** Numbers that all steps together may hold. */
const MOST_KEPT = 8e6;

/**
 * Share of its level that a dab has so many frames and bands from its middle: half of it at half of its width. The band
 * in whose half the middle lies has all of it.
 */
export const dabShare = (frames: number, bands: number, width: number): number =>
  2 **
  -(
    (2 * frames) ** 2 / DAB_FRAMES ** 2 +
    ((2 * Math.max(Math.abs(bands) - 0.5, 0)) / Math.max(width - 1, 1e-9)) ** 2
  );

/** HandlePositions along a straight line: every frame between its ends, and steps of a band at the most. */
export function along(a: Cell, b: Cell): Cell[] {
  const [from, to] = [Math.round(a.frame), Math.round(b.frame)];
  const steps = Math.max(Math.abs(to - from), Math.ceil(Math.abs(b.band - a.band)), 1);
  return Array.from({ length: steps + 1 }, (_, i) => ({
    frame: Math.round(from + ((to - from) * i) / steps),
    band: a.band + ((b.band - a.band) * i) / steps,
  }));
}

/** A number in [0, 1) that belongs to a cell. */
function chance(cell: number): number {
  let a = Math.imul(cell + 1, 0x9e3779b1);
  a = Math.imul(a ^ (a >>> 15), 0x85ebca6b);
  return ((a ^ (a >>> 13)) >>> 0) / 2 ** 32;
}

interface Stroke {
  /** What was there before it, and how much of its level each cell has got. */
  base: Float32Array;
  shares: Float32Array;
  /** Null erases. */
  level: number | null;
  touched: Frames;
}

const NONE: Frames = [Infinity, -Infinity];
const both = (a: Frames, b: Frames): Frames => [Math.min(a[0], b[0]), Math.max(a[1], b[1])];

export class Painting {
  #undo: Float32Array[] = [];
  #redo: Float32Array[] = [];
  #stroke: Stroke | null = null;
  #touched = NONE;

  /** `values` are (F, n); `low` is silence. */
  constructor(
    readonly F: number,
    readonly low: number,
    public values: Float32Array,
  ) {}

  get n(): number {
    return this.values.length / this.F;
  }
  get canUndo(): boolean {
    return this.#undo.length > 0;
  }
  get canRedo(): boolean {
    return this.#redo.length > 0;
  }
  /** Whether a stroke runs. */
  get open(): boolean {
    return this.#stroke !== null;
  }

  level(frame: number, band: number): number {
    return this.values[band * this.n + frame];
  }

  /** The frames that the stroke has changed since the last call. */
  taken(): Frames {
    const touched = this.#touched;
    this.#touched = NONE;
    return touched;
  }

  begin(level: number | null): void {
    const base = this.values;
    this.values = base.slice();
    this.#stroke = { base, shares: new Float32Array(base.length), level, touched: NONE };
  }

  /** The stroke goes on as if it had not touched anything: a line or a patch gets another end. */
  restart(): void {
    const stroke = this.#stroke;
    if (!stroke) return;
    this.values.set(stroke.base);
    stroke.shares.fill(0);
    this.#touched = both(this.#touched, stroke.touched);
    stroke.touched = NONE;
  }

  dab({ frame, band }: Cell, width: number): void {
    const reach = Math.sqrt(-Math.log2(LEAST)) / 2;
    const { F, n } = this;
    const [top, last] = [0.5 + reach * (width - 1), reach * DAB_FRAMES];
    const [from, to] = [Math.ceil(Math.max(frame - last, 0)), Math.floor(Math.min(frame + last, n - 1))];
    this.#touch([from, to + 1]);
    for (let t = from; t <= to; t++) {
      for (let f = Math.ceil(Math.max(band - top, 0)); f <= Math.min(band + top, F - 1); f++) {
        this.#put(t, f, dabShare(t - frame, f - band, width));
      }
    }
  }

  line(a: Cell, b: Cell, width: number): void {
    for (const at of along(a, b)) this.dab(at, width);
  }

  /** A burst of noise between two corners, both included; erased, it is silence. */
  noise(a: Cell, b: Cell): void {
    const ends = (one: number, other: number, most: number) => [
      clamp(Math.round(Math.min(one, other)), 0, most),
      clamp(Math.round(Math.max(one, other)), 0, most),
    ];
    const [left, right] = ends(a.frame, b.frame, this.n - 1);
    const [bottom, top] = ends(a.band, b.band, this.F - 1);
    this.#touch([left, right + 1]);
    for (let f = bottom; f <= top; f++) {
      for (let t = left; t <= right; t++) this.#put(t, f, 1 - NOISE_DEPTH * chance(t * this.F + f));
    }
  }

  #touch(frames: Frames): void {
    if (this.#stroke) this.#stroke.touched = both(this.#stroke.touched, frames);
    this.#touched = both(this.#touched, frames);
  }

  /** However often a stroke passes a cell, its greatest share counts. */
  #put(t: number, f: number, share: number): void {
    const stroke = this.#stroke;
    const i = f * this.n + t;
    if (!stroke || share < LEAST || share <= stroke.shares[i]) return;
    stroke.shares[i] = share;
    const { base, level } = stroke;
    const { low } = this;
    this.values[i] =
      level === null ? low + (base[i] - low) * (1 - share) : Math.max(base[i], low + (level - low) * share);
  }

  /** End the stroke: a step of the history; `cancel` takes it back. Returns all frames that it has touched. */
  end(cancel: boolean): Frames {
    const stroke = this.#stroke;
    this.#stroke = null;
    if (!stroke) return NONE;
    if (cancel) this.values = stroke.base;
    else this.#remember(stroke.base);
    this.#touched = NONE;
    return stroke.touched;
  }

  /** Put something else in its place, as a step of the history. */
  put(values: Float32Array): void {
    this.end(true);
    this.#remember(this.values);
    this.values = values;
  }

  /** Begin anew. */
  reset(values: Float32Array): void {
    this.#stroke = null;
    this.#undo = [];
    this.#redo = [];
    this.values = values;
  }

  /** The same with so many frames: cut, or with silence behind. */
  resized(n: number): Float32Array {
    const resized = new Float32Array(this.F * n).fill(this.low);
    for (let f = 0; f < this.F; f++) {
      const row = f * this.n;
      resized.set(this.values.subarray(row, row + Math.min(n, this.n)), f * n);
    }
    return resized;
  }

  /** All bands of some frames, (F, to - from). */
  frames(from: number, to: number): Float32Array<ArrayBuffer> {
    const part = new Float32Array(this.F * (to - from));
    for (let f = 0; f < this.F; f++) {
      part.set(this.values.subarray(f * this.n + from, f * this.n + to), f * (to - from));
    }
    return part;
  }

  /** Whether there was a step back. */
  undo(): boolean {
    return this.#step(this.#undo, this.#redo);
  }

  redo(): boolean {
    return this.#step(this.#redo, this.#undo);
  }

  #step(from: Float32Array[], to: Float32Array[]): boolean {
    const values = from.pop();
    if (!values) return false;
    to.push(this.values);
    this.values = values;
    return true;
  }

  #remember(before: Float32Array): void {
    this.#redo = [];
    this.#undo.push(before);
    while (this.#undo.length > Math.min(MOST_STEPS, MOST_KEPT / before.length)) this.#undo.shift();
  }
}
