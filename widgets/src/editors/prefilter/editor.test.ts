// @vitest-environment happy-dom

import { describe, expect, it, vi } from "vitest";
import { Cleanup } from "../../base/dom";
import { Frames } from "../../draw/surface";
import { readTheme } from "../../draw/theme";
import type { Info } from "../../kernel/contract";
import { BenchState } from "../../state/bench-state";
import { bytes, Fixture, INFO } from "../../testing/bench.fixture";
import { edits, frame, key, onEveryPage, pointer, settle } from "../../testing/mount.fixture";
import { PrefilterEditor } from "./editor";

onEveryPage();

const ON = [20, 40, 80, 160];
const OFF = [100, 100, 100, 100];
const W = [0.5, 0.5, 0.5, 0.5];
const ROWS = ["prefilter.tau_on_ms", "prefilter.tau_off_ms", "prefilter.w"];
const LIMITS: Info["limits"] = {
  "prefilter.tau_on_ms": [1, 10_000],
  "prefilter.tau_off_ms": [1, 10_000],
  "prefilter.w": [0.001, 1],
  "prefilter.tau_ms": [1, 10_000],
};
const ADAPTRANS: Partial<Info> = {
  prefilter: { kind: "adaptrans", label: "AdapTrans", rows: ROWS, taps: 100, local: true },
  limits: LIMITS,
};

// The stage is 520 x 360: the plots are 420 wide from x = 54, so a band is 105 wide and band b lies at 106.5 + 105 b. The
// plot of tau is 124 high from y = 24. All trained values with a factor of 1.5 around them and round ends are 10 to 500 ms.
const X = (band: number) => 106.5 + 105 * band;
const Y = (tau: number) => 24 + 124 * (1 - Math.log(tau / 10) / Math.log(50));
/** The plot of w is 46 high from y = 162. */
const YW = (w: number) => 162 + 46 * (1 - w);
/** The factor that one pixel upward means. */
const PIXEL = 50 ** (1 / 124);

function open(values: number[] = [ON, OFF, W].flat(), info: Partial<Info> = ADAPTRANS, trained = values) {
  const prefilter = { prefilter: bytes(values), trained_prefilter: bytes(trained) };
  const fixture = new Fixture(prefilter, info);
  const later = (callback: () => void, ms: number) => {
    const handle = setTimeout(callback, ms);
    return () => clearTimeout(handle);
  };
  const state = new BenchState(fixture.model, { now: () => performance.now(), later });
  const cleanup = new Cleanup();
  const editor = new PrefilterEditor(state, new Frames(cleanup), () => readTheme(document.body), cleanup);
  document.body.replaceChildren(editor.element);
  cleanup.add(() => state.close());
  frame();
  const stage = editor.element.querySelector<HTMLElement>(".db-stage")!;
  return {
    fixture,
    state,
    editor,
    cleanup,
    stage,
    root: editor.element,
    slider: (curve: string) => editor.element.querySelector<HTMLElement>(`[data-curve="${curve}"]`)!,
    choose: (value: string) => editor.element.querySelector<HTMLElement>(`[data-choice="${value}"]`)!.click(),
    /** Press at the first place, go through the others, let go. */
    sweep: (places: [number, number][], more: PointerEventInit = {}) => {
      pointer(stage, "pointerdown", ...places[0], more);
      for (const place of places.slice(1)) pointer(stage, "pointermove", ...place, more);
      pointer(stage, "pointerup", ...places[places.length - 1], more);
      frame();
    },
    row: (i: number) => [...state.prefilter.slice(4 * i, 4 * i + 4)],
  };
}
const close = (values: number[], expected: number[], relative = 1e-4) => {
  expect(values).toHaveLength(expected.length);
  for (const [i, value] of values.entries()) {
    expect(Math.abs(value / expected[i] - 1), `${values} is not ${expected}`).toBeLessThan(relative);
  }
};

