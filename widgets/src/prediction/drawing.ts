/** A curve under a pen, one value a bin, NaN where nothing is drawn yet, and every stroke's way back. No elements here. */

import { clamp } from "../base/clamp";

/** A place under the pen: a bin, between two where it is not whole, and a value. */
export interface Place {
  bin: number;
  value: number;
}

const MOST_STEPS = 100;

export class Drawing {
  #undo: Float32Array<ArrayBuffer>[] = [];
  #redo: Float32Array<ArrayBuffer>[] = [];
  #before: Float32Array<ArrayBuffer> | null = null;

  constructor(
    public values: Float32Array<ArrayBuffer>,
    readonly low: number,
    readonly high: number,
  ) {}

  get canUndo(): boolean {
    return this.#undo.length > 0;
  }
  get canRedo(): boolean {
    return this.#redo.length > 0;
  }
  /** Whether a stroke runs. */
  get open(): boolean {
    return this.#before !== null;
  }
  /** Share of the bins that have a value. */
  get share(): number {
    const { length } = this.values;
    return length ? this.values.filter((value) => !Number.isNaN(value)).length / length : 0;
  }

  begin(): void {
    this.#before = this.values.slice();
  }

  /** A straight line from one place to another, both bins included; it takes the place of what was there. */
  line(from: Place, to: Place): void {
    const last = this.values.length - 1;
    const [a, b] = from.bin <= to.bin ? [from, to] : [to, from];
    const [first, end] = [clamp(Math.round(a.bin), 0, last), clamp(Math.round(b.bin), 0, last)];
    for (let bin = first; bin <= end; bin++) {
      const share = b.bin > a.bin ? clamp((bin - a.bin) / (b.bin - a.bin), 0, 1) : 1;
      const value = first === end ? to.value : a.value + share * (b.value - a.value);
      this.values[bin] = clamp(value, this.low, this.high);
    }
  }

  /** End the stroke; `cancel` takes it back. Whether anything is other than before it. */
  end(cancel: boolean): boolean {
    const before = this.#before;
    this.#before = null;
    if (!before) return false;
    const changed = this.values.some((value, i) => !Object.is(value, before[i]));
    if (cancel) this.values = before;
    else if (changed) this.#remember(before);
    return changed && !cancel;
  }

  /** Put another curve in its place, as a step of the history. */
  put(values: Float32Array<ArrayBuffer>): void {
    this.end(true);
    this.#remember(this.values);
    this.values = values;
  }

  undo(): boolean {
    return this.#step(this.#undo, this.#redo);
  }

  redo(): boolean {
    return this.#step(this.#redo, this.#undo);
  }

  #step(from: Float32Array<ArrayBuffer>[], to: Float32Array<ArrayBuffer>[]): boolean {
    this.end(true);
    const values = from.pop();
    if (!values) return false;
    to.push(this.values);
    this.values = values;
    return true;
  }

  #remember(before: Float32Array<ArrayBuffer>): void {
    this.#redo = [];
    this.#undo.push(before);
    if (this.#undo.length > MOST_STEPS) this.#undo.shift();
  }
}
