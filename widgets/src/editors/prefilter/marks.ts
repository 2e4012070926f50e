/** What moves in the plots of an adaptation: the curves with their points, the selected band, its kernels. */

import type { Box } from "../../base/box";
import { setAttribute } from "../../base/dom";
import { px } from "../../base/format";
import { svg } from "../../base/svg";
import { adaptationKernel, type BandFilter, decayOf } from "../../math/prefilters";
import { type Curve, levelOf } from "./curves";
import { type KernelPlot, type Layout, plotOf } from "./plot";

/** Points closer than this, in pixels, are left out. */
const LEAST_SPACING = 6;
/** Where bands are far apart a point is a disk (ON, w) or a ring (OFF): two curves that coincide are both seen. */
const RADII: Record<string, number> = { on: 2.1, off: 3.5 };
const RADIUS = 2.6;
/** Points of a kernel's line at most: an exponential is smooth. */
const MOST_LAGS = 150;

/** Size of the weight at a lag of one bin: the largest of the past. */
export function pastReach({ tauMs, past }: BandFilter, dtMs: number, taps: number): number {
  const [, next] = adaptationKernel(decayOf(tauMs, dtMs), 0, past, taps, 2);
  return Math.abs(next);
}

export interface Moving {
  layout: Layout;
  curves: Curve[];
  active: Curve[];
  /** (rows, F) */
  prefilter: ArrayLike<number>;
  F: number;
  dtMs: number;
  taps: number;
  /** The band whose kernels are shown, and the bands under the brush (the band itself without one). */
  band: number;
  under: [first: number, last: number];
  /** Kernels of the band now and as trained (empty where they are the same). */
  kernels: BandFilter[];
  trained: BandFilter[];
  /** Of a depression: the share of the resource bin by bin in a steady sound, now and as trained. */
  resource: ArrayLike<number>[];
}

/** An SVG over the stage: a move changes a few attributes, where a canvas would be sent to the screen as a whole. */
export class PrefilterMarks {
  readonly #brush = svg("path", "db-adapt-brush");
  readonly #column = svg("path", "db-adapt-column");
  readonly #lines = svg("g", "db-adapt-lines");
  readonly #kernels = svg("g", "db-adapt-kernels");
  readonly element = svg("svg", "db-marks", this.#brush, this.#column, this.#lines, this.#kernels);
  readonly #curves = new Map<string, { group: SVGElement; line: SVGElement; points: SVGElement }>();
  readonly #past = new Map<
    string,
    { ghost: SVGElement; area: SVGElement; line: SVGElement; stem: SVGElement; text: SVGElement }
  >();

  constructor() {
    this.element.setAttribute("aria-hidden", "true");
  }

  paint(moving: Moving): void {
    this.#paintColumn(moving);
    this.#paintCurves(moving);
    this.#paintKernels(moving);
  }

  #paintColumn({ layout, band, under }: Moving): void {
    const { tau, lower } = layout;
    const column = (first: number, last: number) =>
      [tau, lower]
        .filter((plot) => plot !== null)
        .map(({ box }) => rectangle(box, tau.x(first - 0.5), tau.x(last + 0.5)))
        .join("");
    setAttribute(this.#column, "d", column(band, band));
    setAttribute(this.#brush, "d", under[1] > under[0] ? column(...under) : null);
  }

  #paintCurves({ layout, curves, active, prefilter, F }: Moving): void {
    for (const [key, { group }] of this.#curves) if (!curves.some((c) => c.key === key)) group.remove();
    for (const curve of curves) {
      const plot = plotOf(layout, curve);
      const { group, line, points } = this.#elementsOf(curve.key);
      if (group.parentNode === null) this.#lines.append(group);
      const radius = RADII[curve.key] ?? RADIUS;
      const every = Math.ceil(LEAST_SPACING / plot.perBand);
      let [path, dots] = ["", ""];
      for (let band = 0; band < F; band++) {
        const value = prefilter[curve.row * F + band];
        const level = levelOf(curve, value);
        const [x, y] = [plot.x(band), plot.y(level)];
        path += `${band ? "L" : "M"}${px(x)} ${px(y)}`;
        const endless = value === Infinity;
        const beyond = endless ? 1 : plot.beyond(level);
        if (beyond !== 0) dots += endless || band % every === 0 ? arrowhead(x, plot.box, beyond) : "";
        else if (band % every === 0) dots += circle(x, y, radius);
      }
      setAttribute(line, "d", path);
      setAttribute(points, "d", dots);
      setAttribute(group, "data-active", active.includes(curve));
    }
    // The active curve lies above the others.
    for (const curve of active) {
      const { group } = this.#elementsOf(curve.key);
      const above = group.nextElementSibling;
      if (above && above.getAttribute("data-active") === null) this.#lines.append(group);
    }
  }

  #elementsOf(key: string) {
    let known = this.#curves.get(key);
    if (!known) {
      const [line, points] = [svg("path", "db-adapt-line"), svg("path", "db-adapt-points")];
      known = { group: svg("g", `db-adapt-${key}`, line, points), line, points };
      this.#curves.set(key, known);
    }
    return known;
  }

  #paintKernels(moving: Moving): void {
    const { layout, kernels, trained, dtMs, taps, resource } = moving;
    const plot = layout.kernel;
    const [now, before] = resource;
    if (now) {
      const { ghost, area, line } = this.#kernelOf("recovery");
      const path = sharePath(plot, now, dtMs);
      setAttribute(ghost, "d", before ? sharePath(plot, before, dtMs) : null);
      setAttribute(line, "d", path);
      setAttribute(area, "d", `${path}V${px(plot.y(0))}H${px(plot.x(0))}Z`);
      setAttribute(line.parentNode as Element, "visibility", false);
    }
    for (const [key, { line }] of this.#past) {
      const gone = !kernels.some((k) => k.key === key) && !(now && key === "recovery");
      setAttribute(line.parentNode as Element, "visibility", gone && "hidden");
    }
    for (const kernel of kernels) {
      const { ghost, area, line, stem, text } = this.#kernelOf(kernel.key);
      const before = trained.find((t) => t.key === kernel.key);
      setAttribute(ghost, "d", before ? pastPath(plot, before, dtMs, taps) : null);
      const path = pastPath(plot, kernel, dtMs, taps);
      setAttribute(line, "d", path);
      const zero = px(plot.y(0));
      setAttribute(area, "d", `${path}V${zero}H${px(plot.x(dtMs))}Z`);
      const right = plot.x(0) - 1.5;
      const end = plot.y(kernel.present);
      const clipped = Math.abs(kernel.present) > plot.reach * (1 + 1e-6);
      const way = kernel.present > 0 ? 1 : -1;
      const tip = clipped ? `M${px(right - 3)} ${px(end + 5 * way)}l3 ${-5 * way}l3 ${5 * way}` : "";
      setAttribute(stem, "d", `M${px(right)} ${zero}V${px(end)}${tip}`);
      setAttribute(text, "x", px(plot.box.x + plot.box.width + 6));
      setAttribute(text, "y", px(end + (kernel.present > 0 ? 9 : -2)));
      const label = `${kernel.present > 0 ? "+" : "−"}${Math.abs(kernel.present).toFixed(2)}`;
      if (text.textContent !== label) text.textContent = label;
    }
  }

