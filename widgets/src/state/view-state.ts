/** The state of one view: what came as traits, the model that it edits, and which of its values may be changed. */

import { floats } from "../base/bytes";
import type { Connection } from "../kernel/connection";
import {
  type BenchModel,
  type Certainty,
  COLUMNS,
  type Fit,
  type Info,
  PARTS,
  type Trait,
  type View,
} from "../kernel/contract";
import { type Axes, type Gaussian, gaussianAt } from "../math/field";
import { axesOf, LocalSession, type Neuron, NO_ARRAYS, type Numbers } from "./local-session";

export class ViewState {
  readonly view: View;
  info!: Info;
  axes!: Axes;
  stimulus: Float32Array = new Float32Array(0);
  neuron = 0;
  /** The chosen sound; that of the arrays is `info.sound`. */
  sound = 0;
  channel = 0;
  selected = -1;
  psth: Numbers = new Float32Array(0);
  /** How many recorded trials are known spike by spike, then `trial * n_frames + frame` of every spike in them. */
  spikes: Numbers = new Float32Array(0);
  /** Response of another model of this neuron, and what that is called; empty without one. */
  otherRate: Numbers = new Float32Array(0);
  otherName = "";
  /** Recorded trials, (n_trials, n_frames); empty while the lane that shows them is closed. */
  trials = new Float32Array(0);
  /** Gradient map (C, F, T); empty until it is requested. */
  gradient: Numbers = new Float32Array(0);
  /** Weights (C, F, T) of the trained field that a fit is not sure of are not 0; empty where nothing is known. */
  unsure: Numbers = new Float32Array(0);
  certainty: Certainty = NOTHING_KNOWN;
  /** Whether it is requested; null where it cannot be computed. */
  showGradient: boolean | null = null;
  /** Which lanes are open, and which stage of the model is edited ("" where none has been chosen). */
  lanes: readonly string[] = [];
  stage = "";
  score: number | null = null;
  /** The score is of an older state than the curve on screen. */
  scoreIsOld = false;
  trainedScore: number | null = null;
  /** The same for the noise-free response (CCnorm); null without repeated trials. */
  normalizedScore: number | null = null;
  trainedNormalizedScore: number | null = null;
  /** Of the sound on screen alone; null where there is no other. */
  soundScore: number | null = null;
  trainedSoundScore: number | null = null;
  fit: Fit = NO_FIT;
  trainedFit: Fit = NO_FIT;
  canUndo = false;
  canRedo = false;
  edited = false;
  /** All edits of the session as a text that another bench of the model can restore; empty where there are none. */
  edits = "";
  /** What is known of the kernel; a page without one is always live. */
  connection: Connection = "live";
  /** Message of the last refused request; empty when all is well. */
  error = "";
  /** Counts the states that the kernel has put into the traits. */
  revision = 0;
  /** A fit moves the model; null where nothing can be fitted from here. */
  playing: boolean | null = null;
  /** What it leaves alone: names of parameters and the beginning of an index. */
  pins: readonly Pin[] = [];
  /** The trained values are on screen while it is held. */
  peek = false;

  /** The neuron of the arrays, as the user has edited it and as it was trained. */
  now!: Neuron;
  trained!: Neuron;
  protected readonly session = new LocalSession();
  /** What the kernel last sent of the neuron. */
  protected readonly kernelArrays = NO_ARRAYS();
  readonly #trainedArrays = NO_ARRAYS();
  readonly #model: BenchModel;

  constructor(model: BenchModel) {
    this.#model = model;
    this.view = (model.get("view") as View | undefined) ?? "explorer";
  }