describe("the curves", () => {
  it("has a lock on the slider of a curve whose selected band a fit leaves alone", async () => {
    const { fixture, editor } = open();
    const locked = () =>
      [...editor.element.querySelectorAll(".db-pinned")].map((one) => one.getAttribute("aria-label"));
    fixture.model.set("pins", [
      ["prefilter.tau_on_ms", []],
      ["prefilter.w", [3]],
    ]);
    await settle();
    frame();
    vi.advanceTimersByTime(220);
    frame();
    expect(locked()).toHaveLength(1);
    expect(locked()[0]).toMatch(/^ON: .*, pinned$/);
  });

  it("are sliders of the selected band whose labels give frequency, tau and decay", () => {
    const { slider } = open();
    const on = slider("on");
    // Band 2 of 4 is selected first: 4 kHz, 80 ms; a = exp(-10 / 80).
    expect(on.getAttribute("role")).toBe("slider");
    expect(on.getAttribute("aria-valuetext")).toBe("ON, 4.0 kHz: tau 80 ms, a 0.882 per bin");
    expect(["min", "now", "max"].map((w) => on.getAttribute(`aria-value${w}`))).toEqual(["1", "80", "10000"]);
    expect(slider("off").getAttribute("aria-valuetext")).toBe("OFF, 4.0 kHz: tau 100 ms, a 0.905 per bin");
    expect(slider("w").getAttribute("aria-valuetext")).toBe("w, 4.0 kHz: 0.50");
    expect(
      [...open().root.querySelectorAll("[role=slider]")].map((s) => s.getAttribute("aria-label")),
    ).toEqual([
      "ON: time constant of adaptation in ms",
      "OFF: time constant of adaptation in ms",
      "w: weight of the past",
    ]);
  });

  it("lie on a logarithmic axis of tau, and on a linear one of w", () => {
    const { root, slider } = open();
    const points = root
      .querySelector(".db-adapt-on .db-adapt-line")!
      .getAttribute("d")!
      .slice(1)
      .split("L")
      .map((p) => p.split(" ").map(Number));
    points.forEach(([x, y], band) => {
      expect(x).toBeCloseTo(X(band), 1);
      expect(Math.abs(y - Y(ON[band]))).toBeLessThan(0.051);
    });
    expect(slider("w").style.transform).toBe(`translate(${X(2).toFixed(1)}px, ${YW(0.5).toFixed(1)}px)`);
  });

  it("without decay lie at the upper edge and are called so", () => {
    const { root, slider, row } = open([ON, [100, 100, Number.POSITIVE_INFINITY, 100], W].flat());
    const off = slider("off");
    expect(off.style.transform).toBe(`translate(${X(2).toFixed(1)}px, 24.0px)`);
    expect(off.getAttribute("aria-valuetext")).toBe("OFF, 4.0 kHz: no decay (tau infinite), a 1 per bin");
    expect(root.querySelector(".db-adapt-caption")!.textContent).toContain("OFF ∞, a 1");
    const typed = root.querySelector<HTMLInputElement>('input[aria-label="OFF time constant in ms"]')!;
    expect([typed.value, typed.placeholder]).toEqual(["", "∞"]);
    // A step down leads back from the longest time constant that a user may set.
    key(off, "ArrowDown");
    close([row(1)[2]], [10_000 / 1.05]);
  });

  it("of one kind of adaptation are one, of another a sentence", () => {
    const ic: Partial<Info> = {
      prefilter: { kind: "ic", label: "ICAdaptation", rows: ["prefilter.tau_ms"], taps: 50, local: true },
      limits: LIMITS,
    };
    const one = open(ON, ic);
    expect(
      [...one.root.querySelectorAll("[role=slider]")].map((s) => s.getAttribute("aria-valuetext")),
    ).toEqual(["4.0 kHz: tau 80 ms, a 0.882 per bin"]);
    expect(one.root.querySelector(".db-adapt-tau .db-adapt-now")!.textContent).toBe("+1.00");
    for (const [kind, text] of [
      ["none", "there is no adaptation to edit"],
      ["other", "The prefilter of this model, <b>Gate</b>, has no curves"],
    ] as const) {
      const { root } = open([], {
        prefilter: { kind, label: "<b>Gate</b>", rows: [], taps: 1, local: false },
        limits: {},
      });
      expect(root.querySelector<HTMLElement>(".db-stage")!.hidden).toBe(true);
      expect(root.querySelector(".db-hint")!.textContent).toContain(text);
      expect(root.querySelector(".db-hint b")).toBeNull();
    }
  });

  it("show the kernels of the band under the pointer", () => {
    const { root, stage } = open();
    const caption = () => root.querySelector(".db-adapt-caption")!.textContent;
    expect(caption()).toContain("4.0 kHz");
    pointer(stage, "pointermove", X(0), Y(300));
    frame();
    // a = exp(-10 / 20).
    expect(caption()).toBe("1.0 kHzON 20 ms, a 0.607OFF 100 ms, a 0.905w 0.50");
    const nows = [...root.querySelectorAll(".db-adapt-now")].map((t) => t.textContent);
    expect(nows).toEqual(["+1.00", "−0.50"]);
    pointer(stage, "pointerleave", 0, 0);
    frame();
    expect(caption()).toContain("4.0 kHz");
  });

  it("draw the kernels over lag: the past of ON below zero, that of OFF above", () => {
    const { root } = open();
    const first = (curve: string) =>
      root
        .querySelector(`.db-adapt-kernels .db-adapt-${curve} .db-adapt-line`)!
        .getAttribute("d")!
        .split("L")[0];
    // 100 taps: the weight at the first lag is w (1 - a) / (1 - a ** 99) for ON, without w for OFF.
    const weight = (tau: number) => (1 - Math.exp(-10 / tau)) / (1 - Math.exp(-990 / tau));
    // The plot is 58 high from y = 266. Its range: twice the largest of this band, 0.095 of OFF, rounded up to 0.2. It is
    // as long as 2.5 times the longest tau, 160 ms.
    const x = (54 + 420 * (1 - 10 / 400)).toFixed(1);
    expect(first("on")).toBe(`M${x} ${(295 + (29 * 0.5 * weight(80)) / 0.2).toFixed(1)}`);
    expect(first("off")).toBe(`M${x} ${(295 - (29 * weight(100)) / 0.2).toFixed(1)}`);
  });
});

