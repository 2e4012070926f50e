/** Pixels of the output curve, and the painters of what stands behind it. */

import { drawAxis, drawFrame, linearTicks } from "../draw/axes";
import { type Box, clip } from "../draw/box";
import type { Theme } from "../draw/theme";
import { clamp } from "../math/clamp";
import type { Histogram, Mean } from "../math/drive-summary";

type Ends = readonly [low: number, high: number];
type CurveOf = (drive: number) => number;

/** Height of the fullest bin of the histogram, as a share of the plot's. */
const HISTOGRAM_HEIGHT = 0.36;
const CURVE_STEP_PX = 1.5;
const POINT_PX = 2.6;

/** Drive to the right, response upward. */
export class Plot {
  constructor(
    readonly box: Box,
    readonly drive: Ends,
    readonly rate: Ends,
  ) {}

  get perDrive(): number {
    return this.box.width / (this.drive[1] - this.drive[0]);
  }
  get perRate(): number {
    return this.box.height / (this.rate[1] - this.rate[0]);
  }
  x(drive: number): number {
    return this.box.x + (drive - this.drive[0]) * this.perDrive;
  }
  y(rate: number): number {
    return this.box.y + (this.rate[1] - rate) * this.perRate;
  }
  driveAt(x: number): number {
    return this.drive[0] + (x - this.box.x) / this.perDrive;
  }
  rateAt(y: number): number {
    return this.rate[1] - (y - this.box.y) / this.perRate;
  }
}

export function paintAxes(ctx: CanvasRenderingContext2D, theme: Theme, plot: Plot, rateUnit: string): void {
  const { box } = plot;
  drawFrame(ctx, theme, box);
  const rates = linearTicks(...plot.rate, Math.max(Math.floor(box.height / 30), 2));
  drawAxis(ctx, theme, box, "left", rates, (rate) => plot.y(rate), `rate (${rateUnit})`);
  const drives = linearTicks(...plot.drive, Math.max(Math.floor(box.width / 50), 2));
  drawAxis(ctx, theme, box, "bottom", drives, (drive) => plot.x(drive), "drive (a.u., after batch norm)");
}

/** How often each drive occurs: steps along the bottom, the fullest bin 36 % of the plot high. */
export function paintHistogram(
  ctx: CanvasRenderingContext2D,
  theme: Theme,
  plot: Plot,
  { from, width, share }: Histogram,
): void {
  const { box } = plot;
  const bottom = box.y + box.height;
  const scale = (HISTOGRAM_HEIGHT * box.height) / Math.max(...share, Number.MIN_VALUE);
  ctx.fillStyle = theme.recorded;
  ctx.globalAlpha = theme.dark ? 0.85 : 0.55;
  ctx.beginPath();
  share.forEach((value, i) => {
    if (value === 0) return;
    const left = plot.x(from + i * width);
    ctx.rect(left, bottom - value * scale, plot.x(from + (i + 1) * width) - left, value * scale);
  });
  ctx.fill();
  ctx.globalAlpha = 1;
}

/** What was recorded at each drive: means with their standard errors. */
export function paintMeans(ctx: CanvasRenderingContext2D, theme: Theme, plot: Plot, means: Mean[]): void {
  ctx.save();
  ctx.globalAlpha = 0.75;
  ctx.fillStyle = ctx.strokeStyle = theme.muted;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (const { drive, rate, error } of means) {
    const x = Math.round(plot.x(drive)) + 0.5;
    ctx.moveTo(x, plot.y(rate - error));
    ctx.lineTo(x, plot.y(rate + error));
  }
  ctx.stroke();
  ctx.beginPath();
  for (const { drive, rate } of means) {
    const [x, y] = [plot.x(drive), plot.y(rate)];
    ctx.moveTo(x + POINT_PX, y);
    ctx.arc(x, y, POINT_PX, 0, 2 * Math.PI);
  }
  ctx.fill();
  ctx.restore();
}

function trace(path: Pick<CanvasRenderingContext2D, "moveTo" | "lineTo">, plot: Plot, curve: CurveOf): void {
  const { box } = plot;
  const points = Math.max(Math.ceil(box.width / CURVE_STEP_PX), 1);
  // A canvas keeps coordinates in single precision: far outside is far enough.
  const far = 10 * box.height;
  for (let i = 0; i <= points; i++) {
    const x = box.x + (i / points) * box.width;
    const y = clamp(plot.y(curve(plot.driveAt(x))), -far, far);
    if (i === 0) path.moveTo(x, y);
    else path.lineTo(x, y);
  }
}

export function paintTrained(ctx: CanvasRenderingContext2D, theme: Theme, plot: Plot, curve: CurveOf): void {
  ctx.save();
  ctx.strokeStyle = theme.trained;
  ctx.lineWidth = 1;
  ctx.setLineDash([4, 3]);
  ctx.beginPath();
  trace(ctx, plot, curve);
  ctx.stroke();
  ctx.restore();
}

/** One short line: wide costs 0.3 ms without a GPU, two thin ones 0.1 ms, and these would be thin where it is steep. */
export function paintCurve(ctx: CanvasRenderingContext2D, theme: Theme, plot: Plot, curve: CurveOf): void {
  ctx.save();
  clip(ctx, plot.box);
  ctx.strokeStyle = theme.model;
  ctx.lineWidth = 2;
  ctx.lineJoin = "round";
  ctx.beginPath();
  trace(ctx, plot, curve);
  ctx.stroke();
  ctx.restore();
}
