/**
 * One view between its user and its kernel: edits are shown at once and sent, answers and traits are taken over.
 *
 * No elements here. Panels read the fields, call the methods and are notified of the parts that changed.
 */

import { floats } from "../base/bytes";
import { clamp } from "../base/clamp";
import type { Cleanup } from "../base/dom";
import type { Connection } from "../kernel/connection";
import {
  type Answer,
  type BenchModel,
  COLUMNS,
  type Failure,
  type Message,
  type Motion,
  type Scores,
  type Trait,
  type WrittenTrait,
} from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import { mean, RequestQueue, type Slot, slotKey } from "../kernel/request-queue";
import { changed, type Gaussian } from "../math/field";
import { Moment } from "./moment";
import { PARTS_OF_TRAIT, type Part } from "./parts";
import { numberOrNull, ViewState } from "./view-state";

export interface Clock {
  now(): number;
  later(callback: () => void, ms: number): () => void;
}

/** One animation frame at 60 Hz, rounded up: two moments as far apart are never painted together. */
const FRAME_MS = 17;

/** So many steps of a fit are answered together; less than `UNPAINTED` of `bench/widget.py`. */
const PER_ANSWER = 2;

/**
 * The views of each widget on this page, by the bytes of its `cf_hz`: they stay the same object, while anywidget gives
 * every view a model object of its own.
 */
const views = new WeakMap<object, Set<BenchState>>();

/** Told later: in a drag it would be true and untrue in every frame, and each change lays the page out anew. */
const OLD_AFTER_MS = 400;

/** Edits without their kernel: those it had saved, and what has been set since. */
export interface LeftEdits {
  saved: string;
  since: Slot[];
}

export class BenchState extends ViewState {
  readonly client = Math.random().toString(36).slice(2, 12);
  readonly queue: RequestQueue;
  /** The moment of the response that is looked into. */
  readonly moment: Moment;
  /** Round trip of the last answer to this view in ms; null while none could be measured. */
  rttMs: number | null = null;
  /** The open gesture, and the Gaussian that it moves (-1 for none). */
  #gesture: { id: string; gaussian: number } | null = null;
  #gestures = 0;
  /** What the user has set since the kernel last knew all of it: a fit that moves the model does not change it. */
  #userEdits = new Map<string, Slot>();
  /** The open gesture keeps its Gaussian from a fit, though it may not have moved it yet. */
  #fixed = false;
  /** The revision that the traits must have before they are shown. */
  #expected = 0;
  /** How long the page lately took from an edit until anything else had a turn, in ms. */
  #pageMs: number | null = null;
  #stopMeasuring: (() => void) | null = null;
  /** When a step of a fit was last shown, and what stops the next one, which waits for the next frame. */
  #motionAt = -FRAME_MS;
  #nextMotion: (() => void) | null = null;
  /** Stops what tells, unless it is answered soon, that the score is older than the curve. */
  #stopAgeing: (() => void) | null = null;
  #dirty = new Set<Trait>();
  #closed = false;
  readonly #listeners = new Set<(parts: ReadonlySet<Part>) => void>();
  readonly #stop: (() => void)[] = [];
  /** All views of this widget on this page. */
  readonly #views: Set<BenchState>;
  readonly #model: BenchModel;

