// @vitest-environment happy-dom
import { afterEach, expect, it, vi } from "vitest";
import { Cleanup } from "../base/dom";
import { Frames, measureFirst, Surface } from "./surface";

afterEach(() => vi.unstubAllGlobals());

/** Frames that the test runs, and a canvas whose place it sets. */
function page() {
  const waiting: FrameRequestCallback[] = [];
  vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback) => waiting.push(callback));
  const canvas = document.createElement("canvas");
  let width = 0;
  for (const name of ["clientWidth", "clientHeight"])
    Object.defineProperty(canvas, name, { get: () => width });
  const frame = () => {
    for (const callback of waiting.splice(0)) callback(0);
  };
  const attach = () => {
    width = 40;
  };
  return { canvas, frame, attach };
}

it("paints a view that has found its place since it was built in its first frame, as large as that is", () => {
  const { canvas, frame, attach } = page();
  const cleanup = new Cleanup();
  const frames = new Frames(cleanup);
  const painted: number[] = [];
  const paint = () => painted.push(surface.width);
  const order: string[] = [];
  measureFirst(() => order.push("room"), cleanup);
  const surface = new Surface(canvas, cleanup, () => {
    order.push("canvas");
    frames.request(paint);
  });
  frames.request(paint);
  expect(surface.width).toBe(0);
  attach();
  frame();
  expect(painted).toEqual([40]);
  expect(order).toEqual(["room", "canvas"]);
  // What it does later, observers tell.
  frame();
  expect(order).toEqual(["room", "canvas"]);
});

it("measures nothing that has gone before its first frame", () => {
  const { canvas, frame, attach } = page();
  const [gone, other] = [new Cleanup(), new Cleanup()];
  const resized = vi.fn();
  new Surface(canvas, gone, resized);
  gone.run();
  attach();
  new Frames(other).request(() => {});
  frame();
  expect(resized).not.toHaveBeenCalled();
});
