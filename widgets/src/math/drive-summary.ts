/** The drive of a neuron over a whole stimulus: how it is distributed, and what was recorded where. */

type Numbers = ArrayLike<number>;

export interface Histogram {
  /** Lower edge of the first bin, and the width of every bin. */
  from: number;
  width: number;
  /** Share of the time in each bin. */
  share: Float64Array;
}

export interface Mean {
  /** Mean drive and mean recorded response of the bins of time in it, with the standard error of the latter. */
  drive: number;
  rate: number;
  error: number;
  count: number;
}

/** Quantiles of the finite values, each the nearest one that occurs; null where there are none. */
export function quantiles(values: Numbers, ...shares: number[]): number[] | null {
  const sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  if (sorted.length === 0) return null;
  return shares.map((share) => sorted[Math.round(share * (sorted.length - 1))]);
}

/** Histogram on bins whose edges are whole multiples of `width`, from `low` to `high` at most. */
export function histogram(values: Numbers, width: number, low: number, high: number): Histogram {
  const first = Math.floor(low / width);
  const share = new Float64Array(Math.max(Math.ceil(high / width) - first, 0));
  for (let i = 0; i < values.length; i++) {
    const bin = Math.floor(values[i] / width) - first;
    if (bin >= 0 && bin < share.length) share[bin] += 1 / values.length;
  }
  return { from: first * width, width, share };
}

/** Mean recorded response in bins of the drive, edges as in `histogram`, that hold at least `least` recorded moments. */
export function recordedMeans(
  drive: Numbers,
  recorded: Numbers,
  width: number,
  low: number,
  high: number,
  least: number,
): Mean[] {
  const first = Math.floor(low / width);
  const bins = Array.from({ length: Math.max(Math.ceil(high / width) - first, 0) }, () => ({
    n: 0,
    x: 0,
    y: 0,
    yy: 0,
  }));
  for (let i = 0; i < drive.length; i++) {
    const [x, y] = [drive[i], recorded[i]];
    const bin = bins[Math.floor(x / width) - first];
    if (!bin || !Number.isFinite(y)) continue;
    bin.n += 1;
    bin.x += x;
    bin.y += y;
    bin.yy += y * y;
  }
  return bins
    .filter(({ n }) => n >= least)
    .map(({ n, x, y, yy }) => {
      const variance = n > 1 ? Math.max(yy - (y * y) / n, 0) / (n - 1) : 0;
      return { drive: x / n, rate: y / n, error: Math.sqrt(variance / n), count: n };
    });
}

/** Shares of the time at or below one level, and at or above another. */
export function sharesBeyond(rate: Numbers, low: number, high: number): [below: number, above: number] {
  let [below, above] = [0, 0];
  for (let i = 0; i < rate.length; i++) {
    if (rate[i] <= low) below += 1;
    if (rate[i] >= high) above += 1;
  }
  const n = Math.max(rate.length, 1);
  return [below / n, above / n];
}
