/**
 * A model as the browser holds it: values of some neurons now and as trained, undo, revert, and the forward pass.
 *
 * It serves the preview of a bench with a kernel, and a saved page without one. No DOM, no messages.
 */

import { COLUMNS, type Info } from "../kernel/contract";
import { type Slot, slotKey } from "../kernel/request-queue";
import type { Curve } from "../math/curves";
import { type Axes, fieldOf, kernelOf, sizeOf } from "../math/field";
import { Forward } from "../math/forward";
import type { Prefilter } from "../math/prefilters";

export type Numbers = Float32Array | Float64Array;

/** The arrays of one neuron as they come from the kernel or from a saved page. */
export interface Arrays {
  /** (C, G, 5) */
  gaussians: Numbers;
  /** (C, F, T) */
  kernel: Numbers;
  /** Values of `info.columns`, one after the other. */
  factors: Numbers;
  /** Values of `info.prefilter.rows`, (rows, F). */
  prefilter: Numbers;
  /** Values of `info.activation.names`. */
  activation: Numbers;
  /** Bias of the field, then gain and offset of the batch norm; empty where a model has no such stages. */
  affine: Numbers;
  rate: Numbers;
}
export const NO_ARRAYS = (): Arrays => {
  const none = new Float32Array(0);
  return {
    ...{ gaussians: none, kernel: none, factors: none, prefilter: none },
    ...{ activation: none, affine: none, rate: none },
  };
};

/** The axes of a model and its stimulus. */
export const axesOf = (info: Info, cfHz: ArrayLike<number>): Axes => ({
  cfHz: Float64Array.from(cfHz),
  ...{ F: info.n_bands, T: info.n_lags, dtMs: info.dt_ms, delayMs: info.delay_ms },
});

/** One neuron: the values that can be edited, and what follows from them. */
export class Neuron {
  gaussians = new Float64Array(0);
  /** A free field, (C, F, T). */
  cells = new Float64Array(0);
  factors = new Float64Array(0);
  prefilter = new Float64Array(0);
  activation = new Float64Array(0);
  affine: Numbers = new Float64Array(0);
  /** Counts edits and adoptions: pictures of arrays that are changed in place know by it that they are old. */
  version = 0;
  #rate: Numbers = new Float64Array(0);
  #edited = false;
  #field: Numbers | null = null;
  #computed: { drive: Float64Array; rate: Float64Array } | null = null;
  readonly #session: LocalSession;
  readonly #side: Side;

  constructor(session: LocalSession, side: Side) {
    this.#session = session;
    this.#side = side;
  }

  /** Take over arrays; until an edit, field and response are those that come with them. */
  adopt({ gaussians, kernel, factors, prefilter, activation, affine, rate }: Arrays): void {
    this.gaussians = Float64Array.from(gaussians);
    this.cells = Float64Array.from(this.#session.info.kind === "full" ? kernel : []);
    this.factors = Float64Array.from(factors);
    this.prefilter = Float64Array.from(prefilter);
    this.activation = Float64Array.from(activation);
    this.affine = affine;
    this.#rate = rate;
    // Without a response the browser computes its own.
    this.#edited = rate.length === 0;
    this.#field = kernel.length > 0 ? kernel : null;
    this.#computed = null;
    this.version += 1;
  }

  /** Take over a response that the browser cannot compute. */
  follow(rate: Numbers): void {
    this.#rate = rate;
  }

  /** A value has been written; `field`: one that makes the receptive field. */
  changed(field: boolean): void {
    this.version += 1;
    this.#edited = true;
    this.#computed = null;
    if (field) this.#field = null;
  }

  /** Let go of what was computed. */
  forget(): void {
    this.#computed = null;
  }

  /** (C, F, T) */
  get kernel(): Numbers {
    this.#field ??= this.#makeField();
    return this.#field;
  }

  /** Response: what came with the arrays, or after an edit the browser's own where it can compute it. */
  get rate(): Numbers {
    return (this.#edited && this.#compute()?.rate) || this.#rate;
  }

  /** Response as the browser computes it; null where only the kernel could. */
  get computedRate(): Float64Array | null {
    return this.#compute()?.rate ?? null;
  }

  /** Drive of the output curve; null where only the kernel could compute it. */
  get drive(): Float64Array | null {
    return this.#compute()?.drive ?? null;
  }

  /** Spectrograms after adaptation, (C, F, n); null where only the kernel could compute them. */
  get adapted(): Float64Array | null {
    const forward = this.#session.adaptation(this.#side);
    forward?.adapt(this.prefilter);
    return forward?.adapted ?? null;
  }

  #makeField(): Float64Array {
    const { info, axes } = this.#session;
    if (info.n_gaussians > 0) return kernelOf(this.gaussians, info.n_gaussians, axes);
    return info.columns.length > 0 ? fieldOf(info, this.factors, axes) : this.cells.slice();
  }

  #compute() {
    const forward = this.#session.forward(this.#side);
    if (!forward || this.affine.length !== 3) return null;
    if (!this.#computed) {
      const [bias, scale, shift] = this.affine;
      const drive = forward.drive(this.prefilter, this.gaussians, this.kernel, { bias, scale, shift });
      this.#computed = { drive, rate: forward.rate(drive, this.activation) };
    }
    return this.#computed;
  }
}

