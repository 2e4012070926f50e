/** What Plotly draws of each lane and field, in the colours of the bench. */

import { css, diverging, ramp, sequential, type Table } from "../draw/colormap";
import type { Theme } from "../draw/theme";
import type { Layout, Trace } from "./plotly";

/** Arrays by their names, as they came from the kernel. */
export interface Named {
  shape: number[];
  data: Float32Array;
}
export interface Lane {
  name: string;
  title: string;
  weight: number;
  unit: string;
}
export interface Figure {
  neuron: number;
  lanes: Lane[];
  fields: string[];
  dt_ms: number;
  delay_ms: number;
  khz: number[];
  /** What the colours of the fields are. */
  weights: string;
  peaks: Record<string, number>;
  /** Tuning with its intervals, by field. */
  tuning: Record<string, string>;
}

const UNSURE = ", unsure";
const UNSURE_OPACITY = 0.3;
const LANE_PX = 88;
const FIELD_PX = 200;
/** A graph narrower than this has no room for its legend, a title in the middle and the buttons in one row. */
const LEGEND_PX = 760;
/** Right of a field; the last has its colour bar there, and the others are as wide as that. */
const FIELD_RIGHT_PX = 86;
const TICKS_KHZ = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
const CLEAR = "rgba(0,0,0,0)";
const GRID = "rgba(128,128,128,0.25)";
const MARGIN = { l: 60, r: 20, t: 26, b: 8 };

const scale = (table: Table) =>
  Array.from({ length: 17 }, (_, i) => [i / 16, css(table, Math.round((255 * i) / 16))]);
const rows = ({ shape: [n, width], data }: Named) =>
  Array.from({ length: n }, (_, i) => data.subarray(i * width, (i + 1) * width));

export function isField(name: string): boolean {
  return name.startsWith("STRF");
}

/** Traces of a graph: of a lane, or of a field with the pale weights over it. */
export function tracesOf(
  graph: string,
  arrays: ReadonlyMap<string, Named>,
  figure: Figure,
  theme: Theme,
): Trace[] {
  const names =
    graph === "response"
      ? ["recorded", "trained", "model"]
      : isField(graph)
        ? [graph, graph + UNSURE]
        : [graph];
  return names.flatMap((name) => {
    const values = arrays.get(name);
    return values ? [traceOf(name, values, figure, theme)] : [];
  });
}

function traceOf(name: string, values: Named, figure: Figure, theme: Theme): Trace {
  const time = { x0: 0, dx: figure.dt_ms / 1e3 };
  if (isField(name)) {
    const [, lags] = values.shape;
    const x = Array.from({ length: lags }, (_, i) => (lags - 1 - i) * figure.dt_ms + figure.delay_ms);
    const peak = figure.peaks[name] || 1;
    const isLast = name === figure.fields[figure.fields.length - 1];
    const bar = { thickness: 10, title: { text: figure.weights, side: "right" }, outlinewidth: 0 };
    const opacity = name.endsWith(UNSURE) ? UNSURE_OPACITY : 1;
    const colours = { colorscale: scale(diverging(theme.dark)), zmin: -peak, zmax: peak, showscale: isLast };
    return { type: "heatmap", name, x, y: figure.khz, z: rows(values), opacity, colorbar: bar, ...colours };
  }
  const tables: Record<string, () => Table> = {
    stimulus: sequential,
    ON: () => ramp(theme.panel, theme.on),
    OFF: () => ramp(theme.panel, theme.off),
    trials: () => ramp(theme.panel, theme.foreground),
  };
  if (tables[name]) {
    const y = name === "trials" ? { y0: 1, dy: 1 } : { y: figure.khz };
    const colours = { colorscale: scale(tables[name]()), showscale: false };
    return { type: "heatmap", name, ...time, ...y, z: rows(values), ...colours };
  }
  const styles: Record<string, Layout> = {
    recorded: { fill: "tozeroy", line: { color: theme.recorded, width: 0.5 } },
    residual: { fill: "tozeroy", line: { color: theme.muted, width: 0.5 } },
    trained: { line: { color: theme.trained, width: 1, dash: "dash" } },
    drive: { line: { color: theme.model, width: 1 } },
    model: { line: { color: theme.model, width: 1.5 } },
  };
  return { type: "scatter", mode: "lines", name, ...time, y: values.data, ...styles[name] };
}

/** Layout of a graph so wide; the last one over time has the labels of its axis. */
export function layoutOf(graph: string, figure: Figure, theme: Theme, width: number, last: boolean): Layout {
  const lane = figure.lanes.find(({ name }) => name === graph);
  const { khz } = figure;
  const ticks = TICKS_KHZ.filter((f) => f >= 0.99 * khz[0] && f <= 1.01 * khz[khz.length - 1]);
  const frequency = { type: "log", title: { text: "kHz" }, tickvals: ticks, ticktext: ticks.map(String) };
  const lines = { gridcolor: GRID, zerolinecolor: GRID };
  const bottom = last || isField(graph) ? 38 : MARGIN.b;
  const hasLegend = graph === "response";
  const inner = lane ? LANE_PX * lane.weight : FIELD_PX;
  const x = isField(graph)
    ? { title: { text: "lag (ms)", standoff: 4 }, autorange: "reversed" }
    : { title: { text: last ? "time (s)" : "", standoff: 4 }, showticklabels: last };
  return {
    width,
    height: inner + MARGIN.t + bottom,
    margin: { ...MARGIN, b: bottom, ...(isField(graph) ? { r: FIELD_RIGHT_PX } : {}) },
    // A legend beside it: where both would lie over one another, the title stands on the left.
    title: {
      ...{ text: lane?.title ?? graph, font: { size: 13 }, y: 1, yanchor: "top", pad: { t: 6 } },
      ...(hasLegend && width < LEGEND_PX ? { x: 0, xanchor: "left" } : { x: 0.5 }),
    },
    showlegend: hasLegend,
    legend: {
      ...{ orientation: "h", y: 1, yanchor: "bottom" },
      ...(width < LEGEND_PX ? { x: 1, xanchor: "right", font: { size: 10 } } : { x: 0, xanchor: "left" }),
    },
    paper_bgcolor: CLEAR,
    plot_bgcolor: CLEAR,
    font: { color: theme.foreground, family: theme.font, size: 12 },
    modebar: { bgcolor: CLEAR, color: theme.muted, activecolor: theme.foreground },
    colorway: [theme.model],
    // Over time the pointer means a moment, however far from a line it is.
    ...(lane ? { hovermode: "x", hoverdistance: -1 } : { hovermode: "closest" }),
    xaxis: { ...lines, ...x },
    yaxis: { ...lines, ...(lane && lane.unit !== "kHz" ? { title: { text: lane.unit } } : frequency) },
  };
}
