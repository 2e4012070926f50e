/** What lies over a receptive field: the ellipse of the selected Gaussian, the trained centres, the lines to the axes. */

import { setAttribute } from "../dom";
import type { OnGrid } from "../math/field";
import type { Grid } from "./grid";

/** A Gaussian that was moved: where training left its centre, and where it is now. */
export interface Ghost {
  trained: OnGrid;
  now: OnGrid;
}

const GHOST_RADIUS = 7;

/** A new SVG element of a class. */
export function svg(tag: string, name: string, ...children: Element[]): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  made.setAttribute("class", name);
  made.append(...children);
  return made;
}

/** An SVG over the grid: a move changes a few attributes, where a canvas would be sent to the screen as a whole. */
export class Marks {
  readonly #rings = ["db-halo", "db-ring"].map((name) => svg("ellipse", name));
  readonly #cross = svg("path", "db-cross");
  readonly #ghosts: SVGElement[] = [];
  readonly element = svg("svg", "db-marks", svg("svg", "db-clip", ...this.#rings), this.#cross);

  constructor() {
    this.element.setAttribute("aria-hidden", "true");
  }

  /** Show where the moved Gaussians were, one sigma around the selected one, and its lines to the axes while it moves. */
  paint(grid: Grid, ghosts: Ghost[], selected: OnGrid | null, moving: boolean): void {
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
    for (const ring of this.#rings) {
      setAttribute(ring, "visibility", selected ? null : "hidden");
      if (!selected) continue;
      setAttribute(ring, "cx", (grid.x(selected.frame) - left).toFixed(1));
      setAttribute(ring, "cy", (grid.y(selected.band) - top).toFixed(1));
      setAttribute(ring, "rx", (selected.sigmaFrames * grid.perFrame).toFixed(1));
      setAttribute(ring, "ry", (selected.sigmaBands * grid.perBand).toFixed(1));
    }
    let lines: string | null = null;
    if (selected && moving) {
      const at = grid.centre(selected);
      const [x, y] = [(at.x - left).toFixed(1), (at.y - top).toFixed(1)];
      lines = `M0 ${y}H${x}V${height.toFixed(1)}`;
    }
    setAttribute(this.#cross, "d", lines);
  }
}

/** A ring, and a line from its edge to where the centre is now when that lies outside it. */
function ghostPath(x: number, y: number, toX: number, toY: number): string {
  const r = GHOST_RADIUS;
  const ring = `M${(x - r).toFixed(1)} ${y.toFixed(1)}a${r} ${r} 0 1 1 ${2 * r} 0a${r} ${r} 0 1 1 ${-2 * r} 0`;
  const distance = Math.hypot(toX - x, toY - y);
  if (distance <= r + 2) return ring;
  const share = r / distance;
  const start = `${(x + share * (toX - x)).toFixed(1)} ${(y + share * (toY - y)).toFixed(1)}`;
  return `${ring}M${start}L${toX.toFixed(1)} ${toY.toFixed(1)}`;
}
