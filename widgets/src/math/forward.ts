/**
 * The whole forward pass of one neuron: adaptation, receptive field, batch norm, output curve.
 *
 * Twin of a `LinearNonlinear` in evaluation mode; `tests/vectors/forward.json` keeps the two equal. A receptive field of
 * Gaussians is a sum of products of a profile in frequency and one in time, so each Gaussian costs (F + T) per bin where
 * the field costs F * T, and a drag of one Gaussian leaves the sums of the others as they are.
 */

import { type Curve, curveOf } from "./curves";
import { type Axes, gaussianAt } from "./field";
import { unitMass } from "./gaussians";
import { adaptBand, type Prefilter, valuesOf } from "./prefilters";

export interface Shape {
  axes: Axes;
  /** Bins of the stimulus, channels after adaptation, Gaussians per channel (0: the field is free). */
  frames: number;
  channels: number;
  gaussians: number;
  prefilter: Prefilter;
  /** Taps of the prefilter. */
  taps: number;
  curve: Curve;
  curveNames: string[];
}

/** Gain and offset around the convolution: `scale * (conv + bias) + shift`. */
export interface Affine {
  bias: number;
  scale: number;
  shift: number;
}

type Numbers = ArrayLike<number>;

export class Forward {
  /** After adaptation, (C, F, n). */
  readonly adapted: Float64Array;
  readonly #stimulus: Float32Array | Float64Array;
  #prefilterRows: Float64Array = new Float64Array(0);
  #gaussians: Float64Array = new Float64Array(0);
  readonly #parts: Float64Array[];
  readonly #sum: Float64Array;
  /** The free field that the sum was made of. */
  #cells: Float64Array = new Float64Array(0);

  constructor(
    readonly shape: Shape,
    stimulus: Float32Array | Float64Array,
  ) {
    const { channels, axes, frames, gaussians } = shape;
    this.#stimulus = stimulus;
    this.adapted = new Float64Array(channels * axes.F * frames);
    this.#parts = Array.from({ length: channels * gaussians }, () => new Float64Array(frames));
    this.#sum = new Float64Array(frames);
  }

  /** Adapt the bands whose parameters changed; rows as in the trait `prefilter`. */
  adapt(rows: Float64Array): boolean {
    const { axes, frames: n, prefilter, taps, channels } = this.shape;
    const { F, dtMs } = axes;
    const before = this.#prefilterRows;
    if (prefilter === "none") {
      if (before.length > 0) return false;
      this.adapted.set(this.#stimulus as Float32Array);
      this.#prefilterRows = Float64Array.of(Number.NaN);
      return true;
    }
    const all = before.length !== rows.length;
    const count = rows.length / F;
    let touched = false;
    for (let f = 0; f < F; f++) {
      let same = !all;
      for (let r = 0; same && r < count; r++) same = rows[r * F + f] === before[r * F + f];
      if (same) continue;
      touched = true;
      const band = this.#stimulus.subarray(f * n, (f + 1) * n);
      const out = Array.from({ length: channels }, (_, c) =>
        this.adapted.subarray((c * F + f) * n, (c * F + f + 1) * n),
      );
      adaptBand(prefilter, band, valuesOf(prefilter, rows, f, F), dtMs, taps, out);
    }
    if (touched) this.#prefilterRows = Float64Array.from(rows);
    return touched;
  }

  /** Drive of a field of Gaussians (C, G, 5), or of a free field (C, F, T) where there are none. */
  drive(rows: Float64Array, gaussians: Float64Array, kernel: Numbers, affine: Affine): Float64Array {
    const adapted = this.adapt(rows);
    const { bias, scale, shift } = affine;
    if (this.shape.gaussians > 0) this.#addGaussians(gaussians, adapted);
    else this.#convolve(kernel, adapted);
    const drive = new Float64Array(this.#sum.length);
    for (let t = 0; t < drive.length; t++) drive[t] = scale * (this.#sum[t] + bias) + shift;
    return drive;
  }

  /** Response to a drive; `curve` holds the values of `shape.curveNames`. */
  rate(drive: Float64Array, curve: Numbers): Float64Array {
    const parameters = Object.fromEntries(this.shape.curveNames.map((name, i) => [name, curve[i]]));
    return drive.map(curveOf(this.shape.curve, parameters));
  }

  #addGaussians(gaussians: Float64Array, all: boolean): void {
    const before = this.#gaussians;
    for (let k = 0; k < this.#parts.length; k++) {
      let same = !all && before.length === gaussians.length;
      for (let i = 5 * k; same && i < 5 * k + 5; i++) same = gaussians[i] === before[i];
      if (!same) this.#addGaussian(k, gaussians);
    }
    this.#gaussians = Float64Array.from(gaussians);
    this.#sum.fill(0);
    for (const part of this.#parts) for (let t = 0; t < part.length; t++) this.#sum[t] += part[t];
  }

  #addGaussian(k: number, gaussians: Float64Array): void {
    const { axes, frames: n, gaussians: G } = this.shape;
    const { F, T } = axes;
    const g = gaussianAt(gaussians, k);
    const part = this.#parts[k].fill(0);
    if (g.weight === 0) return;
    const inBands = unitMass(g.band, g.sigma_bands, F);
    const inTime = unitMass(g.frame, g.sigma_frames, T);
    const channel = Math.floor(k / G) * F * n;
    const filtered = new Float64Array(n);
    for (let f = 0; f < F; f++) {
      const mass = g.weight * inBands[f];
      if (Math.abs(inBands[f]) < LEAST_SHARE) continue;
      const from = channel + f * n;
      for (let t = 0; t < n; t++) filtered[t] += mass * this.adapted[from + t];
    }
    for (let j = 0; j < T; j++) {
      const mass = inTime[j];
      if (mass < LEAST_SHARE) continue;
      const lag = T - 1 - j;
      for (let t = lag; t < n; t++) part[t] += mass * filtered[t - lag];
    }
  }

  /** A dab of a brush changes a few cells of many: only what these add is changed, unless `all` or most of them are new. */
  #convolve(kernel: Numbers, all: boolean): void {
    const { axes, frames: n, channels } = this.shape;
    const { F, T } = axes;
    const size = channels * F * T;
    let fresh = 0;
    for (let i = 0; i < size; i++) if (kernel[i] !== this.#cells[i]) fresh++;
    if (all || 2 * fresh > size || this.#cells.length !== size || !finite(this.#sum)) {
      this.#sum.fill(0);
      this.#cells = new Float64Array(size);
    }
    for (let i = 0; i < size; i++) {
      const weight = kernel[i] - this.#cells[i];
      if (weight === 0) continue;
      this.#cells[i] = kernel[i];
      const lag = T - 1 - (i % T);
      const from = Math.floor(i / T) * n - lag;
      for (let t = lag; t < n; t++) this.#sum[t] += weight * this.adapted[from + t];
    }
  }
}

/** A field that has been infinite or NaN leaves nothing to go on from. */
const finite = (values: Float64Array) => values.every(Number.isFinite);

/** As `LEAST_SHARE` of the torch function: what is smaller changes no sum. */
const LEAST_SHARE = 1e-16;
