// @vitest-environment happy-dom

import { describe, expect, it, vi } from "vitest";
import { bytes, GAUSSIANS } from "../testing/bench.fixture";
import {
  edits,
  frame,
  handle,
  key,
  mount,
  onEveryPage,
  open,
  pointer,
  settle,
} from "../testing/mount.fixture";

onEveryPage();

describe("an exercise of a lesson", () => {
  it("has a line that is ticked once it is done, and none where there is no exercise", () => {
    const { fixture, root } = mount();
    const line = root.querySelector<HTMLElement>(".db-exercise")!;
    expect(line.hidden).toBe(true);
    fixture.model.set("exercise", { name: "by hand", done: false });
    expect([line.hidden, line.textContent]).toEqual([false, "○ Exercise “by hand”: not yet"]);
    fixture.model.set("exercise", { name: "by hand", done: true });
    expect(line.textContent).toMatch(/^✓ Exercise “by hand”: done/);
    fixture.model.set("exercise", {});
    expect(line.hidden).toBe(true);
  });
});

describe("a button that is used up", () => {
  it("leaves the focus on the bench, whose keys go on to work", async () => {
    const { fixture, root } = mount({ can_undo: true });
    const undo = root.querySelector<HTMLButtonElement>("button[title^=Undo]")!;
    undo.focus();
    expect(document.activeElement).toBe(undo);
    fixture.model.set("can_undo", false);
    await vi.waitFor(() => expect(undo.disabled).toBe(true));
    expect(document.activeElement).toBe(root);
  });
});

describe("mounting", () => {
  it("greets the kernel and shows the panels of each view", () => {
    const { fixture, root } = mount();
    // The page of the tests is 520 px wide.
    expect(fixture.model.get("width")).toBe(520);
    expect(root.querySelector(".db-strf")).not.toBeNull();
    expect(root.querySelector(".db-response")).not.toBeNull();
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
    expect(field.value).toBe("2 · <b>bold</b>");
    field.click();
    expect(root.querySelector("b, img, .db-segment i")).toBeNull();
    expect(root.querySelector(".db-options")!.textContent).toContain("<b>bold</b>");
  });

  it("explains what can be edited where there are no Gaussians", () => {
    const { root } = mount(
      { gaussians: bytes([]), trained_gaussians: bytes([]) },
      { kind: "full", n_gaussians: 0 },
    );
    expect(root.querySelectorAll('[role="slider"]')).toHaveLength(0);
    expect(root.querySelector(".db-hint")!.textContent).toContain("edited from Python");
  });
});