  #kernelOf(key: string) {
    let known = this.#past.get(key);
    if (!known) {
      const part = (tag: string, name: string) => svg(tag, `db-adapt-${name}`);
      known = {
        ghost: part("path", "ghost"),
        area: part("path", "area"),
        line: part("path", "line"),
        stem: part("path", "stem"),
        text: part("text", "now"),
      };
      const { ghost, area, line, stem, text } = known;
      this.#kernels.append(svg("g", `db-adapt-${key}`, area, ghost, line, stem, text));
      this.#past.set(key, known);
    }
    return known;
  }
}

function rectangle({ y, height }: Box, from: number, to: number): string {
  const [x, width] = [px(from), px(to - from)];
  return `M${x} ${px(y)}h${width}v${px(height)}h-${width}Z`;
}

function circle(x: number, y: number, r: number): string {
  return `M${px(x - r)} ${px(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
}

/** A point beyond the upper (1) or lower (-1) edge. */
function arrowhead(x: number, { y, height }: Box, way: number): string {
  const tip = way > 0 ? y : y + height;
  return `M${px(x - 3.5)} ${px(tip + 6 * way)}l3.5 ${-6 * way}l3.5 ${6 * way}Z`;
}

/** A share of the resource from the beginning of a sound to the latest time on screen. */
function sharePath(plot: KernelPlot, shares: ArrayLike<number>, dtMs: number): string {
  const n = Math.min(Math.floor(plot.longest / dtMs) + 1, shares.length);
  const step = Math.max(Math.ceil(n / MOST_LAGS), 1);
  let path = "";
  for (let t = 0; t < n; t += step) {
    path += `${path ? "L" : "M"}${px(plot.x(t * dtMs))} ${px(plot.y(shares[t]))}`;
  }
  return path;
}

/** The past of a kernel as a line, from now to the longest lag on screen. */
function pastPath(plot: KernelPlot, kernel: BandFilter, dtMs: number, taps: number): string {
  const n = Math.floor(plot.longest / dtMs) + 1;
  const weights = adaptationKernel(decayOf(kernel.tauMs, dtMs), kernel.present, kernel.past, taps, n);
  const step = Math.max(Math.ceil(n / MOST_LAGS), 1);
  let path = "";
  for (let lag = 1; lag < n; lag += step) {
    path += `${path ? "L" : "M"}${px(plot.x(lag * dtMs))} ${px(plot.y(weights[lag]))}`;
  }
  return path;
}
