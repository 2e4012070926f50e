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
  type Column,
  type EditName,
  type Failure,
  floats,
  type Info,
  type Message,
  TRAITS,
  type Trait,
  type View,
  type WrittenTrait,
} from "./contract";
import { Counters } from "./counters";
import { type Axes, changed, type Gaussian, gaussianAt, kernelOf } from "./math/field";
import { LatestWins, type Slot } from "./protocol";

type Numbers = Float32Array | Float64Array;

interface Gesture {
  id: string;
  gaussian: number;
  start: Gaussian;
  touched: Set<Column>;
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
  rate: Numbers = new Float32Array(0);
  trainedRate: Numbers = new Float32Array(0);
  psth: Numbers = new Float32Array(0);
  score: number | null = null;
  trainedScore: number | null = null;
  canUndo = false;
  canRedo = false;
  edited = false;
  /** Message of the last refused request; empty when all is well. */
  error = "";
  readonly counters = new Counters();
  /** The trained values are on screen while it is held. */
  peek = false;

  private truth: { gaussians: Numbers; kernel: Numbers } = {
    gaussians: new Float32Array(0),
    kernel: new Float32Array(0),
  };
  private shownGaussians: Float64Array = new Float64Array(0);
  private shownKernel: Numbers = new Float32Array(0);
  private kernelIsStale = false;
  private gesture: Gesture | null = null;
  private gestures = 0;
  private dirty = new Set<Trait>();
  private closed = false;
  private readonly listeners = new Set<(parts: ReadonlySet<Part>) => void>();
  private readonly stop: (() => void)[] = [];

  constructor(
    private readonly model: BenchModel,
    readonly clock: Clock,
  ) {
    this.view = (model.get("view") as View | undefined) ?? "explorer";
    this.queue = new LatestWins({
      client: this.client,
      now: clock.now,
      later: clock.later,
      send: (request, values) => {
        this.post(request, values.length ? [values.buffer] : []);
        this.tell("message");
      },
    });
    this.read(new Set(TRAITS));
    for (const trait of TRAITS) {
      const noticed = () => this.notice(trait);
      model.on(`change:${trait}`, noticed);
      this.stop.push(() => model.off(`change:${trait}`, noticed));
    }
    const heard = (message: Message, buffers?: ArrayLike<unknown>) => this.hear(message, buffers ?? []);
    model.on("msg:custom", heard);
    this.stop.push(() => model.off("msg:custom", heard));
  }

  /** Tell the kernel that the view is on screen, and how wide it is (px): what it puts below is to fit. */
  ready(width: number): void {
    this.post({ type: "ready", client: this.client, width }, []);
  }

  close(): void {
    this.endGesture();
    this.queue.close();
    this.closed = true;
    for (const stop of this.stop.splice(0)) stop();
    this.listeners.clear();
  }

