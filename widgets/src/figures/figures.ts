/** The Plotly panel: small linked graphs of one neuron, which follow a gesture and are exact when it has ended. */

import { floats } from "../base/bytes";
import { Cleanup, element, setText } from "../base/dom";
import { readTheme, watchTheme } from "../draw/theme";
import type { BenchModel } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import type { Around } from "../panels/mount-panel";
import { keepKeys } from "../ui/host-keys";
import { CONFIG, type Graph, type Layout, loadPlotly, type Plotly } from "./plotly";
import { type Figure, isField, layoutOf, type Named, tracesOf } from "./traces";

interface Message extends Figure {
  type: "figure" | "values";
  arrays: { name: string; shape: number[] }[];
}

/** Shortest time between two repaints of the line during a gesture, and as a multiple of what the last one cost. */
const APART_MS = 60;
const APART_COSTS = 3;
/** Narrower than this the panel was measured while it was hidden. */
const LEAST_PX = 100;

export function mountFigures(given: BenchModel, el: HTMLElement, around?: Around): () => void {
  const cleanup = new Cleanup();
  const message = element("p.db-message.db-error", { role: "status", "aria-live": "polite" });
  const model = delivering(given, () => setText(message, LOST));
  const place = element("div.db-graphs");
  const tuning = element("div.db-tuning.db-muted");
  const root = element("div.deepstrf-bench.db-view-figures", { tabindex: -1 }, place, tuning, message);
  keepKeys(root, cleanup);
  el.append(root);
  cleanup.add(() => root.remove());

  const arrays = new Map<string, Named>();
  const graphs = new Map<string, Graph>();
  let figure: Figure | null = null;
  let plotly: Plotly | null = null;
  let width = 0;
  let shown = true;
  /** Drawn one after the other, in the order in which they came. */
  let drawing = Promise.resolve();
  const counters = { live: 0, settled: 0 };
  Object.defineProperty(root, "__figures", { value: counters });

  const later = (draw: () => Promise<void>) => {
    drawing = drawing
      .then(() => (cleanup.done ? undefined : draw()))
      .catch((error) => setText(message, `The figure cannot be drawn: ${error.message ?? error}`));
  };
  const widthOf = (graph: string) => {
    if (!figure || !isField(graph)) return width;
    return Math.floor(width / figure.fields.length);
  };
  const drawn = (graph: string): [ReturnType<typeof tracesOf>, Layout] => {
    const now = figure as Figure;
    const theme = readTheme(root);
    const last = now.lanes[now.lanes.length - 1]?.name === graph;
    return [tracesOf(graph, arrays, now, theme), layoutOf(graph, now, theme, widthOf(graph), last)];
  };
  const rangeOf = (graph: string) => {
    const xaxis = (graphs.get(graph) as unknown as { layout?: { xaxis?: Layout } })?.layout?.xaxis;
    return xaxis && xaxis.autorange === false ? { range: xaxis.range, autorange: false } : {};
  };
  const repaint = async (names: Iterable<string>) => {
    for (const name of names) {
      const at = graphs.get(name);
      if (!plotly || !at) continue;
      const [traces, layout] = drawn(name);
      layout.xaxis = { ...(layout.xaxis as Layout), ...rangeOf(name) };
      await plotly.react(at, traces, layout, CONFIG);
    }
  };
  const drop = () => {
    for (const at of graphs.values()) plotly?.purge(at);
    graphs.clear();
    place.replaceChildren();
  };
  cleanup.add(drop);
  const drawAll = async () => {
    const now = figure;
    if (!plotly || !now || width < LEAST_PX) return;
    drop();
    for (const name of [...now.lanes.map((lane) => lane.name), ...now.fields]) {
      const at = element("div.db-graph", { "data-graph": name });
      place.append(at);
      const graph = await plotly.newPlot(at, ...drawn(name), CONFIG);
      if (cleanup.done) {
        plotly.purge(at);
        return;
      }
      graphs.set(name, graph);
      if (!isField(name)) graph.on("plotly_relayout", (change) => follow(name, change));
    }
    counters.settled += 1;
  };

  // One time axis: the others follow the one that is zoomed or moved.
  let following = false;
  const follow = async (leader: string, change: Record<string, unknown>) => {
    if (following || !plotly) return;
    const axis = Object.fromEntries(Object.entries(change).filter(([key]) => key.startsWith("xaxis.")));
    if (Object.keys(axis).length === 0) return;
    following = true;
    const others = [...graphs].filter(([name]) => name !== leader && !isField(name));
    await Promise.all(others.map(([, at]) => plotly?.relayout(at, axis)));
    following = false;
  };

  const received = (content: Message, buffers: ArrayLike<unknown>) => {
    if (content?.type !== "figure" && content?.type !== "values") return;
    if (content.type === "figure") arrays.clear();
    for (const [i, { name, shape }] of content.arrays.entries()) {
      arrays.set(name, { shape, data: floats(buffers[i]) });
    }
    figure = content.type === "figure" ? content : { ...(figure as Figure), ...content };
    const texts = Object.values(content.tuning).flatMap((text) => text.split("<br>"));
    tuning.replaceChildren(...texts.map((text) => element("p", {}, text)));
    if (content.type === "figure") later(drawAll);
    else {
      const lines = ["recorded", "trained", "model"];
      const touched = content.arrays.map(({ name }) =>
        lines.includes(name) ? "response" : name.split(", unsure")[0],
      );
      later(async () => {
        await repaint(new Set(touched));
        counters.settled += 1;
      });
    }
  };
  model.on("msg:custom", received);
  cleanup.add(() => model.off("msg:custom", received));

  // During a gesture: the line of the model alone, on axes that stay.
  let timer = 0;
  let cost = 0;
  let last = 0;
  const live = () => {
    timer = 0;
    const at = graphs.get("response");
    const sent = arrays.get("model");
    if (!plotly || !at || !figure || !around || !shown || around.neuron() !== figure.neuron) return;
    const own = Float32Array.from(around.rate());
    if (own.length !== sent?.data.length) return;
    // At rest it is the kernel's, digit for digit.
    const y = alike(own, sent.data) ? sent.data : own;
    const index = ["recorded", "trained", "model"].filter((name) => arrays.has(name)).indexOf("model");
    later(async () => {
      const begun = performance.now();
      const at = graphs.get("response");
      if (!plotly || !at) return;
      const still = { frame: { duration: 0, redraw: false }, transition: { duration: 0 }, mode: "immediate" };
      await plotly.animate(at, { data: [{ y }], traces: [index] }, still);
      last = performance.now();
      cost = last - begun;
      counters.live += 1;
    });
  };
  around?.onRate(() => {
    if (timer) return;
    timer = window.setTimeout(
      live,
      Math.max(0, last + Math.max(APART_MS, APART_COSTS * cost) - performance.now()),
    );
  }, cleanup);
  cleanup.add(() => window.clearTimeout(timer));

  const sizes = new ResizeObserver(() => {
    const now = Math.round(place.clientWidth);
    if (now < LEAST_PX || now === width) return;
    const first = width < LEAST_PX;
    width = now;
    if (first) later(drawAll);
    else {
      later(async () => {
        for (const [name, at] of graphs) await plotly?.relayout(at, { width: widthOf(name) });
      });
    }
  });
  sizes.observe(place);
  const sight = new IntersectionObserver((entries) => {
    shown = entries.at(-1)?.isIntersecting ?? true;
  });
  sight.observe(root);
  cleanup.add(() => {
    sizes.disconnect();
    sight.disconnect();
  });
  watchTheme(root, cleanup, () => later(() => repaint(graphs.keys())));

  width = Math.round(place.clientWidth);
  model.send({ type: "figure" });
  loadPlotly(model)
    .then((loaded) => {
      plotly = loaded;
      later(drawAll);
    })
    .catch((error) => setText(message, `The figure cannot be drawn: ${error.message ?? error}`));
  return () => cleanup.run();
}

/** Whether two lines are the same but for rounding. */
function alike(one: Float32Array, other: Float32Array): boolean {
  const reach = 1e-4 * other.reduce((most, value) => Math.max(most, Math.abs(value) || 0), 0);
  return one.every((value, i) => Math.abs(value - other[i]) <= reach || Number.isNaN(value));
}
