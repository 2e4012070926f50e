// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import entry from "../entry/figures";
import { StaticModel } from "../offline/static-model";
import { fakeAround } from "../testing/around.fixture";
import { bytes } from "../testing/bench.fixture";
import type { Graph, Layout, Trace } from "./plotly";

type Listener = (change: Record<string, unknown>) => void;
const drawn: { at: HTMLElement; data: Trace[] }[] = [];
/** What is used of plotly.js: graphs with axes from 0 to 10 bins and traces as elements. */
const plotly = {
  newPlot: (at: HTMLElement, data: Trace[], layout: Layout) => {
    const listeners: Record<string, Listener> = {};
    Object.assign(at, {
      on: (event: string, listener: Listener) => {
        listeners[event] = listener;
      },
      listeners,
    });
    return plotly.react(at, data, layout);
  },
  react: async (at: HTMLElement, data: Trace[], layout: Layout) => {
    drawn.push({ at, data });
    at.querySelector(".scatterlayer")?.remove();
    const layer = document.createElement("div");
    layer.className = "scatterlayer";
    for (const _ of data) layer.append(Object.assign(document.createElement("div"), { className: "trace" }));
    at.append(layer);
    const xaxis = { _offset: 60, _length: 100, range: [0, 0.05] };
    Object.assign(at, { layout, _fullLayout: { xaxis, yaxis: { _offset: 20, _length: 80, range: [0, 5] } } });
    return at as unknown as Graph;
  },
  relayout: async () => {},
  purge: () => {},
};
const lines: number[][] = [];
class FakePath {
  points: number[] = [];
  constructor() {
    lines.push(this.points);
  }
  moveTo(x: number, y: number) {
    this.points.push(x, y);
  }
  lineTo(x: number, y: number) {
    this.points.push(x, y);
  }
}

beforeEach(() => {
  const kept = new Map([["plotly 0", Promise.resolve({ default: plotly })]]);
  Object.assign(globalThis, { [Symbol.for("deepstrf.modules")]: kept, Path2D: FakePath });
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(600);
  const nothing = () => {};
  const painter = {
    setTransform: nothing,
    clearRect: nothing,
    save: nothing,
    restore: nothing,
    translate: nothing,
    stroke: nothing,
  };
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(painter as never);
  vi.stubGlobal("requestAnimationFrame", (callback: () => void) => {
    callback();
    return 0;
  });
  drawn.length = lines.length = 0;
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  delete (globalThis as Record<symbol, unknown>)[Symbol.for("deepstrf.modules")];
});

const rest = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

it("moves the line on a canvas while it differs from Plotly's, and is Plotly's own again when it has settled", async () => {
  const model = new StaticModel({ info: { plotly: "0" } });
  const el = document.createElement("div");
  document.body.append(el);
  let rate = Array.from({ length: 10 }, () => 1);
  let moved = () => {};
  const { around, at } = fakeAround();
  around.rate = () => rate;
  around.onRate = (changed) => {
    moved = changed;
  };
  const stop = entry.render({ model, el, around });
  const lane = { name: "response", title: "Response", weight: 1, unit: "Hz" };
  const figure = {
    ...{
      type: "figure",
      neuron: 0,
      lanes: [lane],
      fields: [],
      dt_ms: 5,
      delay_ms: 0,
      khz: [1, 2],
      weights: "weight",
    },
    ...{ peaks: {}, tuning: {}, arrays: ["trained", "model"].map((name) => ({ name, shape: [10] })) },
  };
  model.message(figure, [bytes(rate), bytes(rate)]);
  await rest();
  const graph = el.querySelector<HTMLElement>("[data-graph=response]") as HTMLElement;
  const state = () => [
    graph.querySelectorAll(".db-graph-live").length,
    graph.hasAttribute("data-live"),
    [...graph.querySelectorAll(".trace")].map((trace) => trace.hasAttribute("data-moving")),
  ];
  expect(state()).toEqual([0, false, [false, false]]);
  rate = rate.map((_, i) => (i === 2 ? 5 : 1));
  moved();
  expect(state()).toEqual([1, true, [false, true]]);
  // Bins of 10 px, the first at 0; 5 is the top of the axis.
  expect(lines.at(-1)?.slice(4, 6)).toEqual([20, 0]);
  // Back at what Plotly shows, no canvas lies over it.
  rate = rate.map(() => 1);
  moved();
  expect(state()).toEqual([0, false, [false, false]]);
  rate = rate.map((_, i) => (i === 2 ? 5 : 1));
  moved();
  model.message({ ...figure, type: "values", arrays: [{ name: "model", shape: [10] }] }, [bytes(rate)]);
  // Until Plotly has drawn it, the canvas stays.
  expect(state()[0]).toBe(1);
  await rest();
  expect(state()).toEqual([0, false, [false, false]]);
  expect([...(drawn[drawn.length - 1].data[1].y as Float32Array)]).toEqual(rate);
  at(4);
  const cursor = graph.querySelector<HTMLElement>(".db-time-cursor") as HTMLElement;
  expect([cursor.hidden, cursor.style.left]).toEqual([false, "100px"]);
  stop();
  expect(el.children.length).toBe(0);
  el.remove();
});

it("an end of a gesture that changes nothing takes the canvas away", async () => {
  const model = new StaticModel({ info: { plotly: "0" } });
  const el = document.createElement("div");
  let rate = [1, 1, 1];
  let moved = () => {};
  const { around } = fakeAround();
  around.rate = () => rate;
  around.onRate = (changed) => {
    moved = changed;
  };
  const stop = entry.render({ model, el, around });
  const figure = {
    ...{
      type: "figure",
      neuron: 0,
      fields: [],
      dt_ms: 5,
      delay_ms: 0,
      khz: [1, 2],
      weights: "weight",
      peaks: {},
      tuning: {},
    },
    ...{
      lanes: [{ name: "response", title: "", weight: 1, unit: "Hz" }],
      arrays: [{ name: "model", shape: [3] }],
    },
  };
  model.message(figure, [bytes(rate)]);
  await rest();
  rate = [1, 2, 1];
  moved();
  expect(el.querySelectorAll(".db-graph-live").length).toBe(1);
  model.message({ ...figure, type: "values", arrays: [] }, []);
  await rest();
  expect(el.querySelectorAll(".db-graph-live").length).toBe(0);
  stop();
});
