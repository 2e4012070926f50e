/** The ends of the axes of an output curve: they hold still in a gesture and glide to their new places afterwards. */

import { Eased } from "../draw/surface";
import type { Mean } from "../math/drive-summary";

export type Ends = [low: number, high: number];

/** Room beyond what is shown, as a share of it. */
const ROOM = 0.06;
/** Drives shown where the page cannot compute any. */
const PLAIN_DRIVE: Ends = [-3, 3];
/** A level further above what the neuron does than this share of it stays outside. */
const LEVEL_REACH = 0.6;
const SAMPLES = 64;

/** Drives that occur, with the thresholds that are near them. */
export function driveEnds(spread: Ends | null, thresholds: number[]): Ends {
  const [low, high] = spread ?? PLAIN_DRIVE;
  const near = thresholds.filter((x) => x > 2 * low - high && x < 2 * high - low);
  return widened(Math.min(low, ...near), Math.max(high, ...near));
}

/** Rates of the curves there and of what was recorded, with the levels that are near them; from 0 where none is negative. */
export function rateEnds(
  drive: Ends,
  curves: ((x: number) => number)[],
  means: Mean[],
  levels: number[],
): Ends {
  const rates = means.flatMap(({ rate, error }) => [rate - error, rate + error]);
  for (const curve of curves) {
    for (let i = 0; i <= SAMPLES; i++) rates.push(curve(drive[0] + (i / SAMPLES) * (drive[1] - drive[0])));
  }
  const [low, high] = [Math.min(0, ...rates), Math.max(0, ...rates)];
  const reach = LEVEL_REACH * (high - low || 1);
  const near = levels.filter((y) => y > low - reach && y < high + reach);
  const [least, most] = widened(Math.min(low, ...near), Math.max(high, ...near));
  return [Math.min(low, ...near) < 0 ? least : 0, most];
}

function widened(low: number, high: number): Ends {
  const room = ROOM * (high - low) || 1;
  return [low - room, high + room];
}

export class CurveAxes {
  readonly #ends = [new Eased(), new Eased(), new Eased(), new Eased()];

  /** Whether there are axes yet. */
  get set(): boolean {
    return !Number.isNaN(this.#ends[0].value);
  }

  get drive(): Ends {
    return [this.#ends[0].value, this.#ends[1].value];
  }

  get rate(): Ends {
    return [this.#ends[2].value, this.#ends[3].value];
  }

  aim(drive: Ends, rate: Ends, now: number, glide: boolean): void {
    [...drive, ...rate].forEach((goal, i) => {
      this.#ends[i].aim(goal, now, glide);
    });
  }

  /** Move on to `now`; true while they still move. */
  step(now: number): boolean {
    return this.#ends.map((end) => end.step(now)).includes(true);
  }
}