  onChange(listener: (parts: ReadonlySet<Part>) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Whether the arrays belong to the neuron on screen; false for a moment after another one was chosen. */
  get current(): boolean {
    const of = this.model.get("of_neuron");
    return typeof of !== "number" || of === this.neuron;
  }

  get editable(): boolean {
    return this.info.kind === "gaussians" && this.info.n_gaussians > 0 && this.current && !this.peek;
  }

  get inGesture(): boolean {
    return this.gesture !== null;
  }

  // ---- what is on screen ------------------------------------------------------------------------------------

  /** (C, G, 5) on screen. */
  get gaussians(): Numbers {
    return this.peek ? this.trainedGaussians : this.shownGaussians;
  }

  /** (C, F, T) on screen; computed here where the hand is ahead of the kernel. */
  get kernel(): Numbers {
    if (this.peek) return this.trainedKernel;
    if (this.kernelIsStale) {
      this.shownKernel = kernelOf(this.shownGaussians, this.info.n_gaussians, this.axes);
      this.kernelIsStale = false;
    }
    return this.shownKernel;
  }

  gaussian(k: number, of: Numbers = this.gaussians): Gaussian {
    return gaussianAt(of, this.channel * this.info.n_gaussians + k);
  }

  // ---- gestures ---------------------------------------------------------------------------------------------

  /** Begin a gesture on a Gaussian of the channel on screen. An open gesture on another one is ended first. */
  beginGesture(k: number): void {
    this.endGesture();
    this.gestures += 1;
    const id = `${this.client}-${this.gestures}`;
    this.gesture = { id, gaussian: k, start: this.gaussian(k, this.shownGaussians), touched: new Set() };
    this.tell("gesture");
  }

  /** Change columns of the Gaussian in hand, within their limits; repaint now, tell the kernel when it can take it. */
  edit(change: Partial<Gaussian>): void {
    const gesture = this.gesture;
    if (!gesture || !this.editable) return;
    const before = this.gaussian(gesture.gaussian, this.shownGaussians);
    const after = changed(before, change, this.info, this.axes);
    const slots: Slot[] = [];
    for (const column of COLUMNS) {
      if (change[column] === undefined || after[column] === before[column]) continue;
      gesture.touched.add(column);
      slots.push(this.slot(gesture.gaussian, column, after[column]));
    }
    if (slots.length === 0) return;
    this.put(gesture.gaussian, after);
    this.queue.push(gesture.id, slots, "move");
    this.tell("field");
  }

  /** End the open gesture: one undo entry. `cancel` returns to the values it began with. */
  endGesture(cancel = false): void {
    const gesture = this.gesture;
    if (!gesture) return;
    this.gesture = null;
    if (gesture.touched.size > 0) {
      const slots: Slot[] = [];
      if (cancel) {
        this.put(gesture.gaussian, gesture.start);
        for (const column of gesture.touched) {
          slots.push(this.slot(gesture.gaussian, column, gesture.start[column]));
        }
      }
      this.queue.push(gesture.id, slots, "end");
    } else if (this.queue.idle) this.adopt();
    this.tell("field", "gesture");
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
    const { n_gaussians: G } = this.info;
    if (k === null) {
      this.shownGaussians = Float64Array.from(this.trainedGaussians);
      this.shownKernel = this.trainedKernel;
      this.kernelIsStale = false;
      this.queue.command({ type: "revert", names: null, index: [this.neuron] });
    } else if (this.trainedGaussians.length) {
      this.put(k, gaussianAt(this.trainedGaussians, this.channel * G + k));
      const names = COLUMNS.map((column): EditName => `strf.${column}`);
      this.queue.command({ type: "revert", names, index: [this.neuron, this.channel, k] });
    }
    this.tell("field");
  }

  choose(trait: WrittenTrait, value: number): void {
    const last =
      { neuron: this.info.n_neurons, channel: this.info.n_channels, selected: this.info.n_gaussians }[trait] -
      1;
    const next = Math.min(Math.max(Math.round(value), trait === "selected" ? -1 : 0), Math.max(last, 0));
    if (!Number.isFinite(next) || next === this[trait]) return;
    if (trait !== "selected") this.endGesture();
    this[trait] = next;
    this.model.set(trait, next);
    this.model.save_changes();
    this.tell(...PARTS_OF[trait], ...(trait === "neuron" ? (["field", "rate", "score"] as const) : []));
  }

  setPeek(on: boolean): void {
    if (on === this.peek) return;
    if (on) this.endGesture();
    this.peek = on;
    this.tell("peek", "field", "rate", "score");
  }

  // ---- from the kernel --------------------------------------------------------------------------------------

  private notice(trait: Trait): void {
    if (this.dirty.size === 0) {
      queueMicrotask(() => {
        if (this.closed) return;
        const traits = new Set(this.dirty);
        this.dirty.clear();
        this.read(traits);
        const parts = [...traits].flatMap((name) => PARTS_OF[name]);
        this.tell(...parts);
      });
    }
    this.dirty.add(trait);
  }

  private read(traits: ReadonlySet<Trait>): void {
    const get = (name: Trait) => this.model.get(name);
    if (traits.has("info") || traits.has("cf_hz")) {
      this.info = get("info") as Info;
      const cfHz = Float64Array.from(floats(get("cf_hz")));
      this.axes = { cfHz, F: this.info.n_bands, T: this.info.n_lags, dtMs: this.info.dt_ms };
    }
    if (traits.has("stimulus")) this.stimulus = floats(get("stimulus"));
    const neuron = (get("neuron") as number) ?? 0;
    const moved = neuron !== this.neuron || traits.has("of_neuron");
    this.neuron = neuron;
    if (moved) this.abandon();
    this.channel = Math.min((get("channel") as number) ?? 0, this.info.n_channels - 1);
    this.selected = (get("selected") as number) ?? -1;
    if (traits.has("trained_gaussians")) this.trainedGaussians = floats(get("trained_gaussians"));
    if (traits.has("trained_kernel")) this.trainedKernel = floats(get("trained_kernel"));
    if (traits.has("gaussians")) this.truth.gaussians = floats(get("gaussians"));
    if (traits.has("kernel")) this.truth.kernel = floats(get("kernel"));
    if (traits.has("rate")) this.rate = floats(get("rate"));
    if (traits.has("trained_rate")) this.trainedRate = floats(get("trained_rate"));
    if (traits.has("psth")) this.psth = floats(get("psth"));
    if (traits.has("score")) this.score = numberOrNull(get("score"));
    if (traits.has("trained_score")) this.trainedScore = numberOrNull(get("trained_score"));
    if (traits.has("can_undo")) this.canUndo = get("can_undo") === true;
    if (traits.has("can_redo")) this.canRedo = get("can_redo") === true;
    if (traits.has("edited")) this.edited = get("edited") === true;
    if (traits.has("error")) this.error = String(get("error") ?? "");
    const field = traits.has("gaussians") || traits.has("kernel");
    if (moved || (field && !this.holding)) this.adopt();
  }

  private hear(message: Message, buffers: ArrayLike<unknown>): void {
    if (message?.type === "answer") this.hearAnswer(message, buffers);
    else if (message?.type === "error") this.hearFailure(message);
  }

  private hearAnswer(answer: Answer, buffers: ArrayLike<unknown>): void {
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
      parts.add("score");
      let whole = false;
      answer.parts.forEach((part, i) => {
        const values = floats(buffers[i]);
        if (part === "rate") {
          this.rate = values;
          parts.add("rate");
        } else {
          this.truth[part] = values;
          whole = true;
        }
      });
      if (whole && !this.holding) {
        this.adopt();
        parts.add("field");
      }
    } else if (!this.holding) {
      this.adopt();
      parts.add("field");
    }
    this.tell(...parts);
  }