describe("pointer and keys", () => {
  it("drags a point past 2 pixels, by factors, in one gesture", () => {
    const { fixture, root, stage, row, slider, state } = open();
    pointer(stage, "pointerdown", X(1) + 4, Y(40) + 5);
    pointer(stage, "pointermove", X(1) + 5, Y(40) + 6);
    expect(state.inGesture).toBe(false);
    pointer(stage, "pointermove", X(1) + 4, Y(40) + 5 - 10);
    frame();
    expect(state.inGesture).toBe(true);
    close(row(0), [20, 40 * PIXEL ** 10, 80, 160]);
    close(row(1), OFF);
    // 40 ms, 10 pixels up: 40 * 50 ** (10 / 124) = 54.8 ms; a = exp(-10 / 54.8).
    expect(root.querySelector(".db-tip")!.textContent).toBe("2.0 kHz\nON τ 55 ms, a 0.833");
    // Spoken values follow five times a second.
    expect(slider("on").getAttribute("aria-valuetext")).toBe("ON, 4.0 kHz: tau 80 ms, a 0.882 per bin");
    vi.advanceTimersByTime(220);
    expect(slider("on").getAttribute("aria-valuetext")).toBe("ON, 2.0 kHz: tau 55 ms, a 0.833 per bin");
    pointer(stage, "pointerup", X(1), Y(40));
    fixture.answer({ seq: 1 });
    frame();
    const [first, last] = edits(fixture);
    expect(first).toMatchObject({ phase: "move", edits: [{ name: ROWS[0], index: [1] }] });
    expect(last).toMatchObject({ gesture: first.gesture, phase: "end" });
    expect(root.querySelector<HTMLElement>(".db-tip")!.hidden).toBe(true);
  });

  it("takes the nearest point, of whichever curve, and of none that is far", () => {
    const { stage, row, editor, sweep } = open();
    sweep([
      [X(0), Y(100) + 3],
      [X(0), Y(100) - 7],
    ]);
    expect(editor.tools.active).toBe("off");
    close(row(1), [100 * PIXEL ** 10, 100, 100, 100]);
    sweep([
      [X(3), YW(0.5)],
      [X(3), YW(0.75)],
    ]);
    expect(editor.tools.active).toBe("w");
    close(row(2), [0.5, 0.5, 0.5, 0.75]);
    pointer(stage, "pointerdown", X(0), Y(300));
    pointer(stage, "pointermove", X(0), Y(200));
    close(row(0), ON);
    // Far from a point the press only selects the band, on the plot it lies on.
    expect([editor.tools.band, editor.tools.active]).toEqual([0, "off"]);
  });

  it("reaches what a finger means from farther away", () => {
    const { row, sweep } = open();
    const places: [number, number][] = [
      [X(0) + 18, Y(20)],
      [X(0) + 18, Y(20) - 10],
    ];
    sweep(places);
    close(row(0), ON);
    sweep(places, { pointerType: "touch" });
    close(row(0), [20 * PIXEL ** 10, 40, 80, 160]);
  });

  it("stays within the limits beyond the edges of the plot", () => {
    const { row, sweep } = open();
    sweep([
      [X(0), Y(20)],
      [X(0), Y(20) - 5000],
    ]);
    expect(row(0)[0]).toBe(10_000);
    sweep([
      [X(1), YW(0.5)],
      [X(1), YW(0.5) + 900],
    ]);
    expect(row(2)[1]).toBeCloseTo(0.001, 12);
  });

  it("drags both time constants together", () => {
    const { row, sweep, choose } = open();
    choose("both");
    sweep([
      [X(2), Y(80)],
      [X(2), Y(80) - 20],
    ]);
    close(row(0), [20, 40, 80 * PIXEL ** 20, 160]);
    close(row(1), [100, 100, 100 * PIXEL ** 20, 100]);
  });

  it("shifts a whole curve with Shift or its tool, in its shape, no farther than its limits", () => {
    const { fixture, row, sweep, choose, state } = open();
    sweep(
      [
        [X(0), Y(300)],
        [X(0), Y(300) + 12],
      ],
      { shiftKey: true },
    );
    close(
      row(0),
      ON.map((tau) => tau / PIXEL ** 12),
    );
    expect(edits(fixture)[0].edits.map((e) => e.index[0])).toEqual([0, 1, 2, 3]);
    fixture.answer({}, { prefilter: [ON, OFF, W].flat() });
    fixture.answer({}, { prefilter: [ON, OFF, W].flat() });
    choose("curve");
    sweep([
      [X(0), Y(300)],
      [X(0), Y(300) - 5000],
    ]);
    close(row(0), [1250, 2500, 5000, 10_000]);
    expect(state.inGesture).toBe(false);
  });

  it("leaves a band without decay where it is when the curve shifts", () => {
    const { row, sweep, choose } = open([[20, Number.POSITIVE_INFINITY, 80, 160], OFF, W].flat());
    choose("curve");
    sweep([
      [X(0), Y(300)],
      [X(0), Y(300) - 10],
    ]);
    expect(row(0)[1]).toBe(Number.POSITIVE_INFINITY);
    close([row(0)[0]], [20 * PIXEL ** 10], 0.02);
  });

  it("brushes across bands without leaving one out", () => {
    const { fixture, row, sweep, choose, state } = open();
    choose("brush");
    choose("1");
    sweep([
      [X(0), Y(50)],
      [X(3), Y(200)],
    ]);
    // One report of the pointer, from 50 to 200 ms: on the way it was at 50 * 4 ** (1/3) and 50 * 4 ** (2/3).
    close(row(0), [50, 50 * 4 ** (1 / 3), 50 * 4 ** (2 / 3), 200]);
    expect(state.inGesture).toBe(false);
    expect(new Set(edits(fixture).map((e) => e.gesture)).size).toBe(1);
  });

  it("brushes softly: neighbours go half the way, however often the pointer reports", () => {
    const { row, sweep, choose } = open();
    choose("brush");
    choose("3");
    const up: [number, number] = [X(1), Y(160)];
    sweep([up, up, up, up]);
    // Half way on a logarithmic axis is the geometric mean.
    close(row(0), [Math.sqrt(20 * 160), 160, Math.sqrt(80 * 160), 160]);
  });

  it("brushes on the plot it presses on", () => {
    const { row, sweep, choose, editor } = open();
    choose("both");
    choose("brush");
    choose("1");
    sweep([
      [X(0), YW(0.25)],
      [X(1), YW(0.25)],
    ]);
    expect(editor.tools.active).toBe("w");
    close(row(2), [0.25, 0.25, 0.5, 0.5]);
    sweep([
      [X(3), Y(60)],
      [X(3), Y(60)],
    ]);
    expect(editor.tools.active).toBe("both");
    close(row(0), [20, 40, 80, 60]);
    close(row(1), [100, 100, 100, 60]);
  });

  it("smooths what it sweeps, once for each band it comes to", () => {
    const spike = [10, 10, 1000, 10];
    const { row, sweep, choose } = open([spike, OFF, W].flat());
    choose("smooth");
    choose("1");
    const at: [number, number] = [X(2), 80];
    sweep([at, [at[0] + 1, at[1]], [at[0] + 2, at[1] + 1]]);
    // Levels 0 0 1 0 (times ln 100, above ln 10) through 1/4 1/2 1/4 three times, ends repeated:
    // 0 1/4 1/2 1/4; 1/16 1/4 3/8 5/16; then band 2 is (4 + 2 * 6 + 5) / 64.
    close(row(0), [10, 10, 10 * 100 ** (21 / 64), 10]);
  });

  it("smooths a whole curve by the button, in one gesture", () => {
    const spike = [10, 10, 1000, 10];
    const { fixture, row, root } = open([spike, OFF, W].flat());
    [...root.querySelectorAll("button")].find((b) => b.textContent === "Smooth all")!.click();
    // As above; the rows of the third round are (2 * 1 + 1 + 4) / 64, (1 + 2 * 4 + 6) / 64, 21 / 64, (6 + 2 * 5 + 5) / 64.
    close(
      row(0),
      [7, 15, 21, 21].map((n) => 10 * 100 ** (n / 64)),
    );
    expect(new Set(edits(fixture).map((e) => e.gesture)).size).toBe(1);
  });

  it("lets go on Escape, of everything it had changed", () => {
    const { fixture, editor, stage, slider, row, choose } = open();
    choose("brush");
    pointer(stage, "pointerdown", X(0), Y(50));
    pointer(stage, "pointermove", X(2), Y(200));
    expect(key(slider("on"), "Escape")).toBe(false);
    pointer(stage, "pointermove", X(3), Y(200));
    pointer(stage, "pointerup", X(3), Y(200));
    close(row(0), ON);
    fixture.answer({ seq: 1 });
    expect(edits(fixture).at(-1)).toMatchObject({ phase: "end" });
    expect(editor.release(false)).toBe(false);
  });

  it("does not answer to a second finger, and lives without capture", () => {
    const { stage, row } = open();
    stage.setPointerCapture = () => {
      throw new Error("no such pointer");
    };
    pointer(stage, "pointerdown", X(0), Y(20));
    pointer(stage, "pointerdown", X(3), Y(160), { pointerId: 2 });
    pointer(stage, "pointermove", X(3), Y(160) - 30, { pointerId: 2 });
    close(row(0), ON);
    pointer(stage, "pointermove", X(0), Y(20) - 10);
    close(row(0), [20 * PIXEL ** 10, 40, 80, 160]);
  });

  it("keeps the axis still until it lets go", () => {
    const { root, stage, slider } = open();
    const firstY = () =>
      Number(
        root
          .querySelector(".db-adapt-on .db-adapt-line")!
          .getAttribute("d")!
          .match(/^M\S+ ([^L]+)/)![1],
      );
    pointer(stage, "pointerdown", X(3), Y(160));
    pointer(stage, "pointermove", X(3), Y(160) - 200);
    frame();
    for (let i = 0; i < 20; i++) frame();
    expect(slider("on").style.transform).toBe(`translate(${X(3).toFixed(1)}px, 24.0px)`);
    expect(firstY()).toBeCloseTo(Y(20), 0);
    pointer(stage, "pointerup", X(3), Y(160) - 200);
    for (let i = 0; i < 20; i++) frame();
    // 160 ms, 200 pixels higher, is 87.8 s: the limit of 10 s, where the axis now ends.
    expect(slider("on").style.transform).toBe(`translate(${X(3).toFixed(1)}px, 24.0px)`);
    // 20 ms on an axis from 10 to 10000 ms.
    expect(firstY()).toBeCloseTo(24 + 124 * (1 - Math.log(2) / Math.log(1000)), 0);
  });
});

