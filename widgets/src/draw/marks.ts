/** What lies over a receptive field: the ellipse of the selected Gaussian, the trained centres, the lines to the axes. */

import { setAttribute } from "../dom";
import { px } from "../format";
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
      setAttribute(ring, "cx", px(grid.x(selected.frame) - left));
      setAttribute(ring, "cy", px(grid.y(selected.band) - top));
      setAttribute(ring, "rx", px(selected.sigmaFrames * grid.perFrame));
      setAttribute(ring, "ry", px(selected.sigmaBands * grid.perBand));
    }
    let lines: string | null = null;
    if (selected && moving) {
      const at = grid.centre(selected);
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
