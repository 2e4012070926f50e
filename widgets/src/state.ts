/**
 * What one view shows: the kernel's truth, the preview that a hand has drawn ahead of it, and the way between them.
 *
 * No elements here. Panels read the fields, call the methods and are told which parts changed.
 */

import { PARTS_OF, type Part } from "./changes";
import {
  type Answer,
  type BenchModel,
  COLUMNS,
  type Failure,
  floats,
  type Info,
  type Message,
  PARTS,
  type Trait,
  type View,
  type WrittenTrait,
} from "./contract";
import { Counters } from "./counters";
import type { Cleanup } from "./dom";
import { clamp } from "./math/clamp";
import { type Axes, changed, type Gaussian, gaussianAt } from "./math/field";
import { NOTHING, type Numbers, Preview, type Truth } from "./preview";
import { LatestWins, type Slot, slotKey } from "./protocol";

interface Gesture {
  id: string;
  gaussian: number;
  /** What each slot held before it was touched. */
  start: Map<string, Slot>;
}

export interface Clock {
  now(): number;
  later(callback: () => void, ms: number): () => void;
}

export class BenchState {
  readonly client = Math.random().toString(36).slice(2, 12);
  readonly queue: LatestWins;
  readonly view: View;
  info!: Info;
  axes!: Axes;
  stimulus: Float32Array = new Float32Array(0);
  neuron = 0;
  channel = 0;
  selected = -1;
  trainedGaussians: Numbers = new Float32Array(0);
  trainedKernel: Numbers = new Float32Array(0);
  trainedFactors: Numbers = new Float32Array(0);
  trainedPrefilter: Numbers = new Float32Array(0);
  trainedActivation: Numbers = new Float32Array(0);
  trainedRate: Numbers = new Float32Array(0);
  psth: Numbers = new Float32Array(0);
  /** Recorded trials, (n_trials, n_frames); empty while the lane that shows them is closed. */
  trials = new Float32Array(0);
  /** Which lanes are open, and which stage of the model is in hand ("" where nobody has chosen one). */
  lanes: readonly string[] = [];
  stage = "";
  score: number | null = null;
  trainedScore: number | null = null;
  /** The same for the noise-free response (CCnorm); null without repeated trials. */
  normalizedScore: number | null = null;
  trainedNormalizedScore: number | null = null;
  canUndo = false;
  canRedo = false;
  edited = false;
  /** Message of the last refused request; empty when all is well. */
  error = "";
  readonly counters = new Counters();
  /** The trained values are on screen while it is held. */
  peek = false;

  readonly shown = new Preview();
  /** Made when the trained values are looked at, and thrown away with the look. */
  #asTrained: Preview | null = null;
  #truth: Truth = NOTHING();
  #gesture: Gesture | null = null;
  #gestures = 0;
  #dirty = new Set<Trait>();
  #closed = false;
  readonly #listeners = new Set<(parts: ReadonlySet<Part>) => void>();
  readonly #stop: (() => void)[] = [];

  readonly #model: BenchModel;

  constructor(
    model: BenchModel,
    readonly clock: Clock,
  ) {
    this.#model = model;
    this.view = (model.get("view") as View | undefined) ?? "explorer";
    this.queue = new LatestWins({
      client: this.client,
      now: clock.now,
      later: clock.later,
      send: (request, values) => {
        this.#post(request, values.length ? [values.buffer] : []);
        this.#tell("message");
      },
    });
    const traits = Object.keys(PARTS_OF) as Trait[];
    this.#read(new Set(traits));
    for (const trait of traits) {
      const noticed = () => this.#notice(trait);
      model.on(`change:${trait}`, noticed);
      this.#stop.push(() => model.off(`change:${trait}`, noticed));
    }
    const heard = (message: Message, buffers?: ArrayLike<unknown>) => this.#hear(message, buffers ?? []);
    model.on("msg:custom", heard);
    this.#stop.push(() => model.off("msg:custom", heard));
  }