describe("trained values", () => {
  it("come back at once: for a band by double-click and Delete, for a curve by the button", () => {
    const trained = [ON, OFF, W].flat();
    const edited = trained.map((v, i) => (i < 4 ? 2 * v : v));
    const { fixture, root, stage, slider, row } = open(edited, ADAPTRANS, trained);
    const y = Y(40);
    const double = new MouseEvent("dblclick", { bubbles: true, clientX: X(0), clientY: y });
    stage.dispatchEvent(double);
    expect(fixture.last.request).toMatchObject({ type: "revert", names: [ROWS[0]], index: [0] });
    close(row(0), [20, 80, 160, 320]);
    fixture.answer({}, { prefilter: [...row(0), ...OFF, ...W] });
    key(slider("on"), "Delete");
    expect(fixture.last.request).toMatchObject({ type: "revert", names: [ROWS[0]], index: [2] });
    close(row(0), [20, 80, 80, 320]);
    fixture.answer({}, { prefilter: [...row(0), ...OFF, ...W] });
    frame();
    const revert = [...root.querySelectorAll("button")].find((b) => b.textContent === "Revert")!;
    expect(revert.disabled).toBe(false);
    revert.click();
    expect(fixture.last.request).toMatchObject({ type: "revert", names: [ROWS[0]], index: null });
    close(row(0), ON);
    frame();
    expect(revert.disabled).toBe(true);
  });

  it("are shown, not edited, while they are on screen", () => {
    const trained = [ON, OFF, W].flat();
    const { state, root, slider, sweep } = open(
      trained.map((v, i) => (i < 4 ? 2 * v : v)),
      ADAPTRANS,
      trained,
    );
    state.setPeek(true);
    frame();
    expect(slider("on").getAttribute("aria-valuetext")).toContain("tau 80 ms");
    expect(slider("on").getAttribute("aria-disabled")).toBe("true");
    expect(root.querySelector(".db-title")!.textContent).toBe("Adaptation · trained");
    sweep([
      [X(2), Y(80)],
      [X(2), Y(300)],
    ]);
    key(slider("on"), "ArrowUp");
    expect(state.inGesture).toBe(false);
    state.setPeek(false);
    frame();
    expect(slider("on").getAttribute("aria-valuetext")).toContain("tau 160 ms");
  });
});

