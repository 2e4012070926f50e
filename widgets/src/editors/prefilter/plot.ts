/** Where the plots of an adaptation lie, and what of them holds still in a drag: frames, axes, trained curves. */

import type { Box } from "../../base/box";
import { clamp } from "../../base/clamp";
import { number } from "../../base/format";
import { drawAxis, drawFrame, frequencyTicks, lagTicks, setFont } from "../../draw/axes";
import type { Theme } from "../../draw/theme";
import type { Axes } from "../../math/field";
import { type Curve, decayTicks, isLog, isTau, levelsOf, logTicks } from "./curves";

const MARGIN = { left: 54, right: 46, top: 24, bottom: 36 };
/** Between the plots of tau and w; from w to the kernels with the frequency axis and a line of numbers in between. */
const GAP = 14;
const AXIS = 58;
const W_HEIGHT = 46;
const KERNEL_HEIGHT = 58;

/** Difference of levels that counts as none. */
const EPSILON = 1e-6;

/** Bands to the right, levels upward. */
export class Plot {
  constructor(
    readonly box: Box,
    readonly F: number,
    readonly low: number,
    readonly high: number,
  ) {}

  get perBand(): number {
    return this.box.width / this.F;
  }
  x(band: number): number {
    return this.box.x + (band + 0.5) * this.perBand;
  }
  band(x: number): number {
    return (x - this.box.x) / this.perBand - 0.5;
  }
  /** A level beyond the axis lies at its end. */
  y(level: number): number {
    const { box } = this;
    const share = (level - this.low) / (this.high - this.low);
    return box.y + box.height * (1 - clamp(share, 0, 1));
  }
  /** 1 above the axis, -1 below it, 0 on it. */
  beyond(level: number): number {
    return level > this.high + EPSILON ? 1 : level < this.low - EPSILON ? -1 : 0;
  }
  level(y: number): number {
    return this.low + (1 - (y - this.box.y) / this.box.height) * (this.high - this.low);
  }
  /** Levels that one pixel upward spans. */
  get perPixel(): number {
    return (this.high - this.low) / this.box.height;
  }
}

/** Lags to the left of now, weights upward about 0. */
export class KernelPlot {
  constructor(
    readonly box: Box,
    /** The longest lag in ms, and the largest weight. */
    readonly longest: number,
    readonly reach: number,
  ) {}

  x(lagMs: number): number {
    return this.box.x + this.box.width * (1 - lagMs / this.longest);
  }
  y(weight: number): number {
    const share = clamp(weight / this.reach, -1, 1);
    return this.box.y + (this.box.height * (1 - share)) / 2;
  }
}

/** Time to the right from the beginning of a steady sound, shares of a resource upward from 0. */
export class ResourcePlot extends KernelPlot {
  override x(ms: number): number {
    return this.box.x + (this.box.width * ms) / this.longest;
  }
  override y(share: number): number {
    return this.box.y + this.box.height * (1 - clamp(share / this.reach, 0, 1));
  }
}

export interface Layout {
  tau: Plot;
  /** Of w, or of the strength of depression; null for an adaptation with neither. */
  lower: Plot | null;
  kernel: KernelPlot;
}

/** What the axes show; tau in ms. */
export interface Ranges {
  tau: [low: number, high: number];
  /** Levels. */
  lower: [low: number, high: number];
  longest: number;
  reach: number;
}

export function layoutOf(
  width: number,
  height: number,
  F: number,
  lowerCurve: Curve | undefined,
  ranges: Ranges,
): Layout {
  const inner = Math.max(width - MARGIN.left - MARGIN.right, 10);
  const below = AXIS + KERNEL_HEIGHT + MARGIN.bottom + (lowerCurve ? GAP + W_HEIGHT : 0);
  const box = (y: number, h: number): Box => ({ x: MARGIN.left, y, width: inner, height: h });
  const tau = box(MARGIN.top, Math.max(height - MARGIN.top - below, 10));
  const end = tau.y + tau.height;
  const lower = lowerCurve ? box(end + GAP, W_HEIGHT) : null;
  const kernel = box((lower ? lower.y + lower.height : end) + AXIS, KERNEL_HEIGHT);
  const LowestPlot = lowerCurve && isLog(lowerCurve) ? ResourcePlot : KernelPlot;
  return {
    tau: new Plot(tau, F, Math.log(ranges.tau[0]), Math.log(ranges.tau[1])),
    lower: lower && new Plot(lower, F, ...ranges.lower),
    kernel: new LowestPlot(kernel, ranges.longest, ranges.reach),
  };
}

/** The plot of a curve. */
export const plotOf = (layout: Layout, curve: Curve): Plot =>
  isTau(curve) ? layout.tau : (layout.lower ?? layout.tau);

export interface Still {
  layout: Layout;
  axes: Axes;
  /** The curves that differ from the trained ones, and those, (rows, F). */
  edited: Curve[];
  trained: ArrayLike<number>;
}

