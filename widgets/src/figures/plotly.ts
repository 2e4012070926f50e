/** plotly.js as the kernel's package has it: one for the page and version, and none of it leaks to the page. */

import type { BenchModel } from "../kernel/contract";
import { pageModule, type Wrap } from "../panels/page-modules";

type Values = ArrayLike<number> | ArrayLike<number>[];
export type Trace = Record<string, unknown> & { name: string; y?: Values; z?: Values };
export type Layout = Record<string, unknown>;
export interface Graph extends HTMLElement {
  on(event: string, callback: (change: Record<string, unknown>) => void): void;
}

/** What is used of plotly.js. */
export interface Plotly {
  newPlot(at: HTMLElement, data: Trace[], layout: Layout, config: Layout): Promise<Graph>;
  react(at: HTMLElement, data: Trace[], layout: Layout, config: Layout): Promise<Graph>;
  relayout(at: HTMLElement, change: Layout): Promise<unknown>;
  purge(at: HTMLElement): void;
}

interface Axis {
  _offset: number;
  _length: number;
  range: [number, number];
}

/** Where a graph has its axes, in pixels from its corner, and what they reach from and to; null before it is drawn. */
export function plotAreaOf(graph: Graph) {
  const { xaxis: x, yaxis: y } = (
    graph as Graph & { _fullLayout?: Record<"xaxis" | "yaxis", Axis | undefined> }
  )._fullLayout ?? { xaxis: undefined, yaxis: undefined };
  if (!x || !y) return null;
  const [from, to] = x.range;
  const [low, high] = y.range;
  return { x: x._offset, y: y._offset, width: x._length, height: y._length, from, to, low, high };
}

/** A scope of its own: no loader of modules sees it, and another Plotly on the page stays what it was. */
const WRAP: Wrap = [
  `const had = Object.getOwnPropertyDescriptor(globalThis, "Plotly");
const module = { exports: {} }, exports = module.exports, define = undefined, require = undefined;
`,
  `
;if (had) Object.defineProperty(globalThis, "Plotly", had); else delete globalThis.Plotly;
export default module.exports;`,
];

export async function loadPlotly(model: BenchModel): Promise<Plotly> {
  const { plotly } = model.get("info") as { plotly: string };
  const asked = () =>
    new Promise<ArrayBufferView<ArrayBuffer>>((resolve) => {
      const got = (content: { type?: string }, buffers: ArrayLike<ArrayBufferView<ArrayBuffer>>) => {
        if (content?.type !== "library") return;
        model.off("msg:custom", got);
        resolve(buffers[0]);
      };
      model.on("msg:custom", got);
      model.send({ type: "library" });
    });
  return (await pageModule(`plotly ${plotly}`, asked, WRAP)).default as Plotly;
}

/** No button uploads anything, and none leads to a server of Plotly's. */
export const CONFIG = {
  displaylogo: false,
  showSendToCloud: false,
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["sendChartToCloud", "sendDataToCloud"],
  responsive: false,
};