describe("keys", () => {
  it("choose the band, and change it by factors; steps within 600 ms are one gesture", () => {
    const { fixture, slider, row, state } = open();
    const on = slider("on");
    on.focus();
    key(on, "Home");
    key(on, "ArrowRight");
    frame();
    expect(on.getAttribute("aria-valuetext")).toContain("2.0 kHz");
    key(on, "ArrowUp");
    vi.advanceTimersByTime(500);
    key(on, "ArrowUp", { shiftKey: true });
    vi.advanceTimersByTime(500);
    expect(state.inGesture).toBe(true);
    close(row(0), [20, 40 * 1.05 * 1.5, 80, 160]);
    vi.advanceTimersByTime(101);
    expect(state.inGesture).toBe(false);
    key(on, "ArrowDown");
    for (let i = 0; i < 4; i++) fixture.answer({});
    expect(edits(fixture).map((e) => [e.gesture.split("-")[1], e.phase])).toEqual([
      ["1", "move"],
      ["1", "end"],
      ["2", "move"],
    ]);
    key(on, "End");
    frame();
    expect(on.getAttribute("aria-valuetext")).toContain("8.0 kHz");
    // What is not yet settled goes back; the page's dispatch tells that the key was taken.
    expect(key(on, "Escape")).toBe(false);
    close(row(0), [20, 40 * 1.05 * 1.5, 80, 160]);
    expect(key(on, "Escape")).toBe(true);
  });

  it("change w by hundredths", () => {
    const { slider, row } = open();
    key(slider("w"), "4");
    key(slider("w"), "ArrowUp");
    key(slider("w"), "ArrowUp", { shiftKey: true });
    close(row(2), [0.5, 0.5, 0.61, 0.5]);
  });

  it("take curve, tool and width, and use the tool at the band", () => {
    const { editor, slider, row } = open();
    const on = slider("on");
    on.focus();
    key(on, "3");
    expect(editor.tools.active).toBe("both");
    key(on, "2");
    expect(document.activeElement).toBe(slider("off"));
    key(slider("off"), "1");
    for (const [name, tool] of [
      ["c", "curve"],
      ["s", "smooth"],
      ["d", "point"],
      ["b", "brush"],
    ]) {
      key(on, name);
      expect(editor.tools.tool).toBe(tool);
    }
    key(on, "[");
    expect(editor.tools.width).toBe(1);
    key(on, "]");
    expect(editor.tools.width).toBe(3);
    // The neighbours of band 2 take its level half the way.
    key(on, "Enter");
    close(row(0), [20, Math.sqrt(40 * 80), 80, Math.sqrt(160 * 80)]);
    editor.release(true);
    close(row(0), ON);
    key(on, "c");
    key(on, "ArrowUp");
    close(
      row(0),
      ON.map((tau) => 1.05 * tau),
    );
  });

  it("in a field are the field's own", () => {
    const { editor, root } = open();
    const input = root.querySelector<HTMLInputElement>("input")!;
    input.focus();
    for (const name of ["c", "2", "Delete", "Home"]) expect(key(input, name)).toBe(true);
    expect(editor.tools.tool).toBe("point");
  });

  it("with Control or in a drag are left to others", () => {
    const { editor, slider, stage } = open();
    key(slider("on"), "c", { ctrlKey: true });
    expect(editor.tools.tool).toBe("point");
    pointer(stage, "pointerdown", X(0), Y(20));
    key(slider("on"), "c");
    expect(editor.tools.tool).toBe("point");
  });
});

