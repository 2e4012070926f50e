/** What lies over a receptive field: ellipses of the selected Gaussians, trained centres, lines to the axes, a rubber band. */

import type { Box } from "../../base/box";
import { setAttribute } from "../../base/dom";
import { px } from "../../base/format";
import { svg } from "../../base/svg";
import type { Grid } from "../../draw/grid";
import type { Gaussian } from "../../math/field";

/** A Gaussian that was moved: where training left its centre, and where it is now. */
export interface Ghost {
  trained: Gaussian;
  now: Gaussian;
}

const GHOST_RADIUS = 7;

/** An SVG over the grid: a move changes a few attributes, where a canvas would be sent to the screen as a whole. */
export class Marks {
  readonly #rings: SVGElement[][] = [];
  readonly #clip = svg("svg", "db-clip");
  readonly #cross = svg("path", "db-cross");
  readonly #band = svg("rect", "db-rubber");
  readonly #ghosts: SVGElement[] = [];
  readonly element = svg("svg", "db-marks", this.#clip, this.#cross);

  constructor() {
    this.element.setAttribute("aria-hidden", "true");
  }

  /** A rubber band, in pixels of the grid's box; null for none. */
  stretch(band: Box | null): void {
    if (!band) {
      this.#band.remove();
      return;
    }
    for (const [name, value] of Object.entries(band)) setAttribute(this.#band, name, px(value));
    if (this.#band.parentNode === null) this.element.append(this.#band);
  }

  /**
   * Show where the moved Gaussians were, one sigma around the selected ones, and lines to the axes from the last of them
   * while it moves.
   */
  paint(grid: Grid, ghosts: Ghost[], selected: Gaussian[], moving: boolean): void {
    const { x: left, y: top, height } = grid.box;
    while (this.#ghosts.length < ghosts.length) this.#ghosts.push(svg("path", "db-ghost"));
    this.#ghosts.forEach((path, i) => {
      const ghost = ghosts[i];
      if (!ghost) {
        path.remove();
        return;
      }
      if (path.parentNode === null) this.element.append(path);
      const [from, to] = [grid.centre(ghost.trained), grid.centre(ghost.now)];
      setAttribute(path, "d", ghostPath(from.x - left, from.y - top, to.x - left, to.y - top));
    });
    while (this.#rings.length < selected.length) {
      const rings = ["db-halo", "db-ring"].map((name) => svg("ellipse", name));
      this.#rings.push(rings);
      this.#clip.append(...rings);
    }
    this.#rings.forEach((rings, i) => {
      const p = selected[i];
      for (const ring of rings) {
        setAttribute(ring, "visibility", p ? null : "hidden");
        if (!p) continue;
        setAttribute(ring, "cx", px(grid.x(p.frame) - left));
        setAttribute(ring, "cy", px(grid.y(p.band) - top));
        setAttribute(ring, "rx", px(p.sigma_frames * grid.perFrame));
        setAttribute(ring, "ry", px(p.sigma_bands * grid.perBand));
      }
    });
    let lines: string | null = null;
    const last = selected.at(-1);
    if (last && moving) {
      const at = grid.centre(last);
      const [x, y] = [px(at.x - left), px(at.y - top)];
      lines = `M0 ${y}H${x}V${px(height)}`;
    }
    setAttribute(this.#cross, "d", lines);
  }
}

/** A ring, and a line from its edge to where the centre is now when that lies outside it. */
function ghostPath(x: number, y: number, toX: number, toY: number): string {
  const r = GHOST_RADIUS;
  const ring = `M${px(x - r)} ${px(y)}a${r} ${r} 0 1 1 ${2 * r} 0a${r} ${r} 0 1 1 ${-2 * r} 0`;
  const distance = Math.hypot(toX - x, toY - y);
  if (distance <= r + 2) return ring;
  const share = r / distance;
  const start = `${px(x + share * (toX - x))} ${px(y + share * (toY - y))}`;
  return `${ring}M${start}L${px(toX)} ${px(toY)}`;
}
