// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { bytes, Fixture, GAUSSIANS } from "./bench.fixture";
import type { EditRequest, Info } from "./contract";
import bench from "./index";

// The stage is 520 x 360 CSS pixels: with the margins the grid is 400 x 300, so 80 pixels a lag and 75 a band.
const WIDTH = 520;
const HEIGHT = 360;

interface Mounted {
  fixture: Fixture;
  el: HTMLElement;
  root: HTMLElement;
  stop: () => void;
}
const open: Mounted[] = [];

function mount(traits: Record<string, unknown> = {}, info: Partial<Info> = {}): Mounted {
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
const frame = () => vi.advanceTimersByTime(40);
/** Let the microtask that gathers traits run, and a frame after it. */
const settle = async () => {
  await Promise.resolve();
  frame();
};
const handle = (root: HTMLElement, k: number, grip = "center") =>
  root.querySelector<HTMLElement>(`[data-gaussian="${k}"][data-handle="${grip}"]`)!;
const key = (target: Element, name: string, more: KeyboardEventInit = {}) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more }));
const pointer = (target: Element, type: string, x: number, y: number, more: PointerEventInit = {}) =>
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
const edits = (fixture: Fixture) => fixture.requests.filter((r): r is EditRequest => r.type === "edit");

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

describe("mounting", () => {
  it("greets the kernel and shows the panels of each view", () => {
    const { fixture, root } = mount();
    expect(fixture.sent[0].request).toMatchObject({ type: "ready" });
    expect(root.querySelector(".db-strf")).not.toBeNull();
    expect(root.querySelector(".db-response")).not.toBeNull();
    expect(root.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
    const strf = mount({ view: "strf" }).root;
    expect([!!strf.querySelector(".db-strf"), !!strf.querySelector(".db-response")]).toEqual([true, false]);
    const response = mount({ view: "response" }).root;
    expect([!!response.querySelector(".db-strf"), !!response.querySelector(".db-response")]).toEqual([
      false,
      true,
    ]);
  });

  it("is undone completely", () => {
    const live = new Map<string, number>();
    const ids = new Map<unknown, number>();
    const id = (thing: unknown) => ids.get(thing) ?? ids.set(thing, ids.size).get(thing);
    const wrap = (of: object, name: "addEventListener" | "removeEventListener", step: number) => {
      let owner = of;
      while (!Object.hasOwn(owner, name)) owner = Object.getPrototypeOf(owner);
      const known = owner as EventTarget;
      if (vi.isMockFunction(known[name])) return;
      const original = known[name];
      vi.spyOn(known, name).mockImplementation(function (
        this: EventTarget,
        ...args: Parameters<typeof original>
      ) {
        const entry = `${args[0]}/${id(this)}/${id(args[1])}`;
        live.set(entry, (live.get(entry) ?? 0) + step);
        return original.apply(this, args);
      });
    };
    for (const target of [document.createElement("div"), matchMedia("(prefers-color-scheme: dark)")]) {
      wrap(target, "addEventListener", 1);
      wrap(target, "removeEventListener", -1);
    }
    const observers = new Set<object>();
    for (const Observer of [ResizeObserver, MutationObserver]) {
      const { observe, disconnect } = Observer.prototype;
      vi.spyOn(Observer.prototype, "observe").mockImplementation(function (this: object, ...args: unknown[]) {
        observers.add(this);
        return (observe as (...a: unknown[]) => void).apply(this, args);
      });
      vi.spyOn(Observer.prototype, "disconnect").mockImplementation(function (this: object) {
        observers.delete(this);
        return disconnect.apply(this as never);
      });
    }
    const { fixture, el, root, stop } = mount();
    handle(root, 0).focus();
    key(handle(root, 0), "ArrowUp");
    expect([...live.values()].filter((n) => n > 0).length).toBeGreaterThan(40);
    expect(observers.size).toBeGreaterThan(2);
    expect(fixture.model.listeners()).toBeGreaterThan(20);
    stop();
    open.pop();
    expect([...live].filter(([, n]) => n !== 0)).toEqual([]);
    expect(observers.size).toBe(0);
    expect(fixture.model.listeners()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(el.childElementCount).toBe(0);
    // The key press was on its way: its gesture is closed even so.
    expect(edits(fixture).at(-1)?.phase).toBe("end");
    const sent = fixture.sent.length;
    fixture.model.set("score", 0.1);
    fixture.model.message({ type: "error", client: "x", seq: 1, text: "late" });
    expect(fixture.sent.length).toBe(sent);
  });

  it("twice on one page keeps the copies apart", () => {
    const [one, two] = [mount(), mount()];
    handle(one.root, 1).focus();
    frame();
    expect(one.fixture.model.get("selected")).toBe(1);
    expect(two.fixture.model.get("selected")).toBe(-1);
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("shows names as text, never as HTML", () => {
    const { root } = mount(
      { neuron: 1, of_neuron: 1 },
      { model: "<img src=x>", channel_names: ["<i>ON</i>", "OFF"] },
    );
    const field = root.querySelector<HTMLInputElement>(".db-combo")!;
    expect(field.value).toBe("1 · <b>bold</b>");
    field.click();
    expect(root.querySelector("b, img, .db-segment i")).toBeNull();
    expect(root.querySelector(".db-options")!.textContent).toContain("<b>bold</b>");
  });

  it("says what can be edited where there are no Gaussians", () => {
    const { root } = mount(
      { gaussians: bytes([]), trained_gaussians: bytes([]) },
      { kind: "full", n_gaussians: 0 },
    );
    expect(root.querySelectorAll('[role="slider"]')).toHaveLength(0);
    expect(root.querySelector(".db-hint")!.textContent).toContain("edited from Python");
  });
});

describe("handles", () => {
  it("are sliders that say where they are", () => {
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
    gaussians[0] = 64_000;
    gaussians[1] = -30;
    const { root } = mount({ gaussians: bytes(gaussians) });
    expect(handle(root, 0).style.transform).toBe("translate(454.0px, 20.0px)");
    expect(handle(root, 0).classList.contains("db-outside")).toBe(true);
    expect(handle(root, 1).classList.contains("db-outside")).toBe(false);
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
    // 40 px right is half a frame nearer to now (5 ms), 37.5 px up half a band (half an octave).
    expect(centre.getAttribute("aria-valuetext")).toBe("2.8 kHz, 15 ms, weight +0.500");
    expect(root.querySelector(".db-tip")!.textContent).toContain("2.8 kHz · 15 ms");
    pointer(centre, "pointermove", 180, 100);
    pointer(centre, "pointerup", 180, 100);
    fixture.answer({ seq: 1 });
    frame();
    const [first, last] = edits(fixture);
    expect(first.phase).toBe("move");
    expect(fixture.sent[1].values[0]).toBeCloseTo(2000 * Math.SQRT2, 2);
    expect(fixture.sent[1].values[1]).toBeCloseTo(15, 5);
    expect(last).toMatchObject({ gesture: first.gesture, phase: "end" });
    expect(fixture.last.values[1]).toBeCloseTo(10, 5);
    expect(root.querySelector<HTMLElement>(".db-tip")!.hidden).toBe(true);
  });

  it("change widths by the way of the pointer", () => {
    const { fixture, root } = mount({ selected: 0 });
    pointer(handle(root, 0, "sigma_t"), "pointerdown", 0, 0);
    pointer(handle(root, 0, "sigma_t"), "pointermove", -40, 0);
    expect(fixture.last.values).toEqual([15]);
    pointer(handle(root, 0, "sigma_t"), "pointerup", -40, 0);
    fixture.answer({});
    fixture.answer({});
    pointer(handle(root, 0, "sigma_f"), "pointerdown", 0, 0);
    pointer(handle(root, 0, "sigma_f"), "pointermove", 0, 500);
    expect(fixture.last.request).toMatchObject({ edits: [{ name: "strf.sigma_oct" }] });
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
    expect(fixture.last).toMatchObject({ request: { phase: "end" }, values: [20] });
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
    for (const name of ["Delete", "Backspace"]) {
      key(handle(root, 0), name);
      expect(fixture.last.request).toMatchObject({ type: "revert", index: [0, 0, 0] });
      fixture.answer({});
    }
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
    const told = edits(fixture).map((e) => [e.gesture.split("-")[1], e.phase, e.edits[0]?.name]);
    expect(told).toEqual([
      ["1", "move", "strf.center_hz"],
      ["1", "move", "strf.center_hz"],
      ["1", "move", "strf.center_ms"],
      ["1", "end", undefined],
      ["2", "move", "strf.center_ms"],
    ]);
    // A quarter band, then two bands up to the limit's side; a quarter frame to longer lags.
    expect(fixture.sent[1].values[0]).toBeCloseTo(2000 * 2 ** 0.25, 2);
    expect(fixture.sent[2].values[0]).toBeCloseTo(8000, 2);
    expect(fixture.sent[3].values[0]).toBeCloseTo(22.5, 4);
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
    expect(fixture.last.values[0]).toBeCloseTo(11, 6);
    fixture.answer({});
    key(handle(root, 0, "sigma_f"), "ArrowDown");
    fixture.answer({});
    expect(fixture.last.request).toMatchObject({ edits: [{ name: "strf.sigma_oct" }] });
    expect(fixture.last.values[0]).toBeCloseTo(0.9, 6);
  });
});

describe("keys anywhere in the view", () => {
  it("undo and redo", () => {
    const { fixture, root } = mount();
    key(root, "z", { ctrlKey: true });
    fixture.answer({});
    key(root, "Z", { ctrlKey: true, shiftKey: true });
    fixture.answer({});
    key(root, "y", { ctrlKey: true });
    expect(fixture.requests.map((r) => r.type)).toEqual(["undo", "redo", "redo"]);
  });

  it("are left alone while something is typed", () => {
    const { fixture, root } = mount();
    const field = root.querySelector(".db-combo")!;
    key(field, "z", { ctrlKey: true });
    key(field, "t");
    expect(fixture.requests).toHaveLength(0);
    expect(root.querySelector(".db-title")!.textContent).not.toContain("trained");
  });

  it("T shows the trained values while it is held", () => {
    const gaussians = [...GAUSSIANS];
    gaussians[1] = 40;
    const { root } = mount({ gaussians: bytes(gaussians) });
    expect(handle(root, 0).getAttribute("aria-valuetext")).toContain("40 ms");
    key(root, "t");
    frame();
    expect(handle(root, 0).getAttribute("aria-valuetext")).toContain("20 ms");
    expect(root.querySelector(".db-title")!.textContent).toContain("trained");
    root.dispatchEvent(new KeyboardEvent("keyup", { key: "t", bubbles: true }));
    frame();
    expect(handle(root, 0).getAttribute("aria-valuetext")).toContain("40 ms");
  });
});

describe("choosers", () => {
  it("step through neurons and find one by name", () => {
    const { fixture, root } = mount();
    const [previous, next] = root.querySelectorAll<HTMLButtonElement>(".db-neuron button");
    expect(previous.disabled).toBe(true);
    next.click();
    expect(fixture.model.get("neuron")).toBe(1);
    const field = root.querySelector<HTMLInputElement>(".db-combo")!;
    field.value = "thi";
    field.dispatchEvent(new Event("input"));
    key(field, "Enter");
    expect(fixture.model.get("neuron")).toBe(2);
    expect(field.value).toBe("2 · third");
  });

  it("offer a few of thousands at a time", () => {
    const { root } = mount({}, { n_neurons: 5000, neuron_names: [] });
    const field = root.querySelector<HTMLInputElement>(".db-combo")!;
    field.value = "49";
    field.dispatchEvent(new Event("input"));
    const options = [...root.querySelectorAll('[role="option"]')].map((o) => o.textContent);
    expect(options[0]).toBe("49");
    expect(options.length).toBeLessThanOrEqual(61);
  });

  it("switch the channel by click and arrows", () => {
    const { fixture, root } = mount();
    const [on, off] = root.querySelectorAll<HTMLButtonElement>(".db-segment");
    off.click();
    frame();
    expect(fixture.model.get("channel")).toBe(1);
    expect(off.getAttribute("aria-checked")).toBe("true");
    key(off, "ArrowLeft");
    expect(fixture.model.get("channel")).toBe(0);
    expect(on.getAttribute("tabindex")).toBe("0");
  });
});

describe("numbers", () => {
  it("typed become one gesture, ended when the field is left", () => {
    const { fixture, root } = mount({ selected: 0 });
    const weight = root.querySelectorAll<HTMLInputElement>(".db-number")[4];
    expect(weight.value).toBe("0.5");
    for (const text of ["0", "0.", "0.7", "0.75"]) {
      weight.value = text;
      weight.dispatchEvent(new Event("input"));
      fixture.answer({});
    }
    weight.dispatchEvent(new Event("change"));
    weight.dispatchEvent(new Event("blur"));
    expect(new Set(edits(fixture).map((e) => e.gesture)).size).toBe(1);
    expect(edits(fixture).filter((e) => e.phase === "end")).toHaveLength(1);
    expect(fixture.sent.at(-2)!.values[0]).toBeCloseTo(0.75, 6);
  });
});

describe("message line", () => {
  it("says when the kernel is late, and what went wrong", () => {
    const { fixture, root } = mount();
    const line = root.querySelector(".db-message")!;
    key(root, "z", { ctrlKey: true });
    vi.advanceTimersByTime(900);
    expect(line.textContent).toBe("");
    vi.advanceTimersByTime(2200);
    expect(line.textContent).toBe("kernel is busy: 3 s");
    fixture.answer({});
    expect(line.textContent).toBe("last answer took 3100 ms");
    key(root, "z", { ctrlKey: true });
    const { client, seq } = fixture.last.request;
    fixture.model.message({ type: "error", client, seq, text: "neuron must be < 3, got <b>" });
    expect(line.textContent).toBe("neuron must be < 3, got <b>");
    key(root, "z", { ctrlKey: true });
    fixture.answer({});
    expect(line.textContent).toBe("");
  });

  it("says which neuron has not come yet", async () => {
    const { fixture, root } = mount();
    const line = root.querySelector(".db-message")!;
    root.querySelectorAll<HTMLButtonElement>(".db-neuron button")[1].click();
    await settle();
    vi.advanceTimersByTime(2300);
    expect(line.textContent).toBe("waiting for neuron 1: 2 s");
    expect(root.querySelector<HTMLElement>(".db-strf")!.dataset.stale).toBe("true");
    fixture.model.set("of_neuron", 1);
    await settle();
    expect(line.textContent).toBe("");
    expect(root.querySelector<HTMLElement>(".db-strf")!.dataset.stale).toBeUndefined();
  });

  it("counts for benchmarks", () => {
    const { fixture, root } = mount();
    const counters = (root as unknown as { __bench: Record<string, unknown> & { pending(): number } })
      .__bench;
    expect(Object.keys(root)).not.toContain("__bench");
    const before = counters.paints as number;
    key(handle(root, 0), "ArrowUp");
    frame();
    expect(counters.paints as number).toBeGreaterThan(before);
    expect(counters).toMatchObject({ sent: 1, lastSeq: 1, answers: 0 });
    expect(counters.pending()).toBe(1);
    fixture.answer({});
    expect(counters).toMatchObject({ answers: 1, lastAnswered: 1 });
    expect((counters.rtt as number[]).length).toBe(1);
  });
});

describe("score", () => {
  it("stands beside the gain over the trained model", async () => {
    const { fixture, root } = mount();
    const score = root.querySelector(".db-score")!;
    expect(score.textContent?.trim()).toBe("r = 0.50");
    fixture.model.set("score", 0.54);
    await settle();
    expect(score.textContent).toBe("r = 0.54 (+0.04)");
    fixture.model.set("score", null);
    await settle();
    expect(score.textContent?.trim()).toBe("r = –");
  });
});