/** Where the values of a parameter lie: in which array, from where on, how far apart; the shape is that of one neuron. */
interface Parameter {
  array: "gaussians" | "cells" | "factors" | "prefilter" | "activation";
  offset: number;
  stride: number;
  shape: number[];
}

function parametersOf(info: Info, { F, T }: Axes): Map<string, Parameter> {
  const { n_channels: C, n_gaussians: G } = info;
  const found = new Map<string, Parameter>();
  const add = (name: string, array: Parameter["array"], offset: number, shape: number[], stride = 1) => {
    found.set(name, { array, offset, stride, shape });
  };
  if (G > 0) for (const [i, name] of COLUMNS.entries()) add(`strf.${name}`, "gaussians", i, [C, G], 5);
  else if (info.kind === "full") add("strf.kernel", "cells", 0, [C, F, T]);
  let offset = 0;
  for (const { name, shape } of info.columns) {
    add(name, "factors", offset, shape);
    offset += sizeOf(shape);
  }
  for (const [row, name] of info.prefilter.rows.entries()) add(name, "prefilter", row * F, [F]);
  for (const [i, name] of info.activation.names.entries()) add(`activation.${name}`, "activation", i, []);
  return found;
}

interface Entry {
  /** Null once the gesture has ended. */
  gesture: string | null;
  before: Map<string, Slot>;
  after: Slot[];
}
type Place = Omit<Slot, "value">;

const MOST_UNDO = 200;

/** Values now, or as trained. */
type Side = "now" | "trained";
export type Pair = Record<Side, Neuron>;

export class LocalSession {
  info!: Info;
  axes!: Axes;
  /** By the number of the neuron; the prefilter belongs to all of them. */
  readonly neurons = new Map<number, Pair>();
  #stimulus: Numbers = new Float64Array(0);
  #forwards: Partial<Record<Side, Forward>> = {};
  #parameters = new Map<string, Parameter>();
  #done: Entry[] = [];
  #undone: Entry[] = [];

  /** Begin anew with another model or stimulus; values stay. */
  begin(info: Info, axes: Axes, stimulus: Numbers): void {
    this.info = info;
    this.axes = axes;
    this.#stimulus = stimulus;
    this.#parameters = parametersOf(info, axes);
    this.forget();
  }

  /** A neuron that is edited from now on, without values yet. */
  add(neuron: number): Pair {
    const pair = { now: new Neuron(this, "now"), trained: new Neuron(this, "trained") };
    this.neurons.set(neuron, pair);
    return pair;
  }

  /** The forward pass of one side; null where only the kernel could compute the model. */
  forward(side: Side): Forward | null {
    return this.info.local ? this.adaptation(side) : null;
  }

  /** The same, of which only the adaptation counts; made when it is first used, null where the kernel alone has it. */
  adaptation(side: Side): Forward | null {
    const { info, axes } = this;
    if (!info.prefilter.local || this.#stimulus.length !== axes.F * info.n_frames) return null;
    this.#forwards[side] ??= new Forward(
      {
        axes,
        frames: info.n_frames,
        channels: info.n_channels,
        gaussians: info.n_gaussians,
        prefilter: info.prefilter.kind as Prefilter,
        taps: info.prefilter.taps,
        curve: info.activation.kind as Curve,
        curveNames: info.activation.names,
      },
      this.#stimulus,
    );
    return this.#forwards[side];
  }

