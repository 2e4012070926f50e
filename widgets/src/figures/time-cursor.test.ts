// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { Cleanup } from "../base/dom";
import { fakeAround } from "../testing/around.fixture";
import type { Graph } from "./plotly";
import { TimeCursor } from "./time-cursor";

it("stands where that of the bench is, in a zoomed graph too, and hover and click in the graph move it", () => {
  const listeners: Record<string, (change: Record<string, unknown>) => void> = {};
  const axes = {
    xaxis: { _offset: 60, _length: 200, range: [1, 2] },
    yaxis: { _offset: 20, _length: 80, range: [0, 5] },
  };
  const graph = Object.assign(document.createElement("div"), {
    _fullLayout: axes,
    on: (event: string, listener: (change: Record<string, unknown>) => void) => {
      listeners[event] = listener;
    },
  }) as unknown as Graph;
  const [cleanup, { around, at, moved, hovered, pinned }] = [new Cleanup(), fakeAround()];
  new TimeCursor(around, cleanup).add(graph, 0.005);
  const line = graph.querySelector<HTMLElement>(".db-time-cursor") as HTMLElement;
  expect(line.hidden).toBe(true);
  at(300);
  expect([line.hidden, line.style.left, line.style.top, line.style.height]).toEqual([
    false,
    "160px",
    "20px",
    "80px",
  ]);
  at(100);
  expect(line.hidden).toBe(true);
  axes.xaxis.range = [0, 1];
  listeners.plotly_relayouting({});
  expect([line.hidden, line.style.left]).toEqual([false, "160px"]);
  listeners.plotly_hover({ points: [{ x: 0.251 }] });
  listeners.plotly_unhover({});
  listeners.plotly_click({ points: [{ x: 0.25 }] });
  expect([hovered, pinned]).toEqual([[50, null], [50]]);
  cleanup.run();
  expect(moved.size).toBe(0);
});