  constructor(
    model: BenchModel,
    readonly clock: Clock,
  ) {
    super(model);
    this.#model = delivering(model, () => this.#undelivered());
    const key = model.get("cf_hz") as object;
    this.#views = views.get(key) ?? new Set();
    views.set(key, this.#views.add(this));
    this.queue = new RequestQueue({
      client: this.client,
      now: clock.now,
      later: clock.later,
      pageMs: () => this.#pageMs ?? 0,
      send: (request, values) => {
        this.#model.send(request, undefined, values.length ? [values.buffer] : []);
        this.#notify("message");
      },
    });
    this.moment = new Moment(this, {
      client: this.client,
      now: clock.now,
      ask: (request) => this.#model.send(request),
      changed: () => this.#notify("moment"),
    });
    const traits = Object.keys(PARTS_OF_TRAIT) as Trait[];
    this.#take(new Set(traits));
    const listen = (event: string, callback: (...args: never[]) => void) => {
      model.on(event, callback);
      this.#stop.push(() => model.off(event, callback));
    };
    for (const trait of traits) listen(`change:${trait}`, () => this.#onTrait(trait));
    listen("msg:custom", (message: Message, buffers?: ArrayLike<unknown>) => {
      if (message?.type === "answer") this.#onAnswer(message, buffers ?? []);
      else if (message?.type === "error") this.#onFailure(message);
      else if (message?.type === "motion") this.#onMotion(message, buffers ?? []);
      else if (message?.type === "explanation" && message.client === this.client)
        this.moment.answered(message, buffers ?? []);
    });
  }

  /** Send the width of the view in CSS pixels: what the kernel puts below is to fit. 0: there is none any more. */
  sendWidth(width: number): void {
    if (width >= 0 && width !== this.#model.get("width")) this.#write("width", width);
  }

  /** Show an error of this view; empty when all is well again. */
  setError(text: string): void {
    this.error = text;
    this.#notify("message");
  }

  /** Note what is known of the kernel. One that is gone does not come back: what it left unanswered never is. */
  setConnection(connection: Connection): void {
    if (connection === this.connection) return;
    this.connection = connection;
    if (this.gone) {
      this.#abandon();
      this.queue.close();
    }
    this.#notify("connection", "message", "history", "score", "neuron", "selected", "gesture", ...OF_ARRAYS);
  }

  requestGradient(on: boolean): void {
    this.#write("show_gradient", on);
    this.showGradient = on;
    this.#notify("field");
  }

  close(): void {
    this.endGesture();
    this.queue.close();
    this.#stopMeasuring?.();
    this.#nextMotion?.();
    this.#stopAgeing?.();
    this.#closed = true;
    for (const stop of this.#stop.splice(0)) stop();
    this.#listeners.clear();
    this.#views.delete(this);
    if (this.#views.size === 0) this.sendWidth(0);
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

  get inGesture(): boolean {
    return this.#gesture !== null;
  }

  /** Tells one gesture from the next: who began one ends only that. Null between gestures. */
  get gestureId(): string | null {
    return this.#gesture?.id ?? null;
  }

  // ---- gestures ---------------------------------------------------------------------------------------------

  /** Begin a gesture, on a Gaussian of the channel on screen or on other parameters. An open one is ended first. */
  beginGesture(k = -1): void {
    this.endGesture();
    const id = this.#newGesture();
    this.#gesture = { id, gaussian: k };
    if (this.playing && k >= 0 && this.editable) this.#fix(id, k);
    this.#notify("gesture");
  }

  #newGesture(): string {
    this.#gestures += 1;
    return `${this.client}-${this.#gestures}`;
  }

  /** Keep a Gaussian from a fit from the moment on that it is grabbed. */
  #fix(id: string, k: number): void {
    const gaussian = this.gaussian(k);
    const index = [this.neuron, this.channel, k];
    const slots = COLUMNS.map((column) => ({ name: `strf.${column}`, index, value: gaussian[column] }));
    const free = slots.filter(({ name }) => !this.info.locked.includes(name));
    this.#keep(free);
    this.queue.push(id, free, "move");
    this.#fixed = true;
  }

  /** Change columns of the Gaussian of the open gesture, within their limits. */
  edit(change: Partial<Gaussian>): void {
    const gesture = this.#gesture;
    if (!gesture || gesture.gaussian < 0 || !this.editable) return;
    const { gaussian: k } = gesture;
    const before = this.gaussian(k);
    const after = changed(before, change, this.info.limits);
    const slots = COLUMNS.filter((column) => change[column] !== undefined).map((column) => ({
      name: `strf.${column}`,
      index: [this.neuron, this.channel, k],
      value: after[column],
    }));
    this.set(slots);
  }

  /** Set parameters in the open gesture: show them now, send them when the kernel can take them. */
  set(slots: Slot[]): void {
    const gesture = this.#gesture;
    if (!gesture || !this.current || this.peek || this.gone) return;
    this.#measurePage();
    const { locked } = this.info;
    const free = slots.filter(({ name, value }) => Number.isFinite(value) && !locked.includes(name));
    const moved = this.session.apply(free, gesture.id);
    this.#keep(moved);
    if (moved.length > 0) this.queue.push(gesture.id, moved, "move");
    this.#show(moved);
  }

  #keep(slots: Slot[]): void {
    for (const slot of slots) this.#userEdits.set(slotKey(slot), slot);
  }

  /** What is put off until the page has dealt with an edit waits for as long as it takes to show it. */
  #measurePage(): void {
    if (this.#stopMeasuring) return;
    const start = this.clock.now();
    this.#stopMeasuring = this.clock.later(() => {
      this.#stopMeasuring = null;
      this.#pageMs = mean(this.#pageMs, this.clock.now() - start);
    }, 0);
  }

  /** End the open gesture: one undo entry. `cancel` returns to the values it began with. */
  endGesture(cancel = false): void {
    const gesture = this.#gesture;
    if (!gesture) return;
    this.#gesture = null;
    const touched = this.#end(gesture.id, cancel);
    if (touched.length === 0) this.#catchUp();
    this.#notify("field", "gesture", ...partsOf(touched));
  }

  /** Let a fit move the model, or rest. */
  play(on: boolean): void {
    if (this.gone || this.playing === null) return;
    this.#sendFit({ type: on ? "play" : "pause" });
  }

  /** Pin a Gaussian of the channel on screen against the fit, or let go of it. */
  togglePin(k: number): void {
    if (this.gone || this.playing === null || k < 0 || k >= this.info.n_gaussians) return;
    this.#sendFit({ type: "pin", index: [this.neuron, this.channel, k] });
  }

  #sendFit(request: { type: "play" | "pause" | "pin"; index?: number[] }): void {
    this.#model.send({ ...request, client: this.client, seq: 0 });
  }