  /** Let go of what was computed, of one side or of both. */
  forget(...sides: Side[]): void {
    for (const side of sides.length > 0 ? sides : (["now", "trained"] as const)) {
      delete this.#forwards[side];
      for (const pair of this.neurons.values()) pair[side].forget();
    }
  }

  // ---- edits ------------------------------------------------------------------------------------------------

  /** Value of a slot; NaN where there is none. */
  read({ name, index }: Place, trained = false): number {
    const at = this.#at(name, index, trained);
    return at ? at.values[at.i] : Number.NaN;
  }

  /**
   * Set slots; edits of one gesture in a row are one step to undo, and without one each call is. The slots that hold
   * another value now.
   */
  apply(slots: Slot[], gesture: string | null = null): Slot[] {
    const last = this.#done.at(-1);
    const open = gesture !== null && last?.gesture === gesture ? last : null;
    const entry = open ?? { gesture, before: new Map<string, Slot>(), after: [] };
    const moved = slots.filter(({ name, index, value }) => {
      const at = this.#at(name, index);
      return at && value > -Infinity && at.values[at.i] !== value;
    });
    for (const slot of moved) {
      const key = slotKey(slot);
      if (!entry.before.has(key)) entry.before.set(key, { ...slot, value: this.read(slot) });
      this.#put(slot);
    }
    if (!open && moved.length > 0) {
      this.#done.push(entry);
      this.#done.splice(0, this.#done.length - MOST_UNDO);
      this.#undone = [];
    }
    return moved;
  }

  /** Put values over those that have come from elsewhere; no step to undo. */
  overlay(slots: Iterable<Slot>): void {
    for (const slot of slots) this.#put(slot);
  }

  /** End a gesture; `cancel` takes it back. Its slots with the values before it. */
  end(gesture: string, cancel = false): Slot[] {
    const entry = this.#done.at(-1);
    if (entry?.gesture !== gesture) return [];
    const before = [...entry.before.values()];
    if (cancel) for (const slot of before) this.#put(slot);
    // One that ended where it began is no step.
    if (before.every((slot) => this.read(slot) === slot.value)) this.#done.pop();
    entry.gesture = null;
    return before;
  }

  /** Whether there is such a place, of a parameter that all neurons share, of one of each, or none. */
  whose(name: string): "all" | "each" | "nobody" {
    const parameter = this.#parameters.get(name);
    if (!parameter) return "nobody";
    return parameter.array === "prefilter" ? "all" : "each";
  }

  /** Shape of a parameter, of one neuron where each has its own. */
  shapeOf(name: string): readonly number[] {
    return this.#parameters.get(name)?.shape ?? [];
  }

  /** Every value that is not the trained one. */
  *changes(): Generator<Slot> {
    for (const [name, { array, offset, stride, shape }] of this.#parameters) {
      const size = shape.reduce((product, n) => product * n, 1);
      for (const [n, { now, trained }] of this.neurons) {
        for (let i = 0; i < size; i++) {
          const value = now[array][offset + stride * i];
          if (value === trained[array][offset + stride * i]) continue;
          const inner = indexOf(i, shape);
          yield { name, index: array === "prefilter" ? inner : [n, ...inner], value };
        }
        // They share one array.
        if (array === "prefilter") break;
      }
    }
  }

  /** Make these the only values that are not the trained ones: one step to undo. */
  restore(slots: Slot[]): void {
    const wanted = new Map<string, Slot>();
    for (const slot of this.changes()) wanted.set(slotKey(slot), { ...slot, value: this.read(slot, true) });
    for (const slot of slots) wanted.set(slotKey(slot), slot);
    this.apply([...wanted.values()]);
  }

  /** Set parameters back to their trained values: all that may be edited, or some, at a part of their index. */
  revert(names: string[] | null, index: number[] = []): Slot[] {
    const { locked } = this.info;
    const slots: Slot[] = [];
    for (const [name, parameter] of this.#parameters) {
      const shared = parameter.array === "prefilter";
      // Without names an index is a neuron's.
      if (locked.includes(name) || (names ? !names.includes(name) : shared && index.length > 0)) continue;
      for (const place of places(name, shared ? null : [...this.neurons.keys()], parameter.shape)) {
        if (index.every((i, axis) => place.index[axis] === i)) {
          slots.push({ ...place, value: this.read(place, true) });
        }
      }
    }
    return this.apply(slots);
  }

