// @vitest-environment happy-dom

import { describe, expect, it, vi } from "vitest";
import { bytes, GAUSSIANS } from "../../../testing/bench.fixture";
import {
  edits,
  frame,
  handle,
  key,
  mount,
  onEveryPage,
  pointer,
  settle,
} from "../../../testing/mount.fixture";

onEveryPage();

describe("handles", () => {
  it("are sliders whose labels give their place", () => {
    const { root } = mount();
    const centre = handle(root, 0);
    expect(centre.getAttribute("role")).toBe("slider");
    expect(centre.getAttribute("aria-label")).toBe("Gaussian 1 of 2, ON: centre");
    expect(centre.getAttribute("aria-valuetext")).toBe("2.0 kHz, 20 ms, weight +0.500");
    expect(["min", "now", "max"].map((w) => centre.getAttribute(`aria-value${w}`))).toEqual([
      "1000",
      "2000",
      "8000",
    ]);
    expect(handle(root, 0, "sigma_f").getAttribute("aria-valuetext")).toBe("1.00 oct");
    expect(handle(root, 0, "sigma_t").getAttribute("aria-valuetext")).toBe("10 ms");
    expect(centre.textContent).toBe("+");
    expect(handle(root, 1).textContent).toBe("−");
  });

  it("stand in a group that is called after them; without any it is called after the field", () => {
    const called = ({ root }: { root: HTMLElement }) =>
      root.querySelector(".db-strf .db-stage")?.getAttribute("aria-label");
    expect(called(mount())).toBe("Gaussians");
    for (const kind of ["full", "separable", "gradient", "none"] as const) {
      expect(called(mount({}, { kind, n_gaussians: 0 }))).toBe("Receptive field");
    }
  });

  it("lie on their Gaussians", () => {
    const { root } = mount({ selected: 0 });
    // Band 1 of 4 and frame 2 of 5 (20 ms before the last at 10 ms): the middle of their cells.
    expect(handle(root, 0).style.transform).toBe("translate(254.0px, 207.5px)");
    // 1 octave is 1 band (75 px) and 10 ms is 1 frame (80 px): up, and left to longer lags.
    expect(handle(root, 0, "sigma_f").style.transform).toBe("translate(254.0px, 132.5px)");
    expect(handle(root, 0, "sigma_t").style.transform).toBe("translate(174.0px, 207.5px)");
    expect(handle(root, 0, "sigma_f").hidden).toBe(false);
    expect(handle(root, 1, "sigma_f").hidden).toBe(true);
  });

  it("off the grid are clamped to its edge and marked", () => {
    const gaussians = [...GAUSSIANS];
    gaussians[0] = 6;
    gaussians[1] = 7;
    const { root } = mount({ gaussians: bytes(gaussians) });
    expect(handle(root, 0).style.transform).toBe("translate(454.0px, 20.0px)");
    expect(handle(root, 0).classList.contains("db-outside")).toBe(true);
    expect(handle(root, 1).classList.contains("db-outside")).toBe(false);
  });

  it("of what is locked are not there, and its numbers cannot be typed", () => {
    const locked = ["strf.sigma_bands", "strf.band", "strf.frame"];
    const { root } = mount({ selected: 0 }, { locked });
    expect([handle(root, 0, "sigma_f").hidden, handle(root, 0, "sigma_t").hidden]).toEqual([true, false]);
    // The weight still belongs to the handle of the centre.
    expect(handle(root, 0).getAttribute("aria-disabled")).toBeNull();
    const disabled = [...root.querySelectorAll<HTMLInputElement>(".db-form input")].map(
      (input) => input.disabled,
    );
    expect(disabled).toEqual([true, true, true, false, false]);
    const all = mount({ selected: 0 }, { locked: [...locked, "strf.weight"] });
    expect(handle(all.root, 0).getAttribute("aria-disabled")).toBe("true");
  });

  it("with weight 0 are faint", () => {
    const { root } = mount({ channel: 1 });
    expect(handle(root, 1).classList.contains("db-faint")).toBe(true);
  });

  it("follow a drag past 2 pixels, in one gesture, and end it on release", () => {
    const { fixture, root } = mount();
    const centre = handle(root, 0);
    pointer(centre, "pointerdown", 100, 100);
    pointer(centre, "pointermove", 101, 101);
    expect(edits(fixture)).toHaveLength(0);
    pointer(centre, "pointermove", 140, 62.5);
    frame();
    expect(root.querySelector(".db-tip")!.textContent).toContain("2.8 kHz · 15 ms");
    // Spoken values follow five times a second.
    vi.advanceTimersByTime(220);
    // 40 px right is half a frame nearer to now (5 ms), 37.5 px up half a band (half an octave).
    expect(centre.getAttribute("aria-valuetext")).toBe("2.8 kHz, 15 ms, weight +0.500");
    expect(root.querySelector(".db-tip")!.textContent).toContain("2.8 kHz · 15 ms");
    // So do the numbers beside the hand, also once it rests.
    pointer(centre, "pointermove", 180, 100);
    frame();
    expect(root.querySelector(".db-tip")!.textContent).toContain("2.8 kHz · 15 ms");
    vi.advanceTimersByTime(220);
    expect(root.querySelector(".db-tip")!.textContent).toContain("2.0 kHz · 10 ms");
    pointer(centre, "pointerup", 180, 100);
    fixture.answer({ seq: 1 });
    frame();
    const [first, last] = edits(fixture);
    expect(first.phase).toBe("move");
    expect(fixture.sent[0].values[0]).toBeCloseTo(1.5, 6);
    expect(fixture.sent[0].values[1]).toBeCloseTo(2.5, 6);
    expect(last).toMatchObject({ gesture: first.gesture, phase: "end" });
    expect(fixture.last.values[1]).toBeCloseTo(3, 6);
    expect(root.querySelector<HTMLElement>(".db-tip")!.hidden).toBe(true);
  });

  it("change widths by the way of the pointer", () => {
    const { fixture, root } = mount({ selected: 0 });
    pointer(handle(root, 0, "sigma_t"), "pointerdown", 0, 0);
    pointer(handle(root, 0, "sigma_t"), "pointermove", -40, 0);
    expect(fixture.last.values).toEqual([1.5]);
    pointer(handle(root, 0, "sigma_t"), "pointerup", -40, 0);
    fixture.answer({});
    fixture.answer({});
    pointer(handle(root, 0, "sigma_f"), "pointerdown", 0, 0);
    pointer(handle(root, 0, "sigma_f"), "pointermove", 0, 500);
    expect(fixture.last.request).toMatchObject({ edits: [{ name: "strf.sigma_bands" }] });
    expect(fixture.last.values[0]).toBeCloseTo(0.27, 6);
  });

  it("keep what the pointer holds while traits come in, and survive a refused capture", async () => {
    const { fixture, root } = mount();
    const centre = handle(root, 0);
    centre.setPointerCapture = () => {
      throw new Error("no such pointer");
    };
    pointer(centre, "pointerdown", 0, 0);
    pointer(centre, "pointermove", 80, 0);
    fixture.model.set("gaussians", bytes(GAUSSIANS));
    await settle();
    vi.advanceTimersByTime(220);
    expect(centre.getAttribute("aria-valuetext")).toContain("10 ms");
  });

  it("go back to the start of the drag on Escape", () => {
    const { fixture, root } = mount();
    const centre = handle(root, 0);
    pointer(centre, "pointerdown", 0, 0);
    pointer(centre, "pointermove", 80, 0);
    key(centre, "Escape");
    pointer(centre, "pointermove", 160, 0);
    pointer(centre, "pointerup", 160, 0);
    frame();
    expect(centre.getAttribute("aria-valuetext")).toContain("20 ms");
    fixture.answer({});
    expect(fixture.last).toMatchObject({ request: { phase: "end" }, values: [2] });
  });

  it("answer to a second finger as before", () => {
    const { fixture, root } = mount();
    pointer(handle(root, 0), "pointerdown", 0, 0);
    pointer(handle(root, 1), "pointerdown", 0, 0, { pointerId: 2 });
    pointer(handle(root, 1), "pointermove", 50, 50, { pointerId: 2 });
    expect(edits(fixture)).toHaveLength(0);
  });

  it("go back to the trained values on double-click and Delete", () => {
    const { fixture, root } = mount();
    handle(root, 1).dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    expect(fixture.last.request).toMatchObject({ type: "revert", index: [0, 0, 1] });
    fixture.answer({});
    key(handle(root, 0), "Delete");
    expect(fixture.last.request).toMatchObject({ type: "revert", index: [0, 0, 0] });
  });

  it("move by arrows; steps within 600 ms are one gesture, which then ends", () => {
    const { fixture, root } = mount();
    const centre = handle(root, 0);
    centre.focus();
    key(centre, "ArrowUp");
    fixture.answer({});
    vi.advanceTimersByTime(500);
    key(centre, "ArrowUp", { shiftKey: true });
    fixture.answer({});
    vi.advanceTimersByTime(500);
    key(centre, "ArrowLeft");
    fixture.answer({});
    vi.advanceTimersByTime(601);
    fixture.answer({});
    key(centre, "ArrowRight");
    const sent = edits(fixture).map((e) => [e.gesture.split("-")[1], e.phase, e.edits[0]?.name]);
    expect(sent).toEqual([
      ["1", "move", "strf.band"],
      ["1", "move", "strf.band"],
      ["1", "move", "strf.frame"],
      ["1", "end", undefined],
      ["2", "move", "strf.frame"],
    ]);
    // A quarter band, then two bands up to the limit's side; a quarter frame to longer lags.
    expect(fixture.sent[0].values[0]).toBeCloseTo(1.25, 6);
    expect(fixture.sent[1].values[0]).toBeCloseTo(3, 6);
    expect(fixture.sent[2].values[0]).toBeCloseTo(1.75, 6);
  });

  it("change weight by + and - and by the wheel, the wheel only in the focused Gaussian", () => {
    const { fixture, root } = mount();
    const centre = handle(root, 0);
    const wheel = (
      deltaY: number,
      at: { clientX: number; clientY: number } = { clientX: 254, clientY: 207 },
    ) => {
      const event = new WheelEvent("wheel", { deltaY, bubbles: true, cancelable: true });
      for (const [name, value] of Object.entries(at)) Object.defineProperty(event, name, { value });
      root.querySelector(".db-stage canvas")!.dispatchEvent(event);
      return event.defaultPrevented;
    };
    expect(wheel(-100)).toBe(false);
    centre.focus();
    expect(wheel(-100, { clientX: 400, clientY: 40 })).toBe(false);
    expect(edits(fixture)).toHaveLength(0);
    expect(wheel(-100)).toBe(true);
    // The heaviest trained weight is 1: a step is 0.05.
    expect(fixture.last.values[0]).toBeCloseTo(0.55, 6);
    fixture.answer({});
    key(centre, "-");
    expect(fixture.last.values[0]).toBeCloseTo(0.5, 6);
    fixture.answer({});
    key(centre, "+");
    expect(fixture.last.request).toMatchObject({ edits: [{ name: "strf.weight", index: [0, 0, 0] }] });
    expect(new Set(edits(fixture).map((e) => e.gesture)).size).toBe(1);
  });

  it("of widths are sliders of their own: up widens", () => {
    const { fixture, root } = mount({ selected: 0 });
    key(handle(root, 0, "sigma_t"), "ArrowUp");
    expect(fixture.last.values[0]).toBeCloseTo(1.1, 6);
    fixture.answer({});
    key(handle(root, 0, "sigma_f"), "ArrowDown");
    fixture.answer({});
    expect(fixture.last.request).toMatchObject({ edits: [{ name: "strf.sigma_bands" }] });
    expect(fixture.last.values[0]).toBeCloseTo(0.9, 6);
  });
});