  undo(): void {
    if (this.gone) return;
    this.endGesture();
    this.#userEdits.clear();
    this.queue.command({ type: "undo" });
  }

  redo(): void {
    if (this.gone) return;
    this.endGesture();
    this.#userEdits.clear();
    this.queue.command({ type: "redo" });
  }

  /** What a kernel that is gone has left of the user's edits; null where there are none, or it is not gone. */
  get left(): LeftEdits | null {
    if (!this.gone) return null;
    const since = [...this.#views].flatMap((view) => [...view.#userEdits.values()]);
    return this.edits || since.length > 0 ? { saved: this.edits, since } : null;
  }

  /** Make the edits that another view of the model has left, in place of those that there are. */
  restore({ saved, since }: LeftEdits): void {
    this.endGesture();
    this.#userEdits.clear();
    if (saved) this.queue.command({ type: "restore", state: saved });
    if (since.length > 0) this.queue.push(this.#newGesture(), since, "end");
  }

  /** Back to the trained values: one Gaussian of the channel on screen, or all of the neuron. */
  revert(k: number | null): void {
    this.revertNames(...this.#revertible(k));
  }

  /** Whether that would change anything: not where all that is edited is locked, or the prefilter's, which all neurons share. */
  canRevert(k: number | null): boolean {
    const [names, index] = this.#revertible(k);
    if (k !== null || this.canRevertNames(names, index)) return this.canRevertNames(names, index);
    // What is edited and is not here, only the kernel knows.
    return this.edited && !this.session.edited;
  }

  #revertible(k: number | null): [string[] | null, number[]] {
    if (k === null) return [null, [this.neuron]];
    return [COLUMNS.map((column) => `strf.${column}`), [this.neuron, this.channel, k]];
  }

  canRevertNames(names: string[] | null, index: number[] | null): boolean {
    return this.current && !this.gone && this.session.canRevert(names, index ?? []);
  }

  /** Back to the trained values of the named parameters, or of all of a neuron, at a part of their index or as a whole. */
  revertNames(names: string[] | null, index: number[] | null): void {
    if (!this.current || this.gone) return;
    this.endGesture();
    const free = names && this.unlocked(names);
    this.#show(this.session.revert(free, index ?? []));
    this.#userEdits.clear();
    this.queue.command({ type: "revert", names: free, index });
  }

  choose(trait: WrittenTrait, value: number): void {
    const last =
      {
        neuron: this.info.n_neurons,
        sound: this.info.n_sounds,
        channel: this.info.n_channels,
        selected: this.info.n_gaussians,
      }[trait] - 1;
    const next = clamp(Math.round(value), trait === "selected" ? -1 : 0, Math.max(last, 0));
    if (!Number.isFinite(next) || next === this[trait]) return;
    if (trait !== "selected") this.endGesture();
    this[trait] = next;
    this.#write(trait, next);
    this.#notify(
      ...PARTS_OF_TRAIT[trait],
      ...(trait === "neuron" || trait === "sound" ? (["field", "curve", "rate", "score"] as const) : []),
    );
  }

  openLanes(names: string[]): void {
    this.lanes = names;
    this.#write("lanes", names);
    this.#notify("lanes");
  }

  chooseStage(name: string): void {
    if (name === this.stage) return;
    this.stage = name;
    this.#write("stage", name);
  }

  setPeek(on: boolean): void {
    if (on === this.peek) return;
    if (on) this.endGesture();
    this.peek = on;
    if (!on) this.session.forget("trained");
    this.#notify("peek", "field", "prefilter", "curve", "rate", "score");
  }

  // ---- from the kernel --------------------------------------------------------------------------------------

  #onTrait(trait: Trait): void {
    if (this.#dirty.size === 0) {
      queueMicrotask(() => {
        if (this.#closed) return;
        const traits = new Set(this.#dirty);
        this.#dirty.clear();
        this.#notify(...[...traits].flatMap((name) => PARTS_OF_TRAIT[name]), ...this.#take(traits));
      });
    }
    this.#dirty.add(trait);
  }

  /** Take over traits. The parts of the view that follow from arrays, where these are shown now. */
  #take(traits: ReadonlySet<Trait>): readonly Part[] {
    const { neuron } = this;
    this.read(traits);
    if (traits.has("revision") && !this.#ahead) this.#scoreIsNew();
    if (this.neuron === neuron && !traits.has("of_neuron")) return this.#catchUp();
    this.#abandon();
    return this.#adopt();
  }

  #onAnswer(answer: Answer, buffers: ArrayLike<unknown>): void {
    const own = answer.client === this.client;
    if (own) {
      const verdict = this.queue.answer(answer.seq, answer.work_ms);
      if (verdict.stale) return;
      this.rttMs = verdict.rttMs ?? this.rttMs;
      this.#expected = answer.revision;
      // It is older than what the user has set, and the fit has that from now on.
      this.#nextMotion?.();
      this.#nextMotion = null;
      if (verdict.idle) this.#scoreIsNew();
    }
    this.error = "";
    const parts = new Set<Part>(["message", "history"]);
    this.canUndo = answer.can_undo;
    this.canRedo = answer.can_redo;
    if (answer.neuron === this.neuron && this.current) {
      this.#takeScores(answer);
      parts.add("score");
      answer.parts.forEach((part, i) => {
        this.kernelArrays[part] = floats(buffers[i]);
      });
    }
    const news = answer.parts.length > 0;
    // While edits are ahead, their preview stays; what the browser cannot compute itself follows the kernel.
    const shown = own || news ? this.#catchUp() : [];
    if (news && shown.length === 0 && !this.info.local) {
      this.now.follow(this.kernelArrays.rate);
      parts.add("rate");
    }
    this.#notify(...parts, ...shown);
  }

  #scoreIsNew(): void {
    this.#stopAgeing?.();
    this.#stopAgeing = null;
    this.scoreIsOld = false;
  }