  /** Whether `revert` would change anything. */
  canRevert(names: string[] | null, index: readonly number[] = []): boolean {
    for (const [name, parameter] of this.#parameters) {
      const shared = parameter.array === "prefilter";
      if (this.info.locked.includes(name) || (names ? !names.includes(name) : shared && index.length > 0))
        continue;
      const own = [...this.neurons].filter(([n]) => shared || index.length === 0 || n === index[0]);
      const inner = shared ? index : index.slice(1);
      if (own.some(([, pair]) => differs(pair, parameter, inner))) return true;
    }
    return false;
  }

  /** Whether any value differs from the trained one, of what is locked or shared too. */
  get edited(): boolean {
    const pairs = [...this.neurons.values()];
    return [...this.#parameters.values()].some((parameter) =>
      pairs.some((pair) => differs(pair, parameter, [])),
    );
  }

  /** The same of the receptive field of one neuron. */
  fieldEdited(neuron: number): boolean {
    const pair = this.neurons.get(neuron);
    return [...this.#parameters].some(
      ([name, parameter]) => name.startsWith("strf.") && pair !== undefined && differs(pair, parameter, []),
    );
  }

  get canUndo(): boolean {
    return this.#done.length > 0;
  }

  get canRedo(): boolean {
    return this.#undone.length > 0;
  }

  undo(): void {
    const entry = this.#done.pop();
    if (!entry) return;
    const before = [...entry.before.values()];
    entry.gesture = null;
    entry.after = before.map((slot) => ({ ...slot, value: this.read(slot) }));
    for (const slot of before) this.#put(slot);
    this.#undone.push(entry);
  }

  redo(): void {
    const entry = this.#undone.pop();
    if (!entry) return;
    for (const slot of entry.after) this.#put(slot);
    this.#done.push(entry);
  }

  /** There is nothing to undo any more: values have come from elsewhere. */
  clearHistory(): void {
    this.#done = [];
    this.#undone = [];
  }

  #put({ name, index, value }: Slot): void {
    const at = this.#at(name, index);
    if (!at) return;
    at.values[at.i] = value;
    const shared = this.#parameters.get(name)?.array === "prefilter";
    for (const [n, { now }] of this.neurons)
      if (shared || n === index[0]) now.changed(name.startsWith("strf."));
  }

  #at(name: string, index: readonly number[], trained = false): { values: Float64Array; i: number } | null {
    const parameter = this.#parameters.get(name);
    if (!parameter) return null;
    const { array, offset, stride, shape } = parameter;
    const [first] = this.neurons.values();
    const pair = array === "prefilter" ? first : this.neurons.get(index[0]);
    const inner = array === "prefilter" ? index : index.slice(1);
    if (!pair || inner.length !== shape.length || inner.some((i, axis) => !(i >= 0 && i < shape[axis])))
      return null;
    const values = pair[trained ? "trained" : "now"][array];
    const i = offset + stride * inner.reduce((sum, at, axis) => sum * shape[axis] + at, 0);
    return i < values.length ? { values, i } : null;
  }
}

/** Whether a value of a neuron differs from the trained one: of one parameter, at a part of its index. */
function differs(
  { now, trained }: Pair,
  { array, offset, stride, shape }: Parameter,
  index: readonly number[],
) {
  const count = sizeOf(shape.slice(index.length));
  const first = count * index.reduce((flat, at, axis) => flat * shape[axis] + at, 0);
  const [values, before] = [now[array], trained[array]];
  for (let i = first; i < first + count; i++) {
    if (values[offset + stride * i] !== before[offset + stride * i]) return true;
  }
  return false;
}

/** Index of the value number `flat` in C order. */
function indexOf(flat: number, shape: readonly number[]): number[] {
  let rest = flat;
  return shape.map((_, axis) => {
    const inner = shape.slice(axis + 1).reduce((product, n) => product * n, 1);
    const at = Math.floor(rest / inner);
    rest %= inner;
    return at;
  });
}

/** Every place of a parameter: of each neuron, or of none. */
function places(name: string, neurons: number[] | null, shape: number[]): Place[] {
  let found: number[][] = neurons ? neurons.map((n) => [n]) : [[]];
  for (const size of shape) {
    found = found.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i]));
  }
  return found.map((index) => ({ name, index }));
}
