/** What stands around a receptive field and its gradient map: axes, frames and colour bars. */

import type { Box } from "../../base/box";
import { drawAxis, drawFrame, frequencyTicks, lagTicks } from "../../draw/axes";
import { diverging } from "../../draw/colormap";
import { Grid } from "../../draw/grid";
import { drawColourBar } from "../../draw/heatmap";
import type { Theme } from "../../draw/theme";
import type { Axes } from "../../math/field";
import { frameToLagMs, lagMsToFrame } from "../../math/units";

/** Height of a colour bar for each of its ticks, in pixels. */
const BAR_TICK_PX = 44;

export interface Around {
  /** Left of the picture and below it, so many pixels are for profiles. */
  profile: number;
  /** Where the gradient map stands beside the weights; null where it does not. */
  beside: Box | null;
  /** Ends of the colours: of the weights, and of the gradient map or 0 without one. */
  reach: number;
  slope: number;
  unit: string;
}

export function drawAround(
  ctx: CanvasRenderingContext2D,
  theme: Theme,
  { box }: Grid,
  axes: Axes,
  { profile, beside, reach, slope, unit }: Around,
): void {
  const bands = frequencyTicks(axes.cfHz, box.height);
  const nearest = axes.delayMs - axes.dtMs / 2;
  const longest = frameToLagMs(0, axes.T, axes.dtMs, axes.delayMs);
  const lags = lagTicks(longest, box.width).filter(({ at }) => at >= nearest);
  const sides = (of: Box, room: number, left: string, bottom: string) => {
    const grid = new Grid(of, axes.F, axes.T);
    const along = (lag: number) => grid.x(lagMsToFrame(lag, axes.T, axes.dtMs, axes.delayMs));
    const [outer, below] = [
      { ...of, x: of.x - room },
      { ...of, height: of.height + room },
    ];
    drawFrame(ctx, theme, of);
    drawAxis(ctx, theme, outer, "left", bands, (band) => grid.y(band), left);
    drawAxis(ctx, theme, below, "bottom", lags, along, bottom);
  };
  sides(box, profile, "frequency (kHz)", "lag (ms), 0 = now");
  if (beside) sides(beside, 0, "", "lag (ms)");
  const ticks = Math.floor(box.height / BAR_TICK_PX);
  const bar = (at: Box, end: number, title: string) =>
    drawColourBar(ctx, theme, at, [-end, end], diverging(theme.dark), title, ticks);
  if (beside || !slope) bar(box, reach, unit);
  if (!slope) return;
  const power = Math.min(Math.floor(Math.log10(slope)) + 2, 0);
  const [of, title] = power ? [10 ** (power - 2), `grad. 10${superscript(power - 2)}`] : [1, "gradient"];
  bar(beside ?? box, slope / of, title);
}

const superscript = (power: number) =>
  String(power).replace(/./g, (sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(sign)]));
