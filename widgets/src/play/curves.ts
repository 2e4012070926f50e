/** The losses and held-out scores of a run as two small curves over its steps. */

import { svg } from "../base/svg";

export interface Curve {
  steps: ArrayLike<number>;
  values: ArrayLike<number>;
}

export const WIDTH = 240;
export const HEIGHT = 44;
const MARGIN = 3;

/** Points of a curve in its box, the newest at the right edge; empty where fewer than two are known. */
export function pointsOf({ steps, values }: Curve, last: number): string {
  const known = Array.from(steps, (step, i) => [step, values[i]]).filter(([, value]) =>
    Number.isFinite(value),
  );
  if (known.length < 2) return "";
  const all = known.map(([, value]) => value);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const x = (step: number) => MARGIN + ((WIDTH - 2 * MARGIN) * step) / Math.max(last, 1);
  const y = (value: number) => HEIGHT - MARGIN - ((HEIGHT - 2 * MARGIN) * (value - low)) / (high - low || 1);
  return known.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
}

/** The last known value; NaN where there is none. */
export function lastOf({ values }: Curve): number {
  for (let i = values.length - 1; i >= 0; i--) if (Number.isFinite(values[i])) return values[i];
  return Number.NaN;
}

/** A curve with a line where the run stands. */
export class Sparkline {
  readonly element: SVGElement;
  readonly #line = svg("polyline", "");
  readonly #mark = svg("line", "db-play-mark");

  constructor(label: string) {
    this.element = svg("svg", "db-sparkline", this.#line, this.#mark);
    this.element.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", label);
    this.#line.setAttribute("fill", "none");
    for (const [name, value] of [
      ["y1", "0"],
      ["y2", `${HEIGHT}`],
    ])
      this.#mark.setAttribute(name, value);
  }

  paint(curve: Curve, last: number, at: number): void {
    this.#line.setAttribute("points", pointsOf(curve, last));
    const x = MARGIN + ((WIDTH - 2 * MARGIN) * at) / Math.max(last, 1);
    this.#mark.setAttribute("x1", x.toFixed(1));
    this.#mark.setAttribute("x2", x.toFixed(1));
  }
}
