/** A view on a page of its own for every test: fake frames and timers, a fixed size, pointer and keys. */

import { afterEach, beforeEach, vi } from "vitest";
import bench from "../entry/bench";
import type { EditRequest, Info } from "../kernel/contract";
import { Fixture } from "./bench.fixture";

// The stage is 520 x 360 CSS pixels: with the margins the grid is 400 x 300, so 80 pixels a lag and 75 a band.
const WIDTH = 520;
const HEIGHT = 360;

export interface Mounted {
  fixture: Fixture;
  el: HTMLElement;
  root: HTMLElement;
  stop: () => void;
}
/** Taken down after each test. */
export const open: Mounted[] = [];

export function mount(traits: Record<string, unknown> = {}, info: Partial<Info> = {}): Mounted {
  const fixture = new Fixture(traits, info);
  const el = document.createElement("div");
  document.body.append(el);
  const stop = bench.render({ model: fixture.model, el });
  const root = el.querySelector<HTMLElement>(".deepstrf-bench")!;
  const mounted = { fixture, el, root, stop };
  open.push(mounted);
  frame();
  return mounted;
}
export const frame = () => vi.advanceTimersByTime(40);
/** Let the microtask that gathers traits run, and a frame after it. */
export const settle = async () => {
  await Promise.resolve();
  frame();
};
export const handle = (root: HTMLElement, k: number, grip = "center") =>
  root.querySelector<HTMLElement>(`[data-gaussian="${k}"][data-handle="${grip}"]`)!;
export const key = (target: Element, name: string, more: KeyboardEventInit = {}) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more }));
export const pointer = (target: Element, type: string, x: number, y: number, more: PointerEventInit = {}) =>
  target.dispatchEvent(
    new PointerEvent(type, {
      pointerId: 1,
      button: 0,
      clientX: x,
      clientY: y,
      bubbles: true,
      cancelable: true,
      ...more,
    }),
  );
export const edits = (fixture: Fixture) =>
  fixture.requests.filter((r): r is EditRequest => r.type === "edit");

/** To be called once in a test file. */
export function onEveryPage(): void {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "requestAnimationFrame", "cancelAnimationFrame", "performance"],
    });
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(WIDTH);
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(HEIGHT);
  });
  afterEach(() => {
    for (const mounted of open.splice(0)) {
      mounted.stop();
      mounted.el.remove();
    }
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
}
