/** The time cursor of the bench in Plotly's graphs: it follows, and pointer and click there move it. */

import { type Cleanup, element, setHidden, setStyle } from "../base/dom";
import { px } from "../base/format";
import type { Around } from "../panels/mount-panel";
import { type Graph, plotAreaOf } from "./plotly";

interface Hover {
  points?: { x?: number; pointNumber?: number | number[] }[];
}

export class TimeCursor {
  readonly #lines = new Map<Graph, { line: HTMLElement; seconds: number }>();
  readonly #around: Around | undefined;

  constructor(around: Around | undefined, cleanup: Cleanup) {
    this.#around = around;
    around?.onMoment(() => this.paint(), cleanup);
  }

  /** Show it in a graph over time, whose bins are so long. */
  add(graph: Graph, seconds: number): void {
    const line = element("div.db-time-cursor", { "aria-hidden": "true", hidden: true });
    graph.append(line);
    this.#lines.set(graph, { line, seconds });
    const frameOf = ({ points }: Hover) => {
      const time = points?.[0]?.x;
      return typeof time === "number" ? Math.round(time / seconds) : null;
    };
    graph.on("plotly_hover", (at) => this.#around?.hover(frameOf(at as Hover)));
    graph.on("plotly_unhover", () => this.#around?.hover(null));
    graph.on("plotly_click", (at) => {
      const frame = frameOf(at as Hover);
      if (frame !== null) this.#around?.pin(frame);
    });
    graph.on("plotly_relayouting", () => this.paint());
  }

  drop(): void {
    this.#lines.clear();
  }

  paint(): void {
    const frame = this.#around?.moment() ?? null;
    for (const [graph, { line, seconds }] of this.#lines) {
      const area = frame === null ? null : plotAreaOf(graph);
      const share = area && frame !== null ? (frame * seconds - area.from) / (area.to - area.from) : -1;
      setHidden(line, !(area && share >= 0 && share <= 1));
      if (!area || line.hidden) continue;
      setStyle(line, "left", `${px(area.x + share * area.width)}px`);
      setStyle(line, "top", `${px(area.y)}px`);
      setStyle(line, "height", `${px(area.height)}px`);
    }
  }
}
