/** The plot of an output curve: its axes, what is painted behind the curve, the curve, and the marks over it. */

import { type Box, clip } from "../../base/box";
import { clamp } from "../../base/clamp";
import { setAttribute } from "../../base/dom";
import { px } from "../../base/format";
import { svg } from "../../base/svg";
import { drawAxis, drawFrame, linearTicks } from "../../draw/axes";
import { Eased } from "../../draw/surface";
import type { Theme } from "../../draw/theme";
import type { Histogram, Mean } from "../../math/drive-summary";

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

export type Ends = [low: number, high: number];

/** Room beyond what is shown, as a share of it. */
const ROOM = 0.06;
/** Drives shown where the browser cannot compute any. */
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

/** Ends of a line in pixels of the stage. */
export type Segment = readonly [x1: number, y1: number, x2: number, y2: number];

/** An SVG over the plot: a move changes a few attributes. */
export class CurveMarks {
  readonly #levels = svg("path", "db-levels");
  readonly #tangent = svg("path", "db-tangent");
  readonly #cross = svg("path", "db-cross");
  readonly element = svg("svg", "db-marks", svg("svg", "db-clip", this.#levels, this.#cross), this.#tangent);

  constructor() {
    this.element.setAttribute("aria-hidden", "true");
  }

  /** Levels at these rates, the tangent, and a line up from this drive; null for none. */
  paint(plot: Plot, levels: number[], tangent: Segment | null, drive: number | null): void {
    const { x: left, y: top, width, height } = plot.box;
    const lines = levels.map((rate) => `M0 ${px(plot.y(rate) - top)}H${px(width)}`);
    setAttribute(this.#levels, "d", lines.join("") || null);
    const [x1, y1, x2, y2] = (tangent ?? []).map((value, i) => px(value - (i % 2 ? top : left)));
    setAttribute(this.#tangent, "d", tangent && `M${x1} ${y1}L${x2} ${y2}`);
    const up = drive === null ? null : `M${px(plot.x(drive) - left)} 0V${px(height)}`;
    setAttribute(this.#cross, "d", up);
  }
}
