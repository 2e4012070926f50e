/** The gesture that one panel has begun: only that one is continued and ended there. */

import type { BenchState } from "./bench-state";

/** Steps of one kind this close together are one gesture. */
const JOIN_MS = 600;

export class OwnedGesture {
  #id: string | null = null;
  #joined: { key: string; cancel: () => void } | null = null;
  readonly #state: BenchState;

  constructor(state: BenchState) {
    this.#state = state;
  }

  /** Whether it is open. */
  get open(): boolean {
    return this.#id !== null && this.#state.gestureId === this.#id;
  }

  /** Begin it, on a Gaussian of the channel on screen or on other parameters. */
  begin(k = -1): void {
    this.#state.beginGesture(k);
    this.#id = this.#state.gestureId;
  }

  /** End it; `cancel` takes it back. Whether it was open. */
  end(cancel = false): boolean {
    const { open } = this;
    this.#joined?.cancel();
    this.#joined = null;
    this.#id = null;
    if (open) this.#state.endGesture(cancel);
    return open;
  }

  /** One small step: those with one key within 600 ms are one gesture. Whether this one began it. */
  join(key: string, k = -1): boolean {
    const begins = this.#joined?.key !== key || !this.open;
    if (begins) {
      this.end();
      this.begin(k);
    } else this.#joined?.cancel();
    this.#joined = { key, cancel: this.#state.clock.later(() => this.end(), JOIN_MS) };
    return begins;
  }
}
