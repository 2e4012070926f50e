/** What is painted around the handles: 1-sigma ellipses, the trained centres, the lines to the axes. */

import type { OnGrid } from "../math/field";
import type { Grid } from "./grid";
import type { Theme } from "./theme";

function strokeTwice(ctx: CanvasRenderingContext2D, halo: string, line: string, width: number): void {
  ctx.strokeStyle = halo;
  ctx.lineWidth = width + 2;
  ctx.stroke();
  ctx.strokeStyle = line;
  ctx.lineWidth = width;
  ctx.stroke();
}

/** The ellipse one effective sigma around a centre; bold for the selected Gaussian. */
export function drawEllipse(
  ctx: CanvasRenderingContext2D,
  theme: Theme,
  grid: Grid,
  p: OnGrid,
  bold: boolean,
): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(grid.box.x, grid.box.y, grid.box.width, grid.box.height);
  ctx.clip();
  ctx.beginPath();
  const [rx, ry] = [p.sigmaFrames * grid.perFrame, p.sigmaBands * grid.perBand];
  ctx.ellipse(grid.x(p.frame), grid.y(p.band), rx, ry, 0, 0, 2 * Math.PI);
  if (bold) strokeTwice(ctx, theme.panel, theme.foreground, 1.75);
  else {
    ctx.globalAlpha = 0.45;
    ctx.strokeStyle = theme.foreground;
    ctx.lineWidth = 1;
    ctx.stroke();
  }
  ctx.restore();
}

/** A thin dashed ring where training left the centre, and a line to where it is now. */
export function drawGhost(
  ctx: CanvasRenderingContext2D,
  theme: Theme,
  grid: Grid,
  trained: OnGrid,
  now: OnGrid,
): void {
  const from = grid.centre(trained);
  const to = grid.centre(now);
  const distance = Math.hypot(to.x - from.x, to.y - from.y);
  ctx.save();
  ctx.setLineDash([3, 3]);
  ctx.strokeStyle = theme.foreground;
  ctx.globalAlpha = 0.85;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.arc(from.x, from.y, 7, 0, 2 * Math.PI);
  if (distance > 9) {
    const share = 7 / distance;
    ctx.moveTo(from.x + share * (to.x - from.x), from.y + share * (to.y - from.y));
    ctx.lineTo(to.x, to.y);
  }
  ctx.stroke();
  ctx.restore();
}

/** Fine lines from a centre to both axes, to read its place while it moves. */
export function drawCrosshair(ctx: CanvasRenderingContext2D, theme: Theme, grid: Grid, p: OnGrid): void {
  const { x, y } = grid.centre(p);
  const { box } = grid;
  ctx.save();
  ctx.strokeStyle = theme.foreground;
  ctx.globalAlpha = 0.5;
  ctx.lineWidth = 1;
  ctx.setLineDash([1, 3]);
  ctx.beginPath();
  ctx.moveTo(box.x, y);
  ctx.lineTo(x, y);
  ctx.lineTo(x, box.y + box.height);
  ctx.stroke();
  ctx.restore();
}
