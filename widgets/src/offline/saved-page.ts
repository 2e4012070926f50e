/**
 * The model of a page without a kernel: it answers the requests of a bench from a `LocalSession`, as Python's
 * `LiveSession` would. A saved page carries its data in an element of its own.
 */

import { floats } from "../base/bytes";
import { type Answer, type AnswerPart, type Fit, type Info, PARTS, type Request } from "../kernel/contract";
import type { Slot } from "../kernel/request-queue";
import { levelOf } from "../math/fit";
import { axesOf, LocalSession, type Numbers, type Pair } from "../state/local-session";
import { type Origin, StateText } from "./state-text";
import { StaticModel } from "./static-model";

/** Id of the element that carries the data of a saved page. */
export const DATA_ID = "deepstrf-bench-data";

const NO_KERNEL = "Only a kernel could tell; this page has none.";

type Base64 = string;

/**
 * What Python writes for one neuron: little-endian float32 in base64. Responses are those to all sounds, one after the
 * other, and with `half` in float16.
 */
type Own = Exclude<AnswerPart, "prefilter">;
export type SavedNeuron = Record<Own | `trained_${Own}` | "psth", Base64> & {
  /** Of recorded trials to each sound, as the trait `spikes`; pages of before have none. */
  spikes?: Base64[];
};
export interface Saved {
  view: string;
  info: Info;
  /** What of the bench in Python the page has. */
  origin: Origin;
  cf_hz: Base64;
  /** All sounds, (F, bins) each, one after the other. */
  stimulus: Base64;
  /** Their lengths in bins. */
  bins: number[];
  /** Sounds and responses are in float16. */
  half: boolean;
  prefilter: Base64;
  trained_prefilter: Base64;
  neuron: number;
  channel: number;
  neurons: SavedNeuron[];
}

const bytesOf = (text: Base64) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const decode = (text: Base64) => floats(bytesOf(text));
/** Values of little-endian float16. */
function decodeHalf(text: Base64): Float32Array {
  const view = new DataView(bytesOf(text).buffer);
  return Float32Array.from({ length: view.byteLength / 2 }, (_, i) => {
    const bits = view.getUint16(2 * i, true);
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
    const sign = bits >> 15 ? -1 : 1;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : (2 ** -14 * fraction) / 1024);
  });
}
const encode = (values: ArrayLike<number>) => new DataView(Float32Array.from(values).buffer);
/** What is edited of one neuron alone. */
const OWN = ["gaussians", "activation", "factors", "cells"] as const;

/** The responses of a neuron to all sounds, one after the other. */
interface Responses {
  rate: Numbers;
  trained_rate: Numbers;
  psth: Numbers;
}

export class SavedPageModel extends StaticModel {
  readonly #session = new LocalSession();
  readonly #info: Info;
  readonly #stimuli: Numbers;
  /** Where each sound begins, and where the last ends, in bins of all. */
  readonly #starts: number[];
  readonly #responses: Responses[];
  readonly #spikes: Base64[][];
  readonly #later: (answer: () => void) => void;
  readonly #text: StateText;