describe("numbers", () => {
  const field = (root: HTMLElement, label: string) =>
    root.querySelector<HTMLInputElement>(`input[aria-label="${label}"]`)!;
  const type = (input: HTMLInputElement, text: string) => {
    input.focus();
    input.value = text;
    input.dispatchEvent(new Event("input"));
    input.dispatchEvent(new Event("change"));
  };

  it("show the selected band and can be typed: tau, its decay, w, the band itself", () => {
    const { root, row, fixture } = open();
    expect([...root.querySelectorAll("input")].map((i) => i.value)).toEqual([
      "4",
      "80",
      "0.8825",
      "100",
      "0.9048",
      "0.5",
    ]);
    type(field(root, "ON time constant in ms"), "50");
    close(row(0), [20, 40, 50, 160]);
    type(field(root, "OFF decay per time bin"), "0.5");
    // a = exp(-10 / tau) = 1/2.
    close(row(1), [100, 100, 10 / Math.LN2, 100]);
    type(field(root, "Weight of the past"), "7");
    expect(row(2)[2]).toBe(1);
    type(field(root, "Selected band, centre frequency in kHz"), "1.9");
    frame();
    expect(field(root, "ON time constant in ms").value).toBe("40");
    for (let i = 0; i < 6; i++) fixture.answer({});
    expect(edits(fixture).map((e) => [e.phase, e.edits[0]?.name])).toEqual([
      ["move", ROWS[0]],
      ["end", undefined],
      ["end", ROWS[1]],
      ["end", ROWS[2]],
    ]);
  });

  it("step by arrows, and are no longer than a decay of 1", () => {
    const { root, row } = open();
    const tau = field(root, "ON time constant in ms");
    key(tau, "ArrowUp");
    close(row(0), [20, 40, 81, 160]);
    key(tau, "ArrowDown", { shiftKey: true });
    close(row(0), [20, 40, 71, 160]);
    type(field(root, "ON decay per time bin"), "1");
    expect(row(0)[2]).toBe(10_000);
    type(field(root, "ON decay per time bin"), "-3");
    expect(row(0)[2]).toBe(1);
    type(tau, "");
    expect(row(0)[2]).toBe(1);
    key(field(root, "Selected band, centre frequency in kHz"), "ArrowDown");
    frame();
    expect(tau.value).toBe("40");
  });

  it("of a locked curve cannot be changed by anything", () => {
    const { root, slider, row, state, sweep, choose } = open([ON, OFF, W].flat(), {
      ...ADAPTRANS,
      locked: [ROWS[0]],
    });
    expect(field(root, "ON time constant in ms").disabled).toBe(true);
    expect(field(root, "OFF time constant in ms").disabled).toBe(false);
    expect(slider("on").getAttribute("aria-disabled")).toBe("true");
    choose("both");
    sweep([
      [X(2), Y(80)],
      [X(2), Y(80) - 20],
    ]);
    key(slider("on"), "Delete");
    close(row(0), ON);
    close(row(1), [100, 100, 100 * PIXEL ** 20, 100], 1);
    expect(state.inGesture).toBe(false);
  });
});

