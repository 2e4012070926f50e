/** The drive of the neuron on screen, and what of it stands behind its output curve. */

import { niceStep } from "../../draw/axes";
import { type Histogram, histogram, type Mean, quantiles, recordedMeans } from "../../math/drive-summary";
import type { BenchState } from "../../state/bench-state";
import type { Numbers } from "../../state/local-session";
import type { Ends } from "./plot";

/** The axis leaves out this share of the time at either end. */
const TAIL = 0.001;
const BINS = 56;
/** Recorded means: bins of the histogram in one of theirs, and least moments in it. */
const COARSER = 2;
const LEAST = 4;

/** The drive in numbers, and what they were made of. */
export interface Summary {
  drive: Float64Array;
  psth: Numbers;
  width: number;
  reach: Ends;
  histogram: Histogram;
  means: Mean[];
}

export class DriveSummary {
  /** Null without a drive; the same object as long as nothing in it is another. */
  current: Summary | null = null;
  #spread: { of: Float64Array; ends: Ends | null } | null = null;

  readonly #state: BenchState;

  constructor(state: BenchState) {
    this.#state = state;
  }

  /** Where nearly all of the drive on screen lies; null without a drive. */
  ends(): Ends | null {
    const drive = this.#state.shown.drive;
    if (!drive) return null;
    if (this.#spread?.of !== drive) {
      const ends = quantiles(drive, TAIL, 1 - TAIL);
      this.#spread = { of: drive, ends: ends && ends[1] > ends[0] ? [ends[0], ends[1]] : null };
    }
    return this.#spread.ends;
  }

  /** Bring it up to date on an axis with these ends; in bins as wide as they are where the axis holds still. */
  follow(reach: Ends, hold: boolean): void {
    const last = this.current;
    const state = this.#state;
    const { psth } = state;
    const { drive } = state.shown;
    if (!drive || drive.length === 0) {
      this.current = null;
      return;
    }
    const on = hold && last ? last.reach : reach;
    const width = hold && last ? last.width : niceStep(on[1] - on[0], BINS);
    if (last && last.psth === psth && last.width === width && same(last.reach, on) && same(last.drive, drive))
      return;
    const recorded = psth.length === drive.length;
    const means = recorded ? recordedMeans(drive, psth, COARSER * width, ...on, LEAST) : [];
    this.current = { drive, psth, width, reach: on, histogram: histogram(drive, width, ...on), means };
  }

  /** What was recorded at a drive; undefined where that was too rarely. */
  recordedAt(drive: number): Mean | undefined {
    const width = COARSER * (this.current?.width ?? 1);
    return this.current?.means.find((mean) => Math.floor(mean.drive / width) === Math.floor(drive / width));
  }
}

function same(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