  /** `later` runs an answer, as from a kernel, once the sender has finished what it is doing. */
  constructor(saved: Saved, later: (answer: () => void) => void = (answer) => queueMicrotask(answer)) {
    const { info, view, neuron, channel, bins } = saved;
    const cfHz = decode(saved.cf_hz);
    super({
      ...{ view, info, neuron, channel, sound: info.sound, selected: -1, error: "", width: 0, revision: 0 },
      cf_hz: encode(cfHz),
    });
    this.#later = later;
    this.#info = info;
    const played = saved.half ? decodeHalf : decode;
    this.#stimuli = played(saved.stimulus);
    this.#starts = [0];
    for (const n of bins) this.#starts.push((this.#starts.at(-1) ?? 0) + n);
    this.#responses = saved.neurons.map(({ rate, trained_rate, psth }) => ({
      ...{ rate: played(rate), trained_rate: played(trained_rate), psth: played(psth) },
    }));
    this.#spikes = saved.neurons.map(({ spikes }) => spikes ?? []);
    this.#session.begin(info, axesOf(info, cfHz), new Float32Array(0));
    const [prefilter, trainedPrefilter] = [decode(saved.prefilter), decode(saved.trained_prefilter)];
    saved.neurons.forEach((n, i) => {
      const { now, trained } = this.#session.add(i);
      const arrays = (prefix: "" | "trained_") => ({
        gaussians: decode(n[`${prefix}gaussians`]),
        factors: decode(n[`${prefix}factors`]),
        kernel: decode(info.kind === "full" ? n[`${prefix}kernel`] : ""),
        activation: decode(n[`${prefix}activation`]),
        rate: this.#part(this.#responses[i][`${prefix}rate`]),
        affine: decode(n[`${prefix}affine`]),
      });
      now.adopt({ ...arrays(""), prefilter });
      trained.adopt({ ...arrays("trained_"), prefilter: trainedPrefilter });
      // One array for all neurons: an edit of the prefilter is one of each.
      const [first] = this.#session.neurons.values();
      now.prefilter = first.now.prefilter;
    });
    this.#text = new StateText(this.#session, saved.origin);
    this.#play(info.sound);
    this.#publish();
    this.save_changes();
    this.saved = (changes) => {
      const changed = (trait: string) => changes.some(([name]) => name === trait);
      if (changed("sound")) this.#play(this.get("sound") as number);
      else if (changed("neuron")) this.#session.forget();
      else return;
      this.#later(() => this.#publish());
    };
  }

  /** The whole state as a text: all edits, and what is on screen. `explorer.restore` takes it, too. */
  state(): Promise<string> {
    const [neuron, sound, channel] = ["neuron", "sound", "channel"].map((name) => this.get(name) as number);
    return this.#text.write({ neuron, sound, channel });
  }

  /** Make the page what such a text holds: one step to undo. An Error says why nothing has been changed. */
  async restore(text: string): Promise<void> {
    const { neuron, sound, channel } = await this.#text.read(text);
    if (sound !== this.get("sound")) {
      this.set("sound", sound);
      this.#play(sound);
    }
    this.set("neuron", neuron);
    this.set("channel", channel);
    this.#publish();
  }

  /** What of values over all sounds, `rows` of them a bin, is of the sound on screen. */
  #part(values: Numbers, rows = 1): Numbers {
    const sound = this.get("sound") as number;
    return values.slice(rows * this.#starts[sound], rows * this.#starts[sound + 1]);
  }

  /** Put a sound on screen. */
  #play(sound: number): void {
    const { axes } = this.#session;
    const stimulus = this.#part(this.#stimuli, axes.F);
    const info = { ...this.#info, sound, n_frames: this.#starts[sound + 1] - this.#starts[sound] };
    this.#session.begin(info, axes, stimulus);
    for (const [i, { now, trained }] of this.#session.neurons) {
      now.follow(this.#part(this.#responses[i].rate));
      trained.follow(this.#part(this.#responses[i].trained_rate));
    }
    this.set("info", info);
    this.set("stimulus", encode(stimulus));
  }

  get #psth(): Numbers {
    return this.#part(this.#responses[this.#neuron].psth);
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
      sound_score: null,
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
    const { gaussians, kernel, factors, prefilter, activation, affine } = one;
    return { gaussians, kernel, factors, prefilter, activation, affine, rate: one.computedRate ?? one.rate };
  }

  #flags() {
    const { canUndo: can_undo, canRedo: can_redo } = this.#session;
    return { ...this.#scored("now"), can_undo, can_redo };
  }

  /** The score, and what of it is not blind to gain and offset; what the trials would tell of noise was not saved. */
  #scored(which: "now" | "trained"): { score: number | null; fit: Fit } {
    const { r, ...fit } = levelOf(this.#arrays(which).rate, this.#psth);
    return { score: r, fit: { ...fit, normalized_explained: null } };
  }

  /** Set the traits of the neuron on screen. */
  #publish(): void {
    const { now, trained } = this.#pair;
    const [arrays, then] = [this.#arrays(), this.#arrays("trained")];
    const trainedScore = this.#scored("trained");
    const state = {
      ...Object.fromEntries(PARTS.map((part) => [part, encode(arrays[part])])),
      ...Object.fromEntries(PARTS.map((part) => [`trained_${part}`, encode(then[part])])),
      ...{ psth: encode(this.#psth), ...this.#flags() },
      spikes: encode(decode(this.#spikes[this.#neuron][this.get("sound") as number] ?? "")),
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
