/** The two ends of a value axis: they hold still in a gesture and glide to their new places afterwards. */

import { extent } from "./line";
import { Eased } from "./surface";
import { reducedMotion } from "./theme";

/** Room above what is shown, and below where something is negative, as a share of the range. */
const ROOM = 0.06;

export class EasedRange {
  /** `zero`: 0 is always within, and an end of it where nothing lies beyond. */
  readonly #zero: boolean;
  readonly #low = new Eased();
  readonly #high = new Eased();

  constructor(zero = true) {
    this.#zero = zero;
  }

  get ends(): [number, number] {
    return [this.#low.value, this.#high.value];
  }

  /** Take in these signals, unless a gesture runs (`held`); true while the ends still move. */
  follow(now: number, held: boolean, ...signals: ArrayLike<number>[]): boolean {
    if (!held || Number.isNaN(this.#high.value)) {
      let [low, high] = this.#zero ? [0, 0] : [Infinity, -Infinity];
      for (const values of signals) {
        const ends = extent(values);
        if (!ends) continue;
        low = Math.min(low, ends[0]);
        high = Math.max(high, ends[1]);
      }
      if (low > high) [low, high] = [0, 0];
      const room = ROOM * (high - low || 1);
      this.#low.aim(this.#zero && low === 0 ? 0 : low - room, now, !reducedMotion());
      this.#high.aim(this.#zero && high === 0 && low < 0 ? 0 : high + room, now, !reducedMotion());
    }
    const moving = [this.#low.step(now), this.#high.step(now)];
    return moving.includes(true);
  }
}