describe("beside other panels", () => {
  it("leaves their gestures alone", () => {
    const { slider, state, stage, editor, row } = open();
    key(slider("on"), "ArrowUp");
    state.beginGesture(0);
    vi.advanceTimersByTime(700);
    expect(state.inGesture).toBe(true);
    expect(editor.release(true)).toBe(false);
    expect(state.inGesture).toBe(true);
    state.endGesture();
    // One begun elsewhere in the middle of a drag ends the drag, not the gesture.
    pointer(stage, "pointerdown", X(0), Y(20));
    pointer(stage, "pointermove", X(0), Y(20) - 10);
    state.beginGesture(1);
    pointer(stage, "pointermove", X(0), Y(20) - 20);
    pointer(stage, "pointerup", X(0), Y(20) - 20);
    expect(state.inGesture).toBe(true);
    close([row(0)[0]], [20 * PIXEL ** 10]);
  });

  it("learns another model, and goes without a trace", async () => {
    const { fixture, root, cleanup, state, slider } = open();
    key(slider("on"), "End");
    fixture.model.set("info", {
      ...INFO,
      prefilter: { kind: "ic", label: "ICAdaptation", rows: ["prefilter.tau_ms"], taps: 50, local: true },
      limits: LIMITS,
    });
    fixture.model.set("prefilter", bytes(OFF));
    fixture.model.set("trained_prefilter", bytes(OFF));
    await Promise.resolve();
    frame();
    expect([...root.querySelectorAll<HTMLElement>("[role=slider]")].filter((s) => !s.hidden)).toHaveLength(1);
    expect(root.querySelectorAll("input")).toHaveLength(3);
    cleanup.run();
    expect(fixture.model.listeners()).toBe(0);
    pointer(root.querySelector(".db-stage")!, "pointerdown", X(0), Y(100));
    pointer(root.querySelector(".db-stage")!, "pointermove", X(0), Y(200));
    expect(state.inGesture).toBe(false);
  });

  it("hidden, paints nothing and takes nothing amiss", () => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(0);
    const { root, slider, editor } = open();
    expect(slider("on")).toBeNull();
    expect(root.querySelector(".db-adapt-line")).toBeNull();
    editor.requestPaint();
    frame();
  });
});

