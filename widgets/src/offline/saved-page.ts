/**
 * The model of a page without a kernel: it answers the requests of a bench from a `LocalSession`, as Python's
 * `LiveSession` would. A saved page carries its data in an element of its own.
 */

import { floats } from "../base/bytes";
import {
  type Answer,
  type Fit,
  type Info,
  PARTS,
  type Request,
  TRAINED_PARTS,
  type TrainedPart,
} from "../kernel/contract";
import type { Slot } from "../kernel/request-queue";
import { levelOf } from "../math/fit";
import { axesOf, LocalSession, type Numbers, type Pair } from "../state/local-session";
import { StaticModel } from "./static-model";

/** Id of the element that carries the data of a saved page. */
export const DATA_ID = "deepstrf-bench-data";

const NO_KERNEL = "Only a kernel could tell: this page has none, and cannot compute the model itself.";

type Base64 = string;

/** What Python writes for one neuron: little-endian float32 in base64. */
type Own = Exclude<TrainedPart, "prefilter">;
export type SavedNeuron = Record<Own | `trained_${Own}` | "folding" | "psth", Base64>;
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

const decode = (text: Base64) => floats(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
const encode = (values: ArrayLike<number>) => new DataView(Float32Array.from(values).buffer);
/** What is edited of one neuron alone. */
const OWN = ["gaussians", "activation", "factors", "cells"] as const;

export class SavedPageModel extends StaticModel {
  readonly #session = new LocalSession();
  readonly #psths: Numbers[];
  readonly #later: (answer: () => void) => void;

  /** `later` runs an answer, as from a kernel, once the sender has finished what it is doing. */
  constructor(saved: Saved, later: (answer: () => void) => void = (answer) => queueMicrotask(answer)) {
    const { info, view, neuron, channel } = saved;
    const [cfHz, stimulus] = [decode(saved.cf_hz), decode(saved.stimulus)];
    super({
      ...{ view, info, neuron, channel, selected: -1, error: "", width: 0, revision: 0 },
      ...{ cf_hz: encode(cfHz), stimulus: encode(stimulus) },
    });
    this.#later = later;
    this.#session.begin(info, axesOf(info, cfHz), stimulus);
    const [prefilter, trainedPrefilter] = [decode(saved.prefilter), decode(saved.trained_prefilter)];
    saved.neurons.forEach((n, i) => {
      const { now, trained } = this.#session.add(i);
      const arrays = (prefix: "" | "trained_") => ({
        gaussians: decode(n[`${prefix}gaussians`]),
        factors: decode(n[`${prefix}factors`]),
        kernel: decode(info.kind === "full" ? n[`${prefix}kernel`] : ""),
        activation: decode(n[`${prefix}activation`]),
        rate: decode(n[`${prefix}rate`]),
        folding: decode(n.folding),
      });
      now.adopt({ ...arrays(""), prefilter });
      trained.adopt({ ...arrays("trained_"), prefilter: trainedPrefilter });
      // One array for all neurons: an edit of the prefilter is one of each.
      const [first] = this.#session.neurons.values();
      now.prefilter = first.now.prefilter;
    });
    this.#psths = saved.neurons.map((n) => decode(n.psth));
    this.#publish();
    this.save_changes();
    this.saved = (changes) => {
      if (!changes.some(([name]) => name === "neuron")) return;
      this.#session.forget();
      this.#later(() => this.#publish());
    };
  }

  override send(content: unknown, _callbacks?: unknown, buffers: ArrayBuffer[] = []): void {
    const request = content as Request;
    if (request.type === "explain") {
      const { client, seq } = request;
      this.#later(() => this.message({ type: "explanation", client, seq, text: NO_KERNEL }));
      return;
    }
    const begun = performance.now();
    const session = this.#session;
    if (request.type === "edit") {
      session.apply(slotsOf(request.edits, floats(buffers[0])), request.gesture);
      if (request.phase === "end") session.end(request.gesture);
    } else if (request.type === "revert") session.revert(request.names, request.index ?? []);
    else if (request.type !== "restore") session[request.type]();
    const settled = request.type !== "edit" || request.phase === "end";
    const { client, seq } = request;
    const answer: Omit<Answer, "revision"> = {
      ...{ type: "answer", client, seq, settled, neuron: this.#neuron, ...this.#flags() },
      // Not without the trials.
      normalized_score: null,
      work_ms: performance.now() - begun,
      parts: [],
    };
    this.#later(() => {
      if (settled) this.#publish();
      this.message({ ...answer, revision: this.get("revision") });
    });
  }

  get #neuron(): number {
    return this.get("neuron") as number;
  }

  get #pair(): Pair {
    return this.#session.neurons.get(this.#neuron) as Pair;
  }

  #arrays(which: "now" | "trained" = "now") {
    const one = this.#pair[which];
    const { gaussians, kernel, factors, prefilter, activation, folding } = one;
    return { gaussians, kernel, factors, prefilter, activation, folding, rate: one.computedRate ?? one.rate };
  }

  #flags() {
    const { canUndo: can_undo, canRedo: can_redo } = this.#session;
    return { ...this.#scored("now"), can_undo, can_redo };
  }

  /** The score, and what of it is not blind to gain and offset; what the trials would tell of noise was not saved. */
  #scored(which: "now" | "trained"): { score: number | null; fit: Fit } {
    const { r, ...fit } = levelOf(this.#arrays(which).rate, this.#psths[this.#neuron]);
    return { score: r, fit: { ...fit, normalized_explained: null } };
  }

  /** Set the traits of the neuron on screen. */
  #publish(): void {
    const { now, trained } = this.#pair;
    const [arrays, then] = [this.#arrays(), this.#arrays("trained")];
    const trainedScore = this.#scored("trained");
    const state = {
      ...Object.fromEntries(PARTS.map((part) => [part, encode(arrays[part])])),
      ...Object.fromEntries(TRAINED_PARTS.map((part) => [`trained_${part}`, encode(then[part])])),
      ...{ psth: encode(this.#psths[this.#neuron]), ...this.#flags() },
      ...{ trained_score: trainedScore.score, trained_fit: trainedScore.fit },
      edited: OWN.some((name) => now[name].some((value, i) => value !== trained[name][i])),
      of_neuron: this.#neuron,
      revision: (this.get("revision") as number) + 1,
    };
    for (const [name, value] of Object.entries(state)) this.set(name, value);
  }
}

/** One slot for each value of the edits. */
function slotsOf(edits: { name: string; index: number[]; count?: number }[], values: Float32Array): Slot[] {
  const slots: Slot[] = [];
  for (const { name, index, count = 1 } of edits) {
    const last = index.length - 1;
    for (let i = 0; i < count; i++) {
      const at = [...index.slice(0, last), index[last] + i];
      slots.push({ name, index: at, value: values[slots.length] });
    }
  }
  return slots;
}