export function drawStill(ctx: CanvasRenderingContext2D, theme: Theme, still: Still): void {
  const { layout, axes, edited, trained } = still;
  drawTau(ctx, theme, layout.tau, axes.dtMs);
  if (layout.lower && layout.kernel instanceof ResourcePlot) drawStrength(ctx, theme, layout.lower);
  else if (layout.lower) drawW(ctx, theme, layout.lower);
  const lowest = (layout.lower ?? layout.tau).box;
  const bands = frequencyTicks(axes.cfHz, lowest.width, 30);
  drawAxis(ctx, theme, lowest, "bottom", bands, (band) => layout.tau.x(band), "frequency (kHz)");
  drawKernelAxes(ctx, theme, layout.kernel);
  for (const curve of edited) {
    const colours: Record<string, string> = { on: theme.on, off: theme.off };
    const colour = colours[curve.key] ?? theme.trained;
    drawGhost(ctx, colour, plotOf(layout, curve), levelsOf(curve, trained, axes.F));
  }
}

function drawGrid(ctx: CanvasRenderingContext2D, theme: Theme, box: Box, ys: number[]): void {
  ctx.save();
  ctx.strokeStyle = theme.line;
  ctx.globalAlpha = 0.35;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (const y of ys) {
    const sharp = Math.round(y) + 0.5;
    ctx.moveTo(box.x, sharp);
    ctx.lineTo(box.x + box.width, sharp);
  }
  ctx.stroke();
  ctx.restore();
}

const TICK_GAP = 15;

function drawTau(ctx: CanvasRenderingContext2D, theme: Theme, plot: Plot, dtMs: number): void {
  const { box } = plot;
  const [low, high] = [Math.exp(plot.low), Math.exp(plot.high)];
  const ticks = logTicks(low, high, box.height, TICK_GAP);
  const place = (tau: number) => plot.y(Math.log(tau));
  drawGrid(ctx, theme, box, ticks.map(place));
  drawFrame(ctx, theme, box);
  const left = ticks.map((tau) => ({ at: tau, text: String(tau) }));
  drawAxis(ctx, theme, box, "left", left, place, "τ (ms)");
  const right = decayTicks(low, high, dtMs, box.height, TICK_GAP);
  const decays = right.map(({ tauMs, text }) => ({ at: tauMs, text }));
  drawAxis(ctx, theme, box, "right", decays, place, "");
  setFont(ctx, theme);
  ctx.fillStyle = theme.muted;
  ctx.textAlign = "right";
  ctx.textBaseline = "bottom";
  ctx.fillText("a per bin", box.x + box.width + MARGIN.right - 2, box.y - 9);
}

function drawW(ctx: CanvasRenderingContext2D, theme: Theme, plot: Plot): void {
  const ticks = [0, 0.5, 1].map((at) => ({ at, text: String(at) }));
  drawGrid(ctx, theme, plot.box, [plot.y(0.5)]);
  drawFrame(ctx, theme, plot.box);
  drawAxis(ctx, theme, plot.box, "left", ticks, (w) => plot.y(w), "w");
}

function drawStrength(ctx: CanvasRenderingContext2D, theme: Theme, plot: Plot): void {
  const all = logTicks(Math.exp(plot.low), Math.exp(plot.high), plot.box.height, 13);
  const ticks = all.map((at) => ({ at, text: number(at, 1) }));
  const place = (u: number) => plot.y(Math.log(u));
  drawGrid(ctx, theme, plot.box, all.map(place));
  drawFrame(ctx, theme, plot.box);
  drawAxis(ctx, theme, plot.box, "left", ticks, place, "u");
}

function drawKernelAxes(ctx: CanvasRenderingContext2D, theme: Theme, plot: KernelPlot): void {
  const { box, longest, reach } = plot;
  if (plot instanceof ResourcePlot) {
    drawGrid(ctx, theme, box, [plot.y(0.5)]);
    drawFrame(ctx, theme, box);
    const shares = [0, 0.5, 1].map((at) => ({ at, text: String(at) }));
    drawAxis(ctx, theme, box, "left", shares, (share) => plot.y(share), "resource");
    const times = lagTicks(longest, box.width);
    drawAxis(
      ctx,
      theme,
      box,
      "bottom",
      times,
      (ms) => plot.x(ms),
      "time (ms) in a steady sound of the mean level",
    );
    return;
  }
  drawGrid(ctx, theme, box, [plot.y(0)]);
  drawFrame(ctx, theme, box);
  const ends = [-reach, 0, reach].map((at) => ({ at, text: number(at, 2).replace(/\.?0+$/, "") || "0" }));
  drawAxis(ctx, theme, box, "left", ends, (weight) => plot.y(weight), "weight");
  const lags = lagTicks(longest, box.width);
  drawAxis(ctx, theme, box, "bottom", lags, (lag) => plot.x(lag), "lag (ms), 0 = now");
}

function drawGhost(ctx: CanvasRenderingContext2D, colour: string, plot: Plot, levels: Float64Array): void {
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.globalAlpha = 0.8;
  ctx.lineWidth = 1;
  ctx.setLineDash([3, 3]);
  ctx.beginPath();
  levels.forEach((level, band) => {
    if (band === 0) ctx.moveTo(plot.x(band), plot.y(level));
    else ctx.lineTo(plot.x(band), plot.y(level));
  });
  ctx.stroke();
  ctx.restore();
}
