// @vitest-environment happy-dom
import { afterEach, expect, it, vi } from "vitest";
import { Cleanup } from "../base/dom";
import { PaintInputs, watchPixelRatio } from "./surface";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** A screen whose pixel ratio the test changes; media queries follow it. */
function screen() {
  const queries: (EventTarget & { media: string })[] = [];
  vi.stubGlobal("matchMedia", (media: string) => {
    const query = Object.assign(new EventTarget(), { media });
    queries.push(query);
    return query;
  });
  vi.stubGlobal("devicePixelRatio", 1);
  const turnTo = (ratio: number) => {
    const before = `(resolution: ${devicePixelRatio}dppx)`;
    vi.stubGlobal("devicePixelRatio", ratio);
    for (const query of [...queries]) if (query.media === before) query.dispatchEvent(new Event("change"));
  };
  return { queries, turnTo };
}

it("calls back at every change of the pixel ratio, until it is stopped", () => {
  const { turnTo } = screen();
  const cleanup = new Cleanup();
  const changed = vi.fn();
  watchPixelRatio(cleanup, changed);
  for (const ratio of [1.25, 2, 1]) turnTo(ratio);
  expect(changed).toHaveBeenCalledTimes(3);
  cleanup.run();
  turnTo(2);
  expect(changed).toHaveBeenCalledTimes(3);
});

it("makes a picture of the same values one to paint again", () => {
  const { turnTo } = screen();
  const inputs = new PaintInputs();
  expect([inputs.changedSince("a"), inputs.changedSince("a")]).toEqual([true, false]);
  turnTo(2);
  expect([inputs.changedSince("a"), inputs.changedSince("a")]).toEqual([true, false]);
});