  #takeScores(scores: Scores): void {
    this.score = numberOrNull(scores.score);
    this.normalizedScore = numberOrNull(scores.normalized_score);
    this.soundScore = numberOrNull(scores.sound_score);
    this.fit = scores.fit;
  }

  /** A fit has moved the model: all but what the user has set follows. */
  #onMotion({ number, neuron, parts, scores }: Motion, buffers: ArrayLike<unknown>): void {
    // When it is painted: the kernel waits for it before it sends many more. Each message takes it from the fit.
    if (number % PER_ANSWER === 0)
      this.clock.later(() => {
        if (!this.#closed) this.#model.send({ type: "painted", client: this.client, seq: number });
      }, FRAME_MS);
    if (neuron !== this.neuron || !this.current) return;
    const arrays = this.kernelArrays;
    if (this.info.local) arrays.rate = arrays.kernel = new Float32Array(0);
    parts.forEach((part, i) => {
      arrays[part] = floats(buffers[i]);
    });
    if (scores) {
      this.#takeScores(scores);
      this.canUndo = scores.can_undo;
      this.canRedo = scores.can_redo;
      this.#scoreIsNew();
      this.#notify("score", "history");
    }
    if (this.#nextMotion) return;
    // Of steps at chance times many share a frame with another while the next frame has none.
    const wait = this.#motionAt + FRAME_MS - this.clock.now();
    if (wait > 0) this.#nextMotion = this.clock.later(() => this.#showMotion(), wait);
    else this.#showMotion();
  }

  /** Show the newest of what a fit has sent. */
  #showMotion(): void {
    this.#nextMotion = null;
    this.#motionAt = this.clock.now();
    if (this.#closed || !this.current) return;
    if (this.#ahead) {
      this.now.adopt(this.kernelArrays);
      this.session.overlay(this.#userEdits.values());
    } else this.#adopt();
    this.#notify(...OF_ARRAYS);
  }

  #onFailure(failure: Failure): void {
    if (failure.client !== this.client) return;
    this.queue.refuse(failure.seq);
    this.error = failure.text;
    this.#abandon();
    this.#notify("message", "gesture", ...this.#adopt());
  }

  /** A gesture or a request is ahead of the kernel. */
  get #ahead(): boolean {
    return this.#gesture !== null || !this.queue.idle;
  }

  /** Show the arrays of the kernel where nothing is ahead of them. The parts of the view that follow from them. */
  #catchUp(): readonly Part[] {
    return this.#ahead || this.revision < this.#expected ? [] : this.#adopt();
  }

  #adopt(): readonly Part[] {
    this.#userEdits.clear();
    this.now.adopt(this.kernelArrays);
    this.session.clearHistory();
    return OF_ARRAYS;
  }

  /** Close the open gesture where its values no longer mean anything here. */
  #abandon(): void {
    const gesture = this.#gesture;
    this.#gesture = null;
    if (gesture) this.#end(gesture.id, false);
  }

  /** End a gesture for the kernel too; a cancelled one sends what was there before it. The slots that it touched. */
  #end(id: string, cancel: boolean): Slot[] {
    const before = this.session.end(id, cancel);
    if (before.length > 0 || this.#fixed) this.queue.push(id, cancel ? before : [], "end");
    this.#fixed = false;
    if (cancel) {
      this.#keep(before);
      this.#show(before);
    }
    return before;
  }

  /** Show new values here and in the other views of the widget, to which no answer brings what a browser can compute. */
  #show(slots: Slot[]): void {
    if (slots.length > 0)
      this.#stopAgeing ??= this.clock.later(() => {
        this.scoreIsOld = true;
        this.#notify("score");
      }, OLD_AFTER_MS);
    this.#notify(...partsOf(slots));
    for (const view of this.#views) if (view !== this) view.#follow(slots);
  }

  #follow(slots: Slot[]): void {
    if (this.#ahead || !this.info.local) return;
    this.#notify(...partsOf(this.session.apply(slots)));
    this.session.clearHistory();
  }

  /** The host has refused to send: without a connection it will later, else there is no kernel to send to. */
  #undelivered(): void {
    this.error = LOST;
    if (this.connection !== "lost") this.setConnection("gone");
    this.#notify("message");
  }

  #write(trait: Trait, value: unknown): void {
    this.#model.set(trait, value);
    this.#model.save_changes();
  }

  #notify(...parts: Part[]): void {
    if (this.#closed || parts.length === 0) return;
    const set = new Set(parts);
    for (const listener of this.#listeners) listener(set);
  }
}

/** What of a view follows from arrays. */
const OF_ARRAYS: readonly Part[] = ["field", "prefilter", "curve", "rate"];
const PART_OF_STAGE: Record<string, Part[]> = {
  strf: ["field", "rate"],
  prefilter: ["prefilter", "rate"],
  activation: ["curve", "rate"],
};

function partsOf(slots: Slot[]): Part[] {
  return [...new Set(slots.flatMap(({ name }) => PART_OF_STAGE[name.split(".")[0]] ?? []))];
}
