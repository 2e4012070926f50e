/** The Plotly panel: small linked graphs of one neuron, which follow a gesture and are exact when it has ended. */

import { floats } from "../base/bytes";
import { Cleanup, element, setText } from "../base/dom";
import { readTheme, type Theme, watchTheme } from "../draw/theme";
import type { BenchModel } from "../kernel/contract";
import { delivering, LOST } from "../kernel/delivery";
import type { Around } from "../panels/mount-panel";
import { keepKeys } from "../ui/host-keys";
import { LiveLine } from "./live-line";
import { CONFIG, type Graph, type Layout, loadPlotly, type Plotly } from "./plotly";
import { TimeCursor } from "./time-cursor";
import { type Figure, isField, layoutOf, type Named, tracesOf } from "./traces";

interface Message extends Figure {
  type: "figure" | "values";
  arrays: { name: string; shape: number[] }[];
}

/** Fields that would be narrower than this stand below one another. */
const LEAST_FIELD_PX = 260;
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
  /** Reading it makes the browser compute styles: not in every frame of a gesture. */
  let colours: Theme | null = null;
  const theme = () => {
    colours ??= readTheme(root);
    return colours;
  };
  const line = new LiveLine();
  /** The line of the model that Plotly shows. */
  let plotted: ArrayLike<number> = [];
  const cursor = new TimeCursor(around, cleanup);
  Object.defineProperty(root, "__figures", { value: counters });

  const later = (draw: () => Promise<void>) => {
    drawing = drawing
      .then(() => (cleanup.done ? undefined : draw()))
      .then(() => cursor.paint())
      .catch((error) => setText(message, `The figure cannot be drawn: ${error.message ?? error}`));
  };
  const widthOf = (graph: string) => {
    if (!figure || !isField(graph)) return width;
    const share = Math.floor(width / figure.fields.length);
    return share < LEAST_FIELD_PX ? width : share;
  };
  const drawn = (graph: string): [ReturnType<typeof tracesOf>, Layout] => {
    const now = figure as Figure;
    const last = now.lanes[now.lanes.length - 1]?.name === graph;
    return [tracesOf(graph, arrays, now, theme()), layoutOf(graph, now, theme(), widthOf(graph), last)];
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
      const sent = arrays.get("model")?.data ?? [];
      layout.xaxis = { ...(layout.xaxis as Layout), ...rangeOf(name) };
      await plotly.react(at, traces, layout, CONFIG);
      if (name === "response") plotted = sent;
    }
  };
  const drop = () => {
    line.rest();
    cursor.drop();
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
      const sent = arrays.get("model")?.data ?? [];
      const graph = await plotly.newPlot(at, ...drawn(name), CONFIG);
      if (name === "response") plotted = sent;
      if (cleanup.done) {
        plotly.purge(at);
        return;
      }
      graphs.set(name, graph);
      if (isField(name)) continue;
      graph.on("plotly_relayout", (change) => follow(name, change));
      cursor.add(graph, now.dt_ms / 1e3);
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
    cursor.paint();
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
        line.rest();
        counters.settled += 1;
      });
    }
  };
  model.on("msg:custom", received);
  cleanup.add(() => model.off("msg:custom", received));

  // During a gesture: the line of the model alone, on a canvas over axes that stay. Plotly would recompute the graph.
  const live = () => {
    const at = graphs.get("response");
    const sent = arrays.get("model");
    if (!plotly || !at || !figure || !around || !shown || around.neuron() !== figure.neuron) return;
    const rate = around.rate();
    if (rate.length !== sent?.data.length) return;
    const index = ["recorded", "trained", "model"].filter((name) => arrays.has(name)).indexOf("model");
    if (alike(rate, plotted)) line.rest();
    else line.draw(at, rate, figure.dt_ms / 1e3, index, theme().model);
    counters.live += 1;
  };
  let wanted = 0;
  around?.onRate(() => {
    if (!wanted)
      wanted = requestAnimationFrame(() => {
        wanted = 0;
        live();
      });
  }, cleanup);
  cleanup.add(() => cancelAnimationFrame(wanted));

  const sizes = new ResizeObserver(() => {
    const now = Math.round(place.clientWidth);
    if (now < LEAST_PX || now === width) return;
    const first = width < LEAST_PX;
    width = now;
    // Titles and legends have their places by the width.
    later(first ? drawAll : () => repaint(graphs.keys()));
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
  watchTheme(root, cleanup, () => {
    colours = null;
    later(() => repaint(graphs.keys()));
  });

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
function alike(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  if (one.length !== other.length) return false;
  let reach = 0;
  for (let i = 0; i < other.length; i++) reach = Math.max(reach, Math.abs(other[i]) || 0);
  for (let i = 0; i < one.length; i++) if (Math.abs(one[i] - other[i]) > 1e-4 * reach) return false;
  return true;
}
