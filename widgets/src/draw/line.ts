/** Long signals as lines and areas: never more than two points a pixel column. */

import type { Box } from "../base/box";
import { SvgContext, SvgPath } from "./svg-context";

export interface Window {
  /** First and last frame on screen (fractional); frame k covers [k, k + 1). */
  from: number;
  to: number;
}

/** Lowest and highest finite value, null when there is none. */
export function extent(values: ArrayLike<number>): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return low <= high ? [low, high] : null;
}

/**
 * Trace a signal through the centres of its bins. Where bins are narrower than pixels, each pixel column takes the
 * lowest and highest value in it. A gap (NaN) breaks the line.
 */
export function traceLine(
  path: Pick<CanvasRenderingContext2D, "moveTo" | "lineTo">,
  values: ArrayLike<number>,
  { from, to }: Window,
  box: Box,
  place: (value: number) => number,
): void {
  const perFrame = box.width / (to - from);
  const first = Math.max(Math.floor(from) - 1, 0);
  const last = Math.min(Math.ceil(to) + 1, values.length);
  let open = false;
  const point = (x: number, y: number) => {
    if (open) path.lineTo(x, y);
    else path.moveTo(x, y);
    open = true;
  };
  if (perFrame >= 1) {
    for (let i = first; i < last; i++) {
      const v = values[i];
      if (Number.isNaN(v)) open = false;
      else point(box.x + (i + 0.5 - from) * perFrame, place(v));
    }
    return;
  }
  let i = first;
  while (i < last) {
    const column = Math.floor((i + 0.5 - from) * perFrame);
    const start = i;
    let [low, high] = [Infinity, -Infinity];
    let [lowAt, highAt] = [i, i];
    for (; i < last && Math.floor((i + 0.5 - from) * perFrame) === column; i++) {
      const v = values[i];
      if (v < low) [low, lowAt] = [v, i];
      if (v > high) [high, highAt] = [v, i];
    }
    if (i === start) i++;
    if (low > high) {
      open = false;
      continue;
    }
    const x = box.x + column + 0.5;
    const [y1, y2] = lowAt <= highAt ? [low, high] : [high, low];
    point(x, place(y1));
    if (y1 !== y2) point(x, place(y2));
  }
}

const LINE_PX = 1.5;

/** A path that this context strokes. */
export const pathOn = (ctx: CanvasRenderingContext2D): Path2D =>
  ctx instanceof SvgContext ? (new SvgPath() as unknown as Path2D) : new Path2D();

/**
 * Stroke a dense signal. Renderers without a GPU draw lines of one device pixel ten times as fast as wider ones, so the
 * line is made of a few of those, one above the other.
 */
export function strokeSignal(ctx: CanvasRenderingContext2D, colour: string, signal: Path2D): void {
  const ratio = devicePixelRatio || 1;
  // A file has no screen: one line of the width that is meant.
  const vector = ctx instanceof SvgContext;
  const lines = vector ? 1 : Math.max(Math.ceil(LINE_PX * ratio), 1);
  const apart = lines > 1 ? (LINE_PX - 1 / ratio) / (lines - 1) : 0;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = vector ? LINE_PX : 1 / ratio;
  ctx.translate(0, (-apart * (lines - 1)) / 2);
  for (let i = 0; i < lines; i++) {
    ctx.stroke(signal);
    ctx.translate(0, apart);
  }
  ctx.restore();
}

/** Fill a signal as steps down to `base` (its highest value in each pixel column where bins are narrower). */
export function fillSteps(
  ctx: Pick<CanvasRenderingContext2D, "rect" | "beginPath" | "fill">,
  values: ArrayLike<number>,
  { from, to }: Window,
  box: Box,
  place: (value: number) => number,
  base: number,
): void {
  const perFrame = box.width / (to - from);
  const first = Math.max(Math.floor(from), 0);
  const last = Math.min(Math.ceil(to), values.length);
  const y0 = place(base);
  ctx.beginPath();
  let i = first;
  while (i < last) {
    let value = values[i];
    const start = i;
    i++;
    if (perFrame < 1) {
      const column = Math.floor((start + 0.5 - from) * perFrame);
      for (; i < last && Math.floor((i + 0.5 - from) * perFrame) === column; i++) {
        const v = values[i];
        if (Number.isNaN(value) || Math.abs(v - base) > Math.abs(value - base)) value = v;
      }
    }
    if (Number.isNaN(value)) continue;
    const left = box.x + (start - from) * perFrame;
    ctx.rect(left, Math.min(place(value), y0), (i - start) * perFrame, Math.abs(place(value) - y0));
  }
  ctx.fill();
}
