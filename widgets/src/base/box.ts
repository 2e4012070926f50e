/** Rectangles of a stage, in pixels. */

import { clamp } from "./clamp";
import type { Point } from "./dom";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** What margins leave of a size, ten pixels at least. */
export function inset(
  { width, height }: { width: number; height: number },
  margin: { left: number; right: number; top: number; bottom: number },
): Box {
  return {
    x: margin.left,
    y: margin.top,
    width: Math.max(width - margin.left - margin.right, 10),
    height: Math.max(height - margin.top - margin.bottom, 10),
  };
}

/** Whether a place lies in a box, or not farther than `margin` from it. */
export function holds(box: Box, { x, y }: Point, margin = 0): boolean {
  return (
    x >= box.x - margin &&
    x <= box.x + box.width + margin &&
    y >= box.y - margin &&
    y <= box.y + box.height + margin
  );
}

/** The place of a box that is nearest to another. */
export function nearestIn(box: Box, { x, y }: Point): Point {
  return { x: clamp(x, box.x, box.x + box.width), y: clamp(y, box.y, box.y + box.height) };
}

/** Paint only within a box from now on. */
export function clip(ctx: CanvasRenderingContext2D, box: Box): void {
  ctx.beginPath();
  ctx.rect(box.x, box.y, box.width, box.height);
  ctx.clip();
}

/** Lay an element over a box of its stage. */
export function layOver(target: HTMLElement, { x, y, width, height }: Box): void {
  const place = { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` };
  Object.assign(target.style, place);
}
