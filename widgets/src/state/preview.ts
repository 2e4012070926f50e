/** The numbers on screen: the kernel's truth, or what a hand has made of it; the field and the response follow from them. */

import { COLUMNS, type Info } from "../kernel/contract";
import type { Slot } from "../kernel/request-queue";
import type { Prefilter } from "../math/adaptation";
import type { Curve } from "../math/curves";
import { type Axes as AxesType, type Gaussian, kernelOf, outer } from "../math/field";
import { type Folding, Forward } from "../math/forward";

export type Numbers = Float32Array | Float64Array;

/** What the kernel last said. */
export interface Truth {
  gaussians: Numbers;
  kernel: Numbers;
  prefilter: Numbers;
  activation: Numbers;
  /** Frequency profiles (C, F), then time profiles (C, T), of a field that is their product. */
  factors: Numbers;
  rate: Numbers;
  /** Bias of the field, then gain and offset of the batch norm. */
  folding: Numbers;
}

export const NOTHING = (): Truth => {
  const none = new Float32Array(0);
  return {
    gaussians: none,
    kernel: none,
    factors: none,
    prefilter: none,
    activation: none,
    rate: none,
    folding: none,
  };
};

export class Preview {
  gaussians: Float64Array = new Float64Array(0);
  /** Values of `info.prefilter.rows`, (rows, F). */
  prefilter: Float64Array = new Float64Array(0);
  /** Values of `info.activation.names`. */
  activation: Float64Array = new Float64Array(0);
  /** A free field, (C, F, T), and the profiles of a separable one. */
  cells: Float64Array = new Float64Array(0);
  factors: Float64Array = new Float64Array(0);
  /** Counts what was written or adopted: pictures of arrays that are changed in place know by it that they are old. */
  version = 0;
  #truth: Truth = NOTHING();
  #ahead = false;
  #field: Numbers | null = null;
  #computed: { drive: Float64Array; rate: Float64Array } | null = null;
  #forward: Forward | null = null;
  #info!: Info;
  #axes!: AxesType;

