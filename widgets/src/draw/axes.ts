/** Ticks and axes. */

import type { Box } from "../base/box";
import { number } from "../base/format";
import { bandToHz, hzToBand } from "../math/units";
import type { Theme } from "./theme";

export interface Tick {
  /** Where, in the units of the axis. */
  at: number;
  text: string;
}

/** Largest of 1, 2, 5 times a power of ten that gives at most `most` steps over `span`; the smallest such step. */
export function niceStep(span: number, most: number): number {
  if (!(span > 0) || !(most > 0)) return 1;
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 5, 10]) if (factor * power >= rough * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

const MOST_DECIMALS = 3;

/** "0.5", or "−2e−4" where that takes more than three decimals: beside a colour bar the last ones were cut. */
function tickText(at: number, step: number): string {
  const decimals = Math.max(-Math.floor(Math.log10(step) + 1e-9), 0);
  if (at === 0) return decimals > MOST_DECIMALS ? "0" : at.toFixed(decimals);
  if (decimals <= MOST_DECIMALS) return at.toFixed(decimals).replace("-", "−");
  const digits = Math.floor(Math.log10(Math.abs(at)) + 1e-9) + decimals;
  return at.toExponential(Math.max(digits, 0)).replaceAll("-", "−");
}

/** Round numbers between two ends, at most about `most` of them. */
export function linearTicks(low: number, high: number, most: number): Tick[] {
  const step = niceStep(high - low, most);
  const ticks: Tick[] = [];
  const first = Math.ceil(low / step - 1e-6);
  for (let i = first; i * step <= high + 1e-6 * step && ticks.length < 100; i++) {
    const at = i === 0 ? 0 : i * step;
    ticks.push({ at, text: tickText(at, step) });
  }
  return ticks;
}

const FREQUENCY_STEPS = [
  [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9],
  [1, 2, 3, 4, 6, 8],
  [1, 2, 4, 8],
  [1, 2, 5],
  [1, 3],
  [1],
];

/** Ticks of a frequency axis at band indices, labelled in kHz, no closer than `gap` of `height` pixels. */
export function frequencyTicks(cfHz: ArrayLike<number>, height: number, gap = 26): Tick[] {
  const F = cfHz.length;
  const perBand = height / F;
  const [lowest, highest] = [bandToHz(-0.5, cfHz), bandToHz(F - 0.5, cfHz)];
  const kHz = (hz: number): Tick => ({
    at: hzToBand(hz, cfHz),
    text: number(hz / 1000, 3).replace(/\.0*$|(\.\d*?)0+$/, "$1"),
  });
  const spaced = (ticks: Tick[]) =>
    ticks.every((t, i) => i === 0 || (t.at - ticks[i - 1].at) * perBand >= gap);
  for (const steps of FREQUENCY_STEPS) {
    const ticks: Tick[] = [];
    for (let decade = 10 ** Math.floor(Math.log10(lowest)); decade <= highest; decade *= 10) {
      for (const step of steps) {
        const hz = step * decade;
        if (hz >= lowest && hz <= highest) ticks.push(kHz(hz));
      }
    }
    if (ticks.length >= 2 && spaced(ticks)) return ticks;
  }
  const linear = linearTicks(lowest / 1000, highest / 1000, Math.max(Math.floor(height / gap / 2), 2));
  const ticks = linear
    .filter((t) => t.at > 0)
    .map((t) => ({ at: hzToBand(t.at * 1000, cfHz), text: t.text }));
  return spaced(ticks) ? ticks : ticks.slice(0, 1);
}

/** Round lags from 0 to the longest, on so many pixels. */
export const lagTicks = (longest: number, width: number): Tick[] =>
  linearTicks(0, longest || 1, Math.max(Math.floor(width / 60), 2)).filter(({ at }) => at <= longest);

const FONT_PX = 11;
const TICK_PX = 4;

export function setFont(ctx: CanvasRenderingContext2D, theme: Theme, bold = false): void {
  ctx.font = `${bold ? "600 " : ""}${FONT_PX}px ${theme.font}`;
}

/**
 * Ticks, numbers and a title: under a box (`side` "bottom"), left of it ("left"), or right of it with the title on top
 * ("right"). `place` gives pixels.
 */
export function drawAxis(
  ctx: CanvasRenderingContext2D,
  theme: Theme,
  box: Box,
  side: "bottom" | "left" | "right",
  ticks: Tick[],
  place: (at: number) => number,
  title: string,
): void {
  ctx.save();
  setFont(ctx, theme);
  ctx.strokeStyle = theme.line;
  ctx.fillStyle = theme.muted;
  ctx.lineWidth = 1;
  ctx.beginPath();
  const right = box.x + box.width;
  const bottom = box.y + box.height;
  for (const { at, text } of ticks) {
    const p = place(at);
    const sharp = Math.round(p) + 0.5;
    if (side === "bottom") {
      if (p < box.x - 1 || p > right + 1) continue;
      ctx.moveTo(sharp, bottom);
      ctx.lineTo(sharp, bottom + TICK_PX);
      ctx.textAlign = "center";
      ctx.textBaseline = "top";
      ctx.fillText(text, p, bottom + TICK_PX + 3);
    } else {
      if (p < box.y - 1 || p > bottom + 1) continue;
      const edge = side === "left" ? box.x : right;
      const out = side === "left" ? -TICK_PX : TICK_PX;
      ctx.moveTo(edge, sharp);
      ctx.lineTo(edge + out, sharp);
      ctx.textAlign = side === "left" ? "right" : "left";
      ctx.textBaseline = "middle";
      ctx.fillText(text, edge + 1.75 * out, p);
    }
  }
  ctx.stroke();
  ctx.textAlign = "center";
  if (side === "bottom") {
    ctx.textBaseline = "top";
    ctx.fillText(title, box.x + box.width / 2, bottom + 22);
  } else if (side === "right") {
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    ctx.fillText(title, box.x, box.y - 5);
  } else if (title) {
    ctx.translate(box.x - 42, box.y + box.height / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.textBaseline = "middle";
    ctx.fillText(title, 0, 0);
  }
  ctx.restore();
}

/** The thin frame around a box. */
export function drawFrame(ctx: CanvasRenderingContext2D, theme: Theme, box: Box): void {
  ctx.strokeStyle = theme.line;
  ctx.lineWidth = 1;
  ctx.strokeRect(
    Math.round(box.x) - 0.5,
    Math.round(box.y) - 0.5,
    Math.round(box.width) + 1,
    Math.round(box.height) + 1,
  );
}
