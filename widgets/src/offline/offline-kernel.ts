/**
 * A bench without a kernel: it answers the page's requests itself, as `LiveSession` does, for models whose forward pass
 * the page knows. A saved page carries its data in an element of its own.
 */

import { floats } from "../base/bytes";
import {
  type Answer,
  COLUMNS,
  type EditRequest,
  type Info,
  PARTS,
  type Request,
  type RevertRequest,
} from "../kernel/contract";
import { type Slot, slotKey } from "../kernel/request-queue";
import type { Axes } from "../math/field";
import { type Editable, fieldOf, type Numbers, Preview, placeOf, type Truth } from "../state/preview";
import { StaticModel } from "./static-model";

type Base64 = string;

/** What Python writes for one neuron: little-endian float32 in base64. */
export interface SavedNeuron {
  gaussians: Base64;
  trained_gaussians: Base64;
  kernel: Base64;
  trained_kernel: Base64;
  activation: Base64;
  trained_activation: Base64;
  folding: Base64;
  factors: Base64;
  trained_factors: Base64;
  rate: Base64;
  trained_rate: Base64;
  psth: Base64;
}
export interface Saved {
  view: string;
  info: Info;
  cf_hz: Base64;
  stimulus: Base64;
  prefilter: Base64;
  trained_prefilter: Base64;
  neuron: number;
  channel: number;
  neurons: SavedNeuron[];
}

/** Values of one neuron, now and as trained. */
interface Neuron {
  now: Editable;
  trained: Editable;
  folding: Numbers;
  rate: Numbers;
  trainedRate: Numbers;
  psth: Numbers;
}
interface Entry {
  gesture: string | null;
  before: Map<string, Slot>;
  after: Slot[];
}

