/** The numbers of one view: those that came as traits, those on screen, and which of them a hand may change. */

import { floats } from "../base/bytes";
import { type BenchModel, type Info, PARTS, type Trait, type View } from "../kernel/contract";
import { type Axes, type Gaussian, gaussianAt } from "../math/field";
import { NOTHING, type Numbers, Preview, type Truth } from "./preview";

export class ViewState {
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
  /** Gradient map (C, F, T); empty until it is asked for. */
  gradient: Numbers = new Float32Array(0);
  /** Whether it is asked for; null where nobody could make one. */
  wantsGradient: boolean | null = null;
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
  /** The trained values are on screen while it is held. */
  peek = false;

  readonly shown = new Preview();
  protected readonly truth: Truth = NOTHING();
  /** Made when the trained values are looked at, and thrown away with the look. */
  protected asTrained: Preview | null = null;
  readonly #model: BenchModel;

  constructor(model: BenchModel) {
    this.#model = model;
    this.view = (model.get("view") as View | undefined) ?? "explorer";
  }

  /** Take over what these traits hold. Whether the truth is another. */
  protected read(traits: ReadonlySet<Trait>): boolean {
    const get = (name: Trait) => this.#model.get(name);
    for (const field of Object.keys(FIELDS) as (keyof ViewState)[]) take(this, field, traits, get);
    const axes = traits.has("info") || traits.has("cf_hz");
    if (axes) {
      this.info = get("info") as Info;
      const cfHz = Float64Array.from(floats(get("cf_hz")));
      this.axes = {
        cfHz,
        F: this.info.n_bands,
        T: this.info.n_lags,
        dtMs: this.info.dt_ms,
        delayMs: this.info.delay_ms,
      };
    }
    if (axes || traits.has("stimulus")) this.shown.begin(this.info, this.axes, this.stimulus);
    this.asTrained = null;
    this.neuron = (get("neuron") as number) ?? 0;
    this.channel = Math.min((get("channel") as number) ?? 0, this.info.n_channels - 1);
    this.selected = (get("selected") as number) ?? -1;
    const news = PARTS.filter((part) => traits.has(part));
    for (const part of news) this.truth[part] = floats(get(part));
    return news.length > 0;
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

  /** Those of the names that may be edited here. */
  unlocked(names: string[]): string[] {
    return names.filter((name) => !this.info.locked.includes(name));
  }

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

  /** Response on screen. */
  get rate(): Numbers {
    return this.peek ? this.trainedRate : this.shown.rate;
  }

  /** Spectrograms after adaptation, (C, F, n); null where the page cannot compute them. */
  get adapted(): Float64Array | null {
    return this.#computed.adapted;
  }

  /** Drive of the output curve on screen; null where the page cannot compute it. */
  get drive(): Float64Array | null {
    return this.#computed.drive;
  }

  /** What the page computes from: the numbers in hand, or while they are held on screen the trained ones. */
  get #computed(): Preview {
    if (!this.peek) return this.shown;
    if (!this.asTrained) {
      this.asTrained = new Preview();
      this.asTrained.begin(this.info, this.axes, this.stimulus);
      this.asTrained.adopt({
        gaussians: this.trainedGaussians,
        kernel: this.trainedKernel,
        factors: this.trainedFactors,
        prefilter: this.trainedPrefilter,
        activation: this.trainedActivation,
        rate: this.trainedRate,
        folding: this.shown.folding,
      });
    }
    return this.asTrained;
  }

  gaussian(k: number, of: Numbers = this.gaussians): Gaussian {
    return gaussianAt(of, this.channel * this.info.n_gaussians + k);
  }

  /** Show the trained field: one Gaussian of the channel on screen, or with null all of the neuron. */
  protected showTrainedField(k: number | null): void {
    const { info, shown, trainedGaussians } = this;
    const first = this.channel * info.n_gaussians + (k ?? 0);
    const all = k === null;
    for (let i = all ? 0 : first; 5 * i < trainedGaussians.length && (all || i === first); i++) {
      shown.put(i, gaussianAt(trainedGaussians, i));
    }
    if (all) shown.repaint(this.trainedKernel, this.trainedFactors);
  }

  /** Show the trained values of the named parameters around the field, at a part of their index or as a whole. */
  protected showTrained(names: string[], index: number[] | null): void {
    const { F } = this.axes;
    this.info.activation.names.forEach((column, i) => {
      const name = `activation.${column}`;
      const here = names.includes(name) && (index === null || index[0] === this.neuron);
      if (here) this.shown.write({ name, index: [this.neuron], value: this.trainedActivation[i] });
    });
    this.info.prefilter.rows.forEach((name, row) => {
      for (let band = 0; names.includes(name) && band < F; band++) {
        const here = index === null || index[0] === band;
        if (here) this.shown.write({ name, index: [band], value: this.trainedPrefilter[row * F + band] });
      }
    });
  }
}

/** The trait behind a field, and how it is read. */
type Row<Value> = readonly [Trait, (value: unknown) => Value];
const FIELDS: { readonly [Field in keyof ViewState]?: Row<ViewState[Field]> } = {
  stimulus: ["stimulus", floats],
  trainedGaussians: ["trained_gaussians", floats],
  trainedKernel: ["trained_kernel", floats],
  trainedFactors: ["trained_factors", floats],
  trainedPrefilter: ["trained_prefilter", floats],
  trainedActivation: ["trained_activation", floats],
  trainedRate: ["trained_rate", floats],
  psth: ["psth", floats],
  trials: ["trials", floats],
  gradient: ["gradient", floats],
  wantsGradient: ["wants_gradient", (value) => (typeof value === "boolean" ? value : null)],
  lanes: ["lanes", (value) => (value as string[] | undefined) ?? []],
  stage: ["stage", text],
  score: ["score", numberOrNull],
  trainedScore: ["trained_score", numberOrNull],
  normalizedScore: ["normalized_score", numberOrNull],
  trainedNormalizedScore: ["trained_normalized_score", numberOrNull],
  canUndo: ["can_undo", isTrue],
  canRedo: ["can_redo", isTrue],
  edited: ["edited", isTrue],
  error: ["error", text],
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

function isTrue(value: unknown): boolean {
  return value === true;
}

export function numberOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
