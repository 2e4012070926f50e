/** How well a prediction fits a recorded response: a twin of `Scores` in Python. */

/** From this difference on it is said why the variance explained is less than the square of the correlation. */
const GAP = 0.1;

export interface Level {
  r: number | null;
  explained: number | null;
  rate_bias: number | null;
  mismatch: string;
}

/** Correlation, fraction of variance explained and bias of the mean rate over the bins where something was recorded. */
export function levelOf(predicted: ArrayLike<number>, recorded: ArrayLike<number>): Level {
  let [n, sx, sy, sxx, syy, sxy] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < recorded.length; i++) {
    const [x, y] = [predicted[i], recorded[i]];
    if (Number.isNaN(y)) continue;
    n += 1;
    sx += x;
    sy += y;
    sxx += x * x;
    syy += y * y;
    sxy += x * y;
  }
  if (n < 2) return { r: null, explained: null, rate_bias: null, mismatch: "" };
  const [mx, my] = [sx / n, sy / n];
  const [vx, vy] = [Math.max(sxx / n - mx * mx, 0), Math.max(syy / n - my * my, 0)];
  const covariance = sxy / n - mx * my;
  const rate_bias = my > 0 ? mx / my - 1 : null;
  if (!(vy > 0)) return { r: null, explained: null, rate_bias, mismatch: "" };
  const r = vx > 0 ? covariance / Math.sqrt(vx * vy) : null;
  const explained = 1 - (syy + sxx - 2 * sxy) / n / vy;
  const slope = Math.sqrt(vx / vy);
  const [offset, gain] = [(mx - my) ** 2 / vy, (slope - (r ?? 0)) ** 2];
  let mismatch = "";
  if (offset + gain > GAP) {
    if (offset > gain) mismatch = mx > my ? "mean too high" : "mean too low";
    else mismatch = slope > (r ?? 0) ? "too steep" : "too flat";
  }
  return { r, explained, rate_bias, mismatch };
}