  /** Tell the kernel how wide the view is (px): what it puts below is to fit. 0: nobody looks any more. */
  tellWidth(width: number): void {
    if (width < 0 || width === this.#model.get("width")) return;
    this.#model.set("width", width);
    this.#model.save_changes();
  }

  /** Say what went wrong in the page; empty when all is well again. */
  complain(text: string): void {
    this.error = text;
    this.#tell("message");
  }

  /** Gradient map (C, F, T); empty until it is asked for. */
  gradient: Numbers = new Float32Array(0);
  /** Whether it is asked for; null where nobody could make one. */
  wantsGradient: boolean | null = null;

  askGradient(on: boolean): void {
    this.#model.set("wants_gradient", on);
    this.#model.save_changes();
    this.wantsGradient = on;
    this.#tell("field");
  }

  close(): void {
    this.endGesture();
    this.queue.close();
    this.#closed = true;
    for (const stop of this.#stop.splice(0)) stop();
    this.#listeners.clear();
  }

  onChange(listener: (parts: ReadonlySet<Part>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Call a painter now and whenever one of these parts changes, until a view goes away. */
  watch(cleanup: Pick<Cleanup, "add">, parts: Part[], paint: () => void): void {
    cleanup.add(
      this.onChange((changed) => {
        if (parts.some((part) => changed.has(part))) paint();
      }),
    );
    paint();
  }

  /** Whether the arrays belong to the neuron on screen; false for a moment after another one was chosen. */
  get current(): boolean {
    const of = this.#model.get("of_neuron");
    return typeof of !== "number" || of === this.neuron;
  }

  get editable(): boolean {
    return this.info.kind === "gaussians" && this.info.n_gaussians > 0 && this.current && !this.peek;
  }

  /** Whether a brush may change the field, or the profiles that make it. */
  paintable(name: string): boolean {
    const { limits, locked } = this.info;
    return name in limits && !locked.includes(name) && this.current && !this.peek;
  }

  get inGesture(): boolean {
    return this.#gesture !== null;
  }

  /** Tells one gesture from the next: who began one ends only that. Null between gestures. */
  get gestureId(): string | null {
    return this.#gesture?.id ?? null;
  }

  // ---- what is on screen ------------------------------------------------------------------------------------

  /** (C, G, 5) on screen. */
  get gaussians(): Numbers {
    return this.peek ? this.trainedGaussians : this.shown.gaussians;
  }

  /** (C, F, T) on screen. */
  get kernel(): Numbers {
    return this.peek ? this.trainedKernel : this.shown.kernel;
  }

  /** Profiles of a separable field on screen: (C, F), then (C, T). */
  get factors(): Numbers {
    return this.peek ? this.trainedFactors : this.shown.factors;
  }

  /** (rows, F) on screen. */
  get prefilter(): Numbers {
    return this.peek ? this.trainedPrefilter : this.shown.prefilter;
  }

  /** Parameters of the output curve on screen. */
  get activation(): Numbers {
    return this.peek ? this.trainedActivation : this.shown.activation;
  }

  /** Spectrograms after adaptation, (C, F, n); null where the page cannot compute them. */
  get adapted(): Float64Array | null {
    return this.#onScreen.adapted;
  }

  /** Drive of the output curve on screen; null where the page cannot compute it. */
  get drive(): Float64Array | null {
    return this.#onScreen.drive;
  }

  /** What the page computes from: the numbers in hand, or while they are held on screen the trained ones. */
  get #onScreen(): Preview {
    if (!this.peek) return this.shown;
    if (!this.#asTrained) {
      this.#asTrained = new Preview();
      this.#asTrained.begin(this.info, this.axes, this.stimulus);
      this.#asTrained.adopt({
        gaussians: this.trainedGaussians,
        kernel: this.trainedKernel,
        factors: this.trainedFactors,
        prefilter: this.trainedPrefilter,
        activation: this.trainedActivation,
        rate: this.trainedRate,
        folding: this.shown.folding,
      });
    }
    return this.#asTrained;
  }

  /** Response on screen. */
  get rate(): Numbers {
    return this.peek ? this.trainedRate : this.shown.rate;
  }

  gaussian(k: number, of: Numbers = this.gaussians): Gaussian {
    return gaussianAt(of, this.channel * this.info.n_gaussians + k);
  }

  // ---- gestures ---------------------------------------------------------------------------------------------

  /** Begin a gesture, on a Gaussian of the channel on screen or on other parameters. An open one is ended first. */
  beginGesture(k = -1): void {
    this.endGesture();
    this.#gestures += 1;
    this.#gesture = { id: `${this.client}-${this.#gestures}`, gaussian: k, start: new Map() };
    this.#tell("gesture");
  }

  /** Change columns of the Gaussian in hand, within their limits. */
  edit(change: Partial<Gaussian>): void {
    const gesture = this.#gesture;
    if (!gesture || gesture.gaussian < 0 || !this.editable) return;
    const { gaussian: k } = gesture;
    const before = this.gaussian(k, this.shown.gaussians);
    const after = changed(before, change, this.info, this.axes);
    const slots = COLUMNS.filter((column) => change[column] !== undefined).map((column) => ({
      name: `strf.${column}`,
      index: [this.neuron, this.channel, k],
      value: after[column],
    }));
    this.set(slots);
  }

  /** Set parameters in the open gesture: repaint now, tell the kernel when it can take it. */
  set(slots: Slot[]): void {
    const shown = this.shown;
    const gesture = this.#gesture;
    if (!gesture || !this.current || this.peek) return;
    const moved = slots.filter(
      (slot) =>
        Number.isFinite(slot.value) &&
        shown.read(slot) !== slot.value &&
        !this.info.locked.includes(slot.name),
    );
    if (moved.length === 0) return;
    for (const slot of moved) {
      const key = slotKey(slot);
      if (!gesture.start.has(key)) gesture.start.set(key, { ...slot, value: shown.read(slot) });
    }
    for (const slot of moved) shown.write(slot);
    this.queue.push(gesture.id, moved, "move");
    this.#tell(...partsOf(moved));
  }

  /** End the open gesture: one undo entry. `cancel` returns to the values it began with. */
  endGesture(cancel = false): void {
    const gesture = this.#gesture;
    if (!gesture) return;
    this.#gesture = null;
    const parts = partsOf([...gesture.start.values()]);
    if (gesture.start.size > 0) {
      // Centres first: a width in octaves is read at the centre that is there then.
      const back = cancel ? [...gesture.start.values()] : [];
      back.sort((a, b) => Number(b.name === "strf.center_hz") - Number(a.name === "strf.center_hz"));
      for (const slot of back) this.shown.write(slot);
      this.queue.push(gesture.id, back, "end");
    } else if (this.queue.idle) this.#adopt();
    this.#tell("field", "gesture", ...parts);
  }

  undo(): void {
    this.endGesture();
    this.queue.command({ type: "undo" });
  }

  redo(): void {
    this.endGesture();
    this.queue.command({ type: "redo" });
  }

  /** Back to the trained values: one Gaussian of the channel on screen, or all of the neuron. */
  revert(k: number | null): void {
    if (!this.current) return;
    this.endGesture();
    const all = k === null;
    const G = this.info.n_gaussians;
    const first = this.channel * G + (k ?? 0);
    for (let i = all ? 0 : first; 5 * i < this.trainedGaussians.length && (all || i === first); i++) {
      this.shown.put(i, gaussianAt(this.trainedGaussians, i));
    }
    if (all) this.shown.repaint(this.trainedKernel, this.trainedFactors);
    const names = all ? null : this.unlocked(COLUMNS.map((column) => `strf.${column}`));
    this.queue.command({
      type: "revert",
      names,
      index: all ? [this.neuron] : [this.neuron, this.channel, k],
    });
    this.#tell("field", "rate");
  }

  /** Back to the trained values of the named parameters, at a part of their index or as a whole. */
  revertNames(names: string[], index: number[] | null): void {
    if (!this.current) return;
    this.endGesture();
    const all = this.unlocked(names);
    this.info.activation.names.forEach((column, i) => {
      const name = `activation.${column}`;
      const here = all.includes(name) && (index === null || index[0] === this.neuron);
      if (here) this.shown.write({ name, index: [this.neuron], value: this.trainedActivation[i] });
    });
    this.info.prefilter.rows.forEach((name, row) => {
      const { F } = this.axes;
      for (let band = 0; all.includes(name) && band < F; band++) {
        const here = index === null || index[0] === band;
        if (here) this.shown.write({ name, index: [band], value: this.trainedPrefilter[row * F + band] });
      }
    });
    this.queue.command({ type: "revert", names: all, index });
    this.#tell("adaptation", "curve", "rate");
  }

  /** Those of the names that may be edited here. */
  unlocked(names: string[]): string[] {
    return names.filter((name) => !this.info.locked.includes(name));
  }

  choose(trait: WrittenTrait, value: number): void {
    const last =
      { neuron: this.info.n_neurons, channel: this.info.n_channels, selected: this.info.n_gaussians }[trait] -
      1;
    const next = clamp(Math.round(value), trait === "selected" ? -1 : 0, Math.max(last, 0));
    if (!Number.isFinite(next) || next === this[trait]) return;
    if (trait !== "selected") this.endGesture();
    this[trait] = next;
    this.#model.set(trait, next);
    this.#model.save_changes();
    this.#tell(
      ...PARTS_OF[trait],
      ...(trait === "neuron" ? (["field", "curve", "rate", "score"] as const) : []),
    );
  }