  /** Take over what these traits hold. */
  protected read(traits: ReadonlySet<Trait>): void {
    const get = (name: Trait) => this.#model.get(name);
    for (const field of Object.keys(FIELDS) as (keyof ViewState)[]) take(this, field, traits, get);
    const axes = traits.has("info") || traits.has("cf_hz");
    if (axes) {
      this.info = get("info") as Info;
      this.axes = axesOf(this.info, floats(get("cf_hz")));
    }
    if (axes || traits.has("stimulus")) this.session.begin(this.info, this.axes, this.stimulus);
    this.neuron = (get("neuron") as number) ?? 0;
    this.sound = (get("sound") as number) ?? 0;
    this.channel = Math.min((get("channel") as number) ?? 0, this.info.n_channels - 1);
    this.selected = (get("selected") as number) ?? -1;
    const of = (get("of_neuron") as number | undefined) ?? this.neuron;
    const other = !this.session.neurons.has(of);
    if (other) {
      this.session.neurons.clear();
      ({ now: this.now, trained: this.trained } = this.session.add(of));
    }
    for (const part of PARTS) if (traits.has(part)) this.kernelArrays[part] = floats(get(part));
    const trained = PARTS.filter((part) => traits.has(`trained_${part}`));
    for (const part of trained) this.#trainedArrays[part] = floats(get(`trained_${part}`));
    if (other || trained.length > 0) {
      this.trained.adopt(this.#trainedArrays);
    }
  }

  /** Whether the arrays belong to the chosen neuron and sound; false for a moment after another one was chosen. */
  get current(): boolean {
    return this.session.neurons.has(this.neuron) && this.info.sound === this.sound;
  }

  /** The kernel does not know this view any more: nothing can be edited in it. */
  get gone(): boolean {
    return this.connection === "gone";
  }

  get editable(): boolean {
    return (
      !this.gone && this.info.kind === "gaussians" && this.info.n_gaussians > 0 && this.current && !this.peek
    );
  }

  /** Whether a brush may change the field, or the profiles that make it. */
  paintable(name: string): boolean {
    const { limits, locked } = this.info;
    return name in limits && !locked.includes(name) && this.current && !this.peek && !this.gone;
  }

  /** Those of the names that may be edited here. */
  unlocked(names: string[]): string[] {
    return this.gone ? [] : names.filter((name) => !this.info.locked.includes(name));
  }

  /** The values on screen: those of now, or while they are held there the trained ones. */
  get shown(): Neuron {
    return this.peek ? this.trained : this.now;
  }

  get gaussians(): Numbers {
    return this.shown.gaussians;
  }

  get kernel(): Numbers {
    return this.shown.kernel;
  }

  get factors(): Numbers {
    return this.shown.factors;
  }

  get prefilter(): Numbers {
    return this.shown.prefilter;
  }

  get activation(): Numbers {
    return this.shown.activation;
  }

  get rate(): Numbers {
    return this.shown.rate;
  }

  /** Whether a fit leaves a Gaussian of the channel on screen alone. */
  pinned(k: number): boolean {
    const place = [this.neuron, this.channel, k];
    return this.pinnedAt(
      COLUMNS.map((column) => `strf.${column}`),
      place,
    );
  }

  /** Whether a fit leaves all these parameters alone at a place. */
  pinnedAt(names: readonly string[], place: readonly number[]): boolean {
    return names.every((name) =>
      this.pins.some(([pinned, at]) => pinned === name && at.every((i, axis) => i === place[axis])),
    );
  }

  /** The field on screen is not the trained one, of which alone a fit can be sure. */
  get fieldEdited(): boolean {
    return !this.peek && this.session.fieldEdited(this.neuron);
  }

  gaussian(k: number, of: Numbers = this.gaussians): Gaussian {
    return gaussianAt(of, this.channel * this.info.n_gaussians + k);
  }
}

/** Name of a parameter, and the beginning of an index. */
export type Pin = readonly [string, readonly number[]];

const NOTHING_KNOWN: Certainty = { readouts: [], pale: "", edited: "" };
const NO_FIT: Fit = { explained: null, normalized_explained: null, rate_bias: null, mismatch: "" };

/** The trait behind a field, and how it is read. */
type Row<Value> = readonly [Trait, (value: unknown) => Value];
const FIELDS: { readonly [Field in keyof ViewState]?: Row<ViewState[Field]> } = {
  stimulus: ["stimulus", floats],
  psth: ["psth", floats],
  spikes: ["spikes", floats],
  otherRate: ["other_rate", floats],
  otherName: ["other_name", text],
  trials: ["trials", floats],
  gradient: ["gradient", floats],
  unsure: ["unsure", floats],
  certainty: ["certainty", (value) => ({ ...NOTHING_KNOWN, ...(value as Partial<Certainty> | undefined) })],
  showGradient: ["show_gradient", (value) => (typeof value === "boolean" ? value : null)],
  lanes: ["lanes", (value) => (value as string[] | undefined) ?? []],
  stage: ["stage", text],
  score: ["score", numberOrNull],
  trainedScore: ["trained_score", numberOrNull],
  normalizedScore: ["normalized_score", numberOrNull],
  soundScore: ["sound_score", numberOrNull],
  trainedSoundScore: ["trained_sound_score", numberOrNull],
  trainedNormalizedScore: ["trained_normalized_score", numberOrNull],
  fit: ["fit", fitOf],
  trainedFit: ["trained_fit", fitOf],
  canUndo: ["can_undo", isTrue],
  canRedo: ["can_redo", isTrue],
  edited: ["edited", isTrue],
  edits: ["edits", text],
  error: ["error", text],
  revision: ["revision", Number],
  playing: ["playing", (value) => (typeof value === "boolean" ? value : null)],
  pins: ["pins", (value) => (value as Pin[] | undefined) ?? []],
};

/** Set a field from its trait, where that is one of `traits`. */
function take<Field extends keyof ViewState>(
  to: ViewState,
  field: Field,
  traits: ReadonlySet<Trait>,
  get: (name: Trait) => unknown,
): void {
  const [trait, read] = FIELDS[field] as Row<ViewState[Field]>;
  if (traits.has(trait)) to[field] = read(get(trait));
}

function text(value: unknown): string {
  return String(value ?? "");
}

function fitOf(value: unknown): Fit {
  return { ...NO_FIT, ...(value as Partial<Fit> | undefined) };
}

function isTrue(value: unknown): boolean {
  return value === true;
}

export function numberOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
