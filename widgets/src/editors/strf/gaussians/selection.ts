/** Which Gaussians of the channel on screen are chosen: the trait `selected` is one of them, the others are known to this view alone. */

import type { BenchState } from "../../../state/bench-state";

export class Selection {
  /** Those chosen together, the one of the trait last; empty where that is alone. */
  #together: readonly number[] = [];
  #neuron = -1;
  #channel = -1;
  readonly #state: BenchState;
  readonly #changed: () => void;

  constructor(state: BenchState, changed: () => void) {
    this.#state = state;
    this.#changed = changed;
  }

  /** Chosen together: they stay so when the focus goes elsewhere, not when another neuron or Gaussian is chosen. */
  get kept(): boolean {
    const { neuron, channel, selected } = this.#state;
    return (
      selected >= 0 &&
      this.#together.at(-1) === selected &&
      neuron === this.#neuron &&
      channel === this.#channel
    );
  }

  /** The chosen ones, that of the trait last. */
  get all(): readonly number[] {
    const { selected } = this.#state;
    return this.kept ? this.#together : selected < 0 ? [] : [selected];
  }

  has(k: number): boolean {
    return k === this.#state.selected || (this.kept && this.#together.includes(k));
  }

  /** Choose these, the last one for the trait; `keep` one alone too. */
  set(ks: readonly number[], keep = ks.length > 1): void {
    this.#together = keep ? ks : [];
    ({ neuron: this.#neuron, channel: this.#channel } = this.#state);
    this.#state.choose("selected", ks.at(-1) ?? -1);
    this.#changed();
  }

  /** Choose one alone, or make one of several that of the trait. */
  pick(k: number): void {
    if (k === this.#state.selected) return;
    this.set(this.has(k) ? [...this.all.filter((other) => other !== k), k] : [k]);
  }

  /** Add one or take it away. The first one that a key adds is kept: the focus had chosen it already. */
  toggle(k: number, byKey = false): void {
    const ks = byKey && !this.kept ? [] : this.all;
    this.set(ks.includes(k) ? ks.filter((other) => other !== k) : [...ks, k], byKey || undefined);
  }
}