  openLanes(names: string[]): void {
    this.lanes = names;
    this.#model.set("lanes", names);
    this.#model.save_changes();
    this.#tell("lanes");
  }

  chooseStage(name: string): void {
    if (name === this.stage) return;
    this.stage = name;
    this.#model.set("stage", name);
    this.#model.save_changes();
  }

  setPeek(on: boolean): void {
    if (on === this.peek) return;
    if (on) this.endGesture();
    this.peek = on;
    this.#asTrained = null;
    this.#tell("peek", "field", "adaptation", "curve", "rate", "score");
  }

  // ---- from the kernel --------------------------------------------------------------------------------------

  #notice(trait: Trait): void {
    if (this.#dirty.size === 0) {
      queueMicrotask(() => {
        if (this.#closed) return;
        const traits = new Set(this.#dirty);
        this.#dirty.clear();
        this.#read(traits);
        const parts = [...traits].flatMap((name) => PARTS_OF[name]);
        this.#tell(...parts);
      });
    }
    this.#dirty.add(trait);
  }

  #read(traits: ReadonlySet<Trait>): void {
    const get = (name: Trait) => this.#model.get(name);
    if (traits.has("info") || traits.has("cf_hz")) {
      this.info = get("info") as Info;
      const cfHz = Float64Array.from(floats(get("cf_hz")));
      this.axes = { cfHz, F: this.info.n_bands, T: this.info.n_lags, dtMs: this.info.dt_ms };
    }
    if (traits.has("stimulus")) this.stimulus = floats(get("stimulus"));
    if (traits.has("info") || traits.has("cf_hz") || traits.has("stimulus")) {
      this.shown.begin(this.info, this.axes, this.stimulus);
    }
    this.#asTrained = null;
    const neuron = (get("neuron") as number) ?? 0;
    const moved = neuron !== this.neuron || traits.has("of_neuron");
    this.neuron = neuron;
    if (moved) this.#abandon();
    this.channel = Math.min((get("channel") as number) ?? 0, this.info.n_channels - 1);
    this.selected = (get("selected") as number) ?? -1;
    const take = (name: Trait, keep: (value: unknown) => void) => {
      if (traits.has(name)) keep(get(name));
    };
    take("trained_gaussians", (value) => {
      this.trainedGaussians = floats(value);
    });
    take("trained_kernel", (value) => {
      this.trainedKernel = floats(value);
    });
    take("trained_factors", (value) => {
      this.trainedFactors = floats(value);
    });
    take("trained_prefilter", (value) => {
      this.trainedPrefilter = floats(value);
    });
    take("trained_activation", (value) => {
      this.trainedActivation = floats(value);
    });
    const news = PARTS.filter((part) => traits.has(part));
    for (const part of news) this.#truth[part] = floats(get(part));
    take("trained_rate", (value) => {
      this.trainedRate = floats(value);
    });
    take("psth", (value) => {
      this.psth = floats(value);
    });
    take("trials", (value) => {
      this.trials = floats(value);
    });
    take("lanes", (value) => {
      this.lanes = (value as string[] | undefined) ?? [];
    });
    take("stage", (value) => {
      this.stage = String(value ?? "");
    });
    take("normalized_score", (value) => {
      this.normalizedScore = numberOrNull(value);
    });
    take("trained_normalized_score", (value) => {
      this.trainedNormalizedScore = numberOrNull(value);
    });
    take("score", (value) => {
      this.score = numberOrNull(value);
    });
    take("trained_score", (value) => {
      this.trainedScore = numberOrNull(value);
    });
    take("can_undo", (value) => {
      this.canUndo = value === true;
    });
    take("can_redo", (value) => {
      this.canRedo = value === true;
    });
    take("edited", (value) => {
      this.edited = value === true;
    });
    take("gradient", (value) => {
      this.gradient = floats(value);
    });
    take("wants_gradient", (value) => {
      this.wantsGradient = typeof value === "boolean" ? value : null;
    });
    take("error", (value) => {
      this.error = String(value ?? "");
    });
    if (moved || (news.length > 0 && !this.#holding)) this.#adopt();
  }

  #hear(message: Message, buffers: ArrayLike<unknown>): void {
    if (message?.type === "answer") this.#hearAnswer(message, buffers);
    else if (message?.type === "error") this.#hearFailure(message);
  }

  #hearAnswer(answer: Answer, buffers: ArrayLike<unknown>): void {
    if (answer.client === this.client) {
      const verdict = this.queue.answer(answer.seq, answer.work_ms);
      if (verdict.stale) return;
      this.counters.answered(this.clock.now(), verdict.rttMs);
    }
    this.error = "";
    const parts = new Set<Part>(["message", "history"]);
    this.canUndo = answer.can_undo;
    this.canRedo = answer.can_redo;
    if (answer.neuron === this.neuron && this.current) {
      this.score = numberOrNull(answer.score);
      this.normalizedScore = numberOrNull(answer.normalized_score);
      parts.add("score");
      answer.parts.forEach((part, i) => {
        this.#truth[part] = floats(buffers[i]);
      });
    }
    // While a hand is ahead, its own preview stays; what the page cannot compute itself follows the kernel.
    if (!this.#holding) {
      this.#adopt();
      for (const part of ["field", "adaptation", "curve", "rate"] as const) parts.add(part);
    } else if (!this.info.local) {
      this.shown.follow(this.#truth.rate);
      parts.add("rate");
    }
    this.#tell(...parts);
  }

  #hearFailure(failure: Failure): void {
    if (failure.client !== this.client) return;
    this.queue.refuse(failure.seq);
    this.error = failure.text;
    this.#abandon();
    this.#adopt();
    this.#tell("message", "field", "adaptation", "curve", "rate", "gesture");
  }

  /** The hand or a request is ahead of the truth. */
  get #holding(): boolean {
    return this.#gesture !== null || !this.queue.idle;
  }

  #adopt(): void {
    this.shown.adopt({ ...this.#truth });
  }

  /** Close the open gesture where its values no longer mean anything here. */
  #abandon(): void {
    const gesture = this.#gesture;
    this.#gesture = null;
    if (gesture && gesture.start.size > 0) this.queue.push(gesture.id, [], "end");
  }

  #post(content: unknown, buffers: ArrayBuffer[]): void {
    this.#model.send(content, undefined, buffers);
  }

  #tell(...parts: Part[]): void {
    if (this.#closed || parts.length === 0) return;
    const set = new Set(parts);
    for (const listener of this.#listeners) listener(set);
  }
}

const PART_OF_STAGE: Record<string, Part[]> = {
  strf: ["field", "rate"],
  prefilter: ["adaptation", "rate"],
  activation: ["curve", "rate"],
};

function partsOf(slots: Slot[]): Part[] {
  return [...new Set(slots.flatMap(({ name }) => PART_OF_STAGE[name.split(".")[0]] ?? []))];
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