  /** Begin anew with another model or stimulus. */
  begin(info: Info, axes: AxesType, stimulus: Numbers): void {
    this.#info = info;
    this.#axes = axes;
    this.#computed = this.#forward = null;
    if (!info.local || stimulus.length !== axes.F * info.n_frames) return;
    this.#forward = new Forward(
      {
        axes,
        frames: info.n_frames,
        channels: info.n_channels,
        gaussians: info.n_gaussians,
        adaptation: info.prefilter.kind as Prefilter,
        taps: info.prefilter.taps,
        curve: info.activation.kind as Curve,
        curveNames: info.activation.names,
      },
      stimulus,
    );
  }

  /** Show the truth. */
  adopt(truth: Truth): void {
    this.version += 1;
    this.#truth = truth;
    this.gaussians = Float64Array.from(truth.gaussians);
    this.prefilter = Float64Array.from(truth.prefilter);
    this.activation = Float64Array.from(truth.activation);
    this.#field = truth.kernel;
    this.factors = Float64Array.from(truth.factors);
    this.cells = Float64Array.from(this.#info?.kind === "full" ? truth.kernel : []);
    this.#computed = null;
    this.#ahead = false;
  }

  /** Take over a response that the page cannot compute, ahead or not. */
  follow(rate: Numbers): void {
    this.#truth = { ...this.#truth, rate };
  }

  /** Value of a slot of the neuron on screen; NaN where there is none. */
  read({ name, index }: Omit<Slot, "value">): number {
    const at = this.#place(name, index);
    return at ? at.in[at.at] : Number.NaN;
  }

  /** Set a slot. */
  write({ name, index, value }: Slot): void {
    const at = this.#place(name, index);
    if (!at) return;
    at.in[at.at] = value;
    this.version += 1;
    if (name.startsWith("strf.")) this.#field = null;
    this.#computed = null;
    this.#ahead = true;
  }

  /** Show a Gaussian of the neuron on screen; `k` counts through the channels. */
  put(k: number, g: Gaussian): void {
    COLUMNS.forEach((column, i) => {
      this.gaussians[5 * k + i] = g[column];
    });
    this.version += 1;
    this.#field = this.#computed = null;
    this.#ahead = true;
  }

  /** Show another free field, or other profiles, where there are any. */
  repaint(kernel: Numbers, factors: Numbers): void {
    if (this.cells.length + this.factors.length === 0) return;
    if (this.cells.length === kernel.length) this.cells.set(kernel);
    if (this.factors.length === factors.length) this.factors.set(factors);
    this.version += 1;
    this.#field = this.#computed = null;
    this.#ahead = true;
  }

  /** (C, F, T) */
  get kernel(): Numbers {
    this.#field ??= fieldOf(this, this.#info, this.#axes);
    return this.#field;
  }

  /** Response on screen: the kernel's, or this page's own where a hand is ahead and the model can be computed here. */
  get rate(): Numbers {
    return (this.#ahead && this.#own()?.rate) || this.#truth.rate;
  }

  /** Response as this page computes it; null where only the kernel could. */
  get computedRate(): Float64Array | null {
    return this.#own()?.rate ?? null;
  }

  /** Bias of the field, then gain and offset of the batch norm; empty where there is no such chain. */
  get folding(): Numbers {
    return this.#truth.folding;
  }

  /** Drive of the output curve; null where only the kernel could compute it. */
  get drive(): Float64Array | null {
    return this.#own()?.drive ?? null;
  }

  /** Spectrograms after adaptation, (C, F, n); null where only the kernel could compute them. */
  get adapted(): Float64Array | null {
    this.#forward?.adapt(this.prefilter);
    return this.#forward?.adapted ?? null;
  }

  #own() {
    if (!this.#forward || this.#truth.folding.length !== 3) return null;
    if (!this.#computed) {
      const [bias, scale, shift] = this.#truth.folding;
      const folding: Folding = { bias, scale, shift };
      const drive = this.#forward.drive(this.prefilter, this.gaussians, this.kernel, folding);
      this.#computed = { drive, rate: this.#forward.rate(drive, this.activation) };
    }
    return this.#computed;
  }

  #place(name: string, index: readonly number[]): Place | null {
    return placeOf(this, name, index, this.#info, this.#axes);
  }
}

/** The field (C, F, T) that the arrays make. */
export function fieldOf(from: Editable, info: Info, axes: AxesType): Float64Array {
  if (info.n_gaussians > 0) return kernelOf(from.gaussians, info.n_gaussians, axes);
  const { factors } = from;
  return factors.length > 0 ? outer(factors, info.n_channels, axes) : from.cells.slice();
}

/** Arrays that hold what can be edited of one neuron. */
export interface Editable {
  gaussians: Float64Array;
  prefilter: Float64Array;
  activation: Float64Array;
  cells: Float64Array;
  factors: Float64Array;
}
interface Place {
  in: Float64Array;
  at: number;
}

/** Where the value of a parameter stands; null for a name or an index that there is not. */
export function placeOf(
  arrays: Editable,
  name: string,
  index: readonly number[],
  info: Info,
  { F, T }: AxesType,
): Place | null {
  const [stage, column] = name.split(".");
  const found = (array: Float64Array, row: number, at: number): Place | null =>
    row >= 0 && at >= 0 && at < array.length ? { in: array, at } : null;
  if (stage === "strf") {
    const [, c, i, j] = index;
    if (column === "kernel") return found(arrays.cells, 0, (c * F + i) * T + j);
    if (column === "factor_f") return found(arrays.factors, 0, c * F + i);
    if (column === "factor_t") return found(arrays.factors, 0, info.n_channels * F + c * T + i);
    const row = COLUMNS.indexOf(column as (typeof COLUMNS)[number]);
    return found(arrays.gaussians, row, 5 * (index[1] * info.n_gaussians + index[2]) + row);
  }
  if (stage === "prefilter") {
    const row = info.prefilter.rows.indexOf(name);
    return found(arrays.prefilter, row, row * F + index[0]);
  }
  const row = stage === "activation" ? info.activation.names.indexOf(column) : -1;
  return found(arrays.activation, row, row);
}