  private hearFailure(failure: Failure): void {
    if (failure.client !== this.client) return;
    this.queue.refuse(failure.seq);
    this.error = failure.text;
    this.abandon();
    this.adopt();
    this.tell("message", "field", "gesture");
  }

  /** The hand or a request is ahead of the truth. */
  private get holding(): boolean {
    return this.gesture !== null || !this.queue.idle;
  }

  private adopt(): void {
    this.shownGaussians = Float64Array.from(this.truth.gaussians);
    this.shownKernel = this.truth.kernel;
    this.kernelIsStale = false;
  }

  /** Close the open gesture where its values no longer mean anything here. */
  private abandon(): void {
    const gesture = this.gesture;
    this.gesture = null;
    if (gesture && gesture.touched.size > 0) this.queue.push(gesture.id, [], "end");
  }

  private put(k: number, g: Gaussian): void {
    const start = 5 * (this.channel * this.info.n_gaussians + k);
    COLUMNS.forEach((column, i) => {
      this.shownGaussians[start + i] = g[column];
    });
    this.kernelIsStale = true;
  }

  private slot(k: number, column: Column, value: number): Slot {
    return { name: `strf.${column}`, index: [this.neuron, this.channel, k], value };
  }

  private post(content: unknown, buffers: ArrayBuffer[]): void {
    this.model.send(content, undefined, buffers);
  }

  private tell(...parts: Part[]): void {
    if (this.closed || parts.length === 0) return;
    const set = new Set(parts);
    for (const listener of this.listeners) listener(set);
  }
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