describe("a depression", () => {
  const TAU = [100, 200, 100, 50];
  const U = [0.01, 0.02, 0.05, 0.01];
  const NAMES = ["prefilter.tau_ms", "prefilter.u"];
  const PLASTICITY: Partial<Info> = {
    prefilter: { kind: "plasticity", label: "ShortTermPlasticity", rows: NAMES, taps: 1, local: true },
    limits: { "prefilter.tau_ms": [1, 10_000], "prefilter.u": [1e-6, 10] },
  };
  const shown = () => open([TAU, U].flat(), PLASTICITY);
  // Tau from 20 to 500 ms on 124 pixels; strength from 0.005 to 0.1 on 46 pixels below.
  const YU = (u: number) => 162 + 46 * (1 - Math.log(u / 0.005) / Math.log(20));

  it("has a slider for recovery and one for strength, each with its unit", () => {
    const { slider, root } = shown();
    expect(slider("recovery").getAttribute("aria-valuetext")).toMatch(
      /recovery, .*: tau 100 ms, a 0\.\d+ per bin/,
    );
    expect(slider("strength").getAttribute("aria-valuetext")).toMatch(/strength, .*: 0\.05/);
    expect(root.querySelector(".db-hint")!.hasAttribute("hidden")).toBe(true);
    expect(root.querySelector("canvas")!.getAttribute("aria-label")).toContain("below them the strength");
  });

  it("strength is dragged in factors", () => {
    const { sweep, row, slider } = shown();
    const pixel = 20 ** (1 / 46);
    sweep([
      [X(1), YU(0.02)],
      [X(1), YU(0.02) - 10],
    ]);
    close(row(1), [0.01, 0.02 * pixel ** 10, 0.05, 0.01], 1e-3);
    expect(slider("strength").classList.contains("db-selected")).toBe(true);
    close(row(0), TAU);
  });

  it("keys choose the curve and change it by factors, within the limits", () => {
    const { slider, row, root } = shown();
    key(root, "4");
    key(slider("strength"), "ArrowUp", { shiftKey: true });
    close(row(1), [0.01, 0.02, 0.075, 0.01]);
    for (let i = 0; i < 30; i++) key(slider("strength"), "ArrowUp", { shiftKey: true });
    expect(row(1)[2]).toBeCloseTo(10, 5);
    key(root, "1");
    key(slider("recovery"), "ArrowDown");
    close(row(0), [100, 200, 100 / 1.05, 50]);
  });

  it("shows how a steady sound uses up the resource, and how it was when trained", () => {
    const { root, slider } = shown();
    const line = () =>
      root.querySelector(".db-adapt-kernels .db-adapt-recovery .db-adapt-line")!.getAttribute("d")!;
    const ghost = () =>
      root.querySelector(".db-adapt-kernels .db-adapt-recovery .db-adapt-ghost")!.getAttribute("d");
    const before = line();
    const heights = [...before.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map(([, y]) => Number(y));
    expect(heights.every((y, i) => i === 0 || y >= heights[i - 1])).toBe(true);
    expect(ghost()).toBeNull();
    key(slider("strength"), "ArrowUp", { shiftKey: true });
    frame();
    expect(line()).not.toBe(before);
    expect(ghost()).toBe(before);
  });

  it("a strength is typed as it is", () => {
    const { root, row } = shown();
    const input = root.querySelector<HTMLInputElement>(".db-adapt-strength input")!;
    expect(input.value).toBe("0.05");
    input.value = "0.0031";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
    close(row(1), [0.01, 0.02, 0.0031, 0.01]);
  });
});