const MOST_UNDO = 200;
const decode = (text: Base64) => floats(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
const encode = (values: ArrayLike<number>) => new DataView(Float32Array.from(values).buffer);

export class OfflineKernel {
  readonly model: StaticModel;
  readonly #info: Info;
  readonly #axes: Axes;
  readonly #neurons: Neuron[];
  readonly #live = new Preview();
  readonly #original = new Preview();
  readonly #done: Entry[] = [];
  #undone: Entry[] = [];

  /** `later` runs an answer, as from a kernel, once the sender has finished what it is doing. */
  readonly #later: (answer: () => void) => void;

  constructor(saved: Saved, later: (answer: () => void) => void = (answer) => queueMicrotask(answer)) {
    this.#later = later;
    const { info } = saved;
    this.#info = info;
    const cfHz = Float64Array.from(decode(saved.cf_hz));
    this.#axes = { cfHz, F: info.n_bands, T: info.n_lags, dtMs: info.dt_ms, delayMs: info.delay_ms };
    const stimulus = decode(saved.stimulus);
    // The prefilter belongs to all neurons: one array.
    const prefilter = Float64Array.from(decode(saved.prefilter));
    const trainedPrefilter = Float64Array.from(decode(saved.trained_prefilter));
    const decode64 = (text: Base64) => Float64Array.from(decode(text));
    this.#neurons = saved.neurons.map((n) => ({
      now: {
        gaussians: decode64(n.gaussians),
        activation: decode64(n.activation),
        cells: decode64(n.kernel),
        factors: decode64(n.factors),
        prefilter,
      },
      trained: {
        gaussians: decode64(n.trained_gaussians),
        activation: decode64(n.trained_activation),
        cells: decode64(n.trained_kernel),
        factors: decode64(n.trained_factors),
        prefilter: trainedPrefilter,
      },
      folding: decode(n.folding),
      rate: decode(n.rate),
      trainedRate: decode(n.trained_rate),
      psth: decode(n.psth),
    }));
    for (const preview of [this.#live, this.#original]) preview.begin(info, this.#axes, stimulus);
    this.model = new StaticModel({}, (content, buffers) => this.#receive(content as Request, buffers));
    const { view, neuron, channel } = saved;
    const first = {
      view,
      info,
      cf_hz: encode(cfHz),
      stimulus: encode(stimulus),
      neuron,
      channel,
      selected: -1,
    };
    for (const [name, value] of Object.entries({ ...first, error: "", width: 0 }))
      this.model.set(name, value);
    this.model.set("trained_prefilter", encode(trainedPrefilter));
    this.#publish();
    this.model.save_changes();
    this.model.saved = (changes) => {
      if (changes.some(([name]) => name === "neuron")) this.#later(() => this.#publish());
    };
  }

  get #neuron(): number {
    return this.model.get("neuron") as number;
  }

  // ---- what the page is told --------------------------------------------------------------------------------

  #truth(neuron: number, trained: boolean): Truth {
    const n = this.#neurons[neuron];
    const values = trained ? n.trained : n.now;
    const { gaussians, activation, prefilter, factors } = values;
    const kernel = fieldOf(values, this.#info, this.#axes);
    const preview = trained ? this.#original : this.#live;
    const saved = trained ? n.trainedRate : n.rate;
    const truth = { gaussians, activation, prefilter, factors, kernel, folding: n.folding, rate: saved };
    preview.adopt(truth);
    return { ...truth, rate: preview.computedRate ?? saved };
  }

  #publish(): void {
    const neuron = this.#neuron;
    const [now, then] = [this.#truth(neuron, false), this.#truth(neuron, true)];
    const { psth } = this.#neurons[neuron];
    const { trained, now: values } = this.#neurons[neuron];
    const arrays = [trained, values].map((e) => [
      ...e.gaussians,
      ...e.activation,
      ...e.factors,
      ...(this.#info.kind === "full" ? e.cells : []),
    ]);
    const state = {
      ...Object.fromEntries(PARTS.map((part) => [part, encode(now[part])])),
      trained_gaussians: encode(then.gaussians),
      trained_kernel: encode(then.kernel),
      trained_factors: encode(then.factors),
      trained_activation: encode(then.activation),
      trained_rate: encode(then.rate),
      psth: encode(psth),
      score: correlation(now.rate, psth),
      trained_score: correlation(then.rate, psth),
      can_undo: this.#done.length > 0,
      can_redo: this.#undone.length > 0,
      edited: arrays[0].some((value, i) => value !== arrays[1][i]),
      of_neuron: neuron,
    };
    for (const [name, value] of Object.entries(state)) this.model.set(name, value);
  }

  // ---- requests ---------------------------------------------------------------------------------------------

  #receive(request: Request, buffers: ArrayBuffer[]): void {
    const begun = performance.now();
    if (request.type === "edit") this.#edit(request, floats(buffers[0]));
    else if (request.type === "revert") this.#revert(request);
    else this.#step(request.type);
    const settled = request.type !== "edit" || request.phase === "end";
    const neuron = this.#neuron;
    const truth = this.#truth(neuron, false);
    const answer: Answer = {
      type: "answer",
      client: request.client,
      seq: request.seq,
      work_ms: performance.now() - begun,
      neuron,
      settled,
      score: correlation(truth.rate, this.#neurons[neuron].psth),
      // Not without the trials.
      normalized_score: null,
      can_undo: this.#done.length > 0,
      can_redo: this.#undone.length > 0,
      parts: [...PARTS],
    };
    this.#later(() => {
      this.model.message(
        answer,
        PARTS.map((part) => encode(truth[part])),
      );
      if (settled) this.#publish();
    });
  }

  #edit({ edits, gesture, phase }: EditRequest, values: Float32Array): void {
    const entry = this.#open(gesture);
    let taken = 0;
    for (const { name, index, count = 1 } of edits) {
      const last = index.length - 1;
      for (let i = 0; i < count; i++) {
        this.#write(
          { name, index: [...index.slice(0, last), index[last] + i], value: values[taken++] },
          entry,
        );
      }
    }
    this.#close(entry, phase === "end");
  }

  #revert({ names, index }: RevertRequest): void {
    const info = this.#info;
    const axes = this.#axes;
    const entry = this.#open(null);
    const neurons = index?.length ? [index[0]] : this.#neurons.map((_, n) => n);
    for (const n of neurons) {
      const all: number[][] = [];
      for (let c = 0; c < info.n_channels; c++)
        for (let k = 0; k < info.n_gaussians; k++) all.push([n, c, k]);
      const chosen = all.filter((at) => (index ?? []).every((i, axis) => at[axis] === i));
      const slots = [
        ...chosen.flatMap((at) => COLUMNS.map((column) => ({ name: `strf.${column}`, index: at }))),
        ...this.#painted(n).filter((slot) => (index ?? []).every((i, axis) => slot.index[axis] === i)),
        ...info.activation.names.map((name) => ({ name: `activation.${name}`, index: [n] })),
      ];
      for (const slot of slots) {
        if (names === null || names.includes(slot.name)) this.#write(this.#trainedSlot(n, slot), entry);
      }
    }
    for (const name of names ?? []) {
      if (!info.prefilter.rows.includes(name)) continue;
      const bands = index?.length ? [index[0]] : Array.from({ length: axes.F }, (_, f) => f);
      for (const f of bands) this.#write(this.#trainedSlot(0, { name, index: [f] }), entry);
    }
    this.#close(entry, true);
  }

  /** Every cell of the free field or of the profiles of a neuron. */
  #painted(n: number): Omit<Slot, "value">[] {
    const { F, T } = this.#axes;
    const C = this.#info.n_channels;
    const slots: Omit<Slot, "value">[] = [];
    const add = (name: string, length: number, index: (i: number) => number[]) => {
      for (let i = 0; i < length; i++) slots.push({ name, index: [n, ...index(i)] });
    };
    if (this.#info.kind === "full") {
      add("strf.kernel", C * F * T, (i) => [Math.floor(i / T / F), Math.floor(i / T) % F, i % T]);
    } else if (this.#neurons[n].now.factors.length > 0) {
      add("strf.factor_f", C * F, (i) => [Math.floor(i / F), i % F]);
      add("strf.factor_t", C * T, (i) => [Math.floor(i / T), i % T]);
    }
    return slots;
  }

  #step(way: "undo" | "redo"): void {
    const entry = (way === "undo" ? this.#done : this.#undone).pop();
    if (!entry) return;
    if (way === "undo") {
      entry.gesture = null;
      entry.after = [...entry.before.values()].map((slot) => ({ ...slot, value: this.#read(slot) }));
      for (const slot of entry.before.values()) this.#put(slot);
      this.#undone.push(entry);
    } else {
      for (const slot of entry.after) this.#put(slot);
      this.#done.push(entry);
    }
  }

  #open(gesture: string | null): Entry {
    const last = this.#done.at(-1);
    if (gesture !== null && last?.gesture === gesture) return last;
    return { gesture, before: new Map(), after: [] };
  }

  #close(entry: Entry, ended: boolean): void {
    const known = this.#done.at(-1) === entry;
    const changed = [...entry.before.values()].some((slot) => this.#read(slot) !== slot.value);
    if (!known && changed) {
      this.#done.push(entry);
      this.#done.splice(0, this.#done.length - MOST_UNDO);
      this.#undone = [];
    } else if (known && ended && !changed) this.#done.pop();
    if (ended) entry.gesture = null;
  }

  // ---- values -----------------------------------------------------------------------------------------------

  #place({ name, index }: Omit<Slot, "value">) {
    // Of the prefilter the index is a band, and any neuron will do.
    const neuron = this.#neurons[name.startsWith("prefilter.") ? 0 : index[0]];
    return neuron ? placeOf(neuron.now, name, index, this.#info, this.#axes) : null;
  }

  #read(slot: Omit<Slot, "value">): number {
    const at = this.#place(slot);
    return at ? at.in[at.at] : Number.NaN;
  }

  #put(slot: Slot): void {
    const at = this.#place(slot);
    if (at) at.in[at.at] = slot.value;
  }

  #trainedSlot(neuron: number, slot: Omit<Slot, "value">): Slot {
    const at = placeOf(this.#neurons[neuron].trained, slot.name, slot.index, this.#info, this.#axes);
    return { ...slot, value: at ? at.in[at.at] : Number.NaN };
  }

  /** Set a value and remember the one before. */
  #write(slot: Slot, entry: Entry): void {
    if (!Number.isFinite(slot.value) && !(slot.value === Infinity)) return;
    const key = slotKey(slot);
    if (!entry.before.has(key)) entry.before.set(key, { ...slot, value: this.#read(slot) });
    this.#put(slot);
  }
}

/** Pearson's correlation over the bins where something was recorded; null where it is undefined. */
export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number | null {
  let [n, sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < b.length; i++) {
    if (Number.isNaN(b[i])) continue;
    n += 1;
    sa += a[i];
    sb += b[i];
    saa += a[i] * a[i];
    sbb += b[i] * b[i];
    sab += a[i] * b[i];
  }
  const spread = (n * saa - sa * sa) * (n * sbb - sb * sb);
  return n > 1 && spread > 0 ? (n * sab - sa * sb) / Math.sqrt(spread) : null;
}

/** Id of the element that carries the data of a saved page. */
export const DATA_ID = "deepstrf-bench-data";
