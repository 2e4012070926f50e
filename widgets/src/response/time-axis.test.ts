// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { Cleanup } from "../base/dom";
import { TimeAxis } from "./time-axis";

function axis() {
  const box = { x: 0, y: 0, width: 100, height: 10 };
  return new TimeAxis(
    document.createElement("div"),
    () => box,
    () => {},
    new Cleanup(),
  );
}

it.each([
  [1000, 5, 1000],
  [2400, 5, 2400],
  [2401, 5, 1200],
  [720_000, 5, 1200],
  [50, 1000, 6],
])("a recording of %i frames of %i ms opens on %i of them", (frames, dtMs, shown) => {
  const time = axis();
  time.setLength(frames, dtMs);
  expect(time.window).toEqual({ from: 0, to: shown });
  time.whole();
  expect(time.window).toEqual({ from: 0, to: frames });
});

it("keeps its stretch while the length stays", () => {
  const time = axis();
  time.setLength(1000, 5);
  time.zoom(0.5);
  const { window } = time;
  time.setLength(1000, 5);
  expect(time.window).toBe(window);
});