describe("a drag", () => {
  it("writes no attribute that is as it was", () => {
    // The browser works out styles anew even so: a slow page has no time for it at each move of the pointer.
    // Not told by this page without a browser: classes, which it writes even where they are there, and what a removed
    // attribute was.
    const { fixture, root } = mount();
    const center = handle(root, 0);
    pointer(center, "pointerdown", 200, 200);
    const observer = new MutationObserver(() => {});
    observer.observe(root, { attributes: true, attributeOldValue: true, subtree: true });
    const idle = () => {
      const records = observer.takeRecords().filter(({ attributeName }) => attributeName !== "class");
      const rewritten = records.filter(({ target, attributeName, oldValue }, i) => {
        const next = records
          .slice(i + 1)
          .find((one) => one.target === target && one.attributeName === attributeName);
        return (
          oldValue !== null &&
          oldValue === (next ? next.oldValue : (target as Element).getAttribute(attributeName!))
        );
      });
      return rewritten.map(
        ({ target, attributeName }) => `${attributeName} of ${(target as Element).className}`,
      );
    };
    for (const x of [210, 220, 230]) {
      pointer(center, "pointermove", x, 200);
      expect(idle()).toEqual([]);
      frame();
      expect(idle()).toEqual([]);
      fixture.answer({});
      expect(idle()).toEqual([]);
    }
    observer.disconnect();
    pointer(center, "pointerup", 230, 200);
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
    gaussians[1] = 0;
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
    expect(field.value).toBe("3 · third");
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

  it("end with Enter within the limits, return with Escape, and leave undo to the bench", () => {
    const { fixture, root } = mount({ selected: 0 });
    const [lag] = [...root.querySelectorAll<HTMLInputElement>(".db-number")].slice(1);
    const type = (text: string) => {
      lag.focus();
      lag.value = text;
      lag.dispatchEvent(new Event("input"));
    };
    type("99");
    fixture.answer({});
    key(lag, "Enter");
    // The longest lag of 5 bins of 10 ms is 40 ms.
    expect(lag.value).toBe("40");
    expect(edits(fixture).at(-1)!.phase).toBe("end");
    fixture.answer({});
    type("30");
    fixture.answer({});
    key(lag, "Escape");
    expect(lag.value).not.toBe("30");
    expect(edits(fixture).at(-1)!.phase).toBe("end");
    fixture.answer({});
    key(lag, "z", { ctrlKey: true });
    expect(fixture.last.request.type).toBe("undo");
  });
});

describe("message line", () => {
  it("shows when the kernel is late, and what went wrong", () => {
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

  it("names the neuron that has not come yet", async () => {
    const { fixture, root } = mount();
    const line = root.querySelector(".db-message")!;
    root.querySelectorAll<HTMLButtonElement>(".db-neuron button")[1].click();
    await settle();
    vi.advanceTimersByTime(2300);
    expect(line.textContent).toBe("waiting for neuron 2: 2 s");
    expect(root.querySelector<HTMLElement>(".db-strf")!.dataset.stale).toBe("true");
    fixture.model.set("of_neuron", 1);
    await settle();
    expect(line.textContent).toBe("");
    expect(root.querySelector<HTMLElement>(".db-strf")!.dataset.stale).toBeUndefined();
  });

  it("counts the requests without an answer, for tests in a browser", () => {
    const { fixture, root } = mount();
    const counters = (root as unknown as { __bench: { pending(): number } }).__bench;
    expect(Object.keys(root)).not.toContain("__bench");
    expect(counters.pending()).toBe(0);
    key(handle(root, 0), "ArrowUp");
    expect(counters.pending()).toBe(1);
    fixture.answer({});
    expect(counters.pending()).toBe(0);
  });
});

describe("score", () => {
  it("stands beside the gain over the trained model", async () => {
    const { fixture, root } = mount();
    const score = root.querySelector(".db-score")!;
    expect(score.textContent?.trim()).toBe("r = 0.50");
    fixture.model.set("score", 0.54);
    await settle();
    expect(score.textContent?.trim()).toBe("r = 0.54 (+0.04)");
    fixture.model.set("normalized_score", 0.635);
    fixture.model.set("trained_normalized_score", 0.6);
    await settle();
    expect(score.textContent).toBe("r = 0.54 (+0.04) · CCnorm 0.64");
    key(root, "t");
    expect(score.textContent).toBe("r = 0.50 (trained) · CCnorm 0.60");
    root.dispatchEvent(new KeyboardEvent("keyup", { key: "t" }));
    fixture.model.set("score", null);
    fixture.model.set("normalized_score", null);
    await settle();
    expect(score.textContent?.trim()).toBe("r = –");
  });

  it("has beside it what is not blind to gain and offset, with a word why the two differ", async () => {
    const flat = { explained: -0.2, normalized_explained: -0.25, rate_bias: 0.12, mismatch: "too flat" };
    const { fixture, root } = mount({ score: 0.91, trained_score: 0.91, fit: flat });
    const score = root.querySelector<HTMLElement>(".db-score")!;
    expect(score.textContent).toBe("r = 0.91  VE −0.20 · mean +12 % too flat");
    expect(score.hasAttribute("data-mismatch")).toBe(true);
    expect(score.title).toContain("−0.25 of that which is no noise");
    expect(score.title).toContain("as the prediction is too flat");
    fixture.model.set("fit", { explained: 0.8, normalized_explained: null, rate_bias: null, mismatch: "" });
    await settle();
    expect(score.textContent).toBe("r = 0.91  VE 0.80");
    expect(score.hasAttribute("data-mismatch")).toBe(false);
    score.click();
    expect(score.hasAttribute("data-level")).toBe(true);
  });
});
