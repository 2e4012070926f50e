/** The line of the model on a canvas over Plotly's graph, as long as a gesture moves it. */

import { element } from "../base/dom";
import { strokeSignal, traceLine } from "../draw/line";
import { type Graph, plotAreaOf } from "./plotly";

export class LiveLine {
  readonly #canvas = element("canvas.db-graph-live", { "aria-hidden": "true" });
  #graph: HTMLElement | null = null;

  /** Show `values`, a bin each so many seconds, in place of the trace of that number. */
  draw(graph: Graph, values: ArrayLike<number>, seconds: number, trace: number, colour: string): void {
    const area = plotAreaOf(graph);
    const context = this.#canvas.getContext("2d");
    if (!area || !context) return;
    const { x, y, width, height, from, to, low, high } = area;
    if (this.#graph !== graph || this.#canvas.parentElement !== graph) {
      this.rest();
      this.#graph = graph;
      graph.append(this.#canvas);
      graph.dataset.live = "";
    }
    // Plotly may have made its elements anew.
    const line = graph.querySelectorAll<SVGElement>(".scatterlayer .trace")[trace];
    if (line) line.dataset.moving = "";
    const ratio = devicePixelRatio || 1;
    const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== columns || this.#canvas.height !== rows) {
      this.#canvas.width = columns;
      this.#canvas.height = rows;
    }
    const place = { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` };
    Object.assign(this.#canvas.style, place);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const path = new Path2D();
    // Plotly has the first bin at 0, not its middle.
    const window = { from: from / seconds + 0.5, to: to / seconds + 0.5 };
    traceLine(
      path,
      values,
      window,
      { x: 0, y: 0, width, height },
      (value) => height * (1 - (value - low) / (high - low)),
    );
    strokeSignal(context, colour, path);
  }

  /** Plotly's own line is right again. */
  rest(): void {
    this.#canvas.remove();
    if (!this.#graph) return;
    delete this.#graph.dataset.live;
    for (const line of this.#graph.querySelectorAll<SVGElement>("[data-moving]")) delete line.dataset.moving;
    this.#graph = null;
  }
}
