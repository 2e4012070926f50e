// @vitest-environment happy-dom

import { describe, expect, it, vi } from "vitest";
import { onEveryCurve, open, SIGMOID, SOFTPLUS, VALUES } from "../../testing/activation.fixture";
import { bytes } from "../../testing/bench.fixture";
import { edits, frame, key, pointer, settle } from "../../testing/mount.fixture";

onEveryCurve();

// The stage is 520 x 360 px; with the margins the plot is 446 x 294 px at (54, 26). Without a drive its axis is that of
// [-3, 3] with 6 % of room: 6.72 wide, 66.37 px each. The rate goes from 0 to 1.5 with 6 % of room above: 184.91 px each.
const PER_DRIVE = 446 / 6.72;
const PER_RATE = 294 / 1.59;

describe("the handles of an output curve", () => {
  it("lie where they describe the curve", () => {
    const { at } = open();
    expect(at("baseline")).toEqual([68, 227.5]);
    expect(at("ceiling")).toEqual([486, 42.6]);
    expect(at("threshold")).toEqual([277, 135.1]);
    // 54 px from there along the tangent: 0.25 * 184.91 / 66.37 = 0.6965 up for 1 to the right.
    expect(at("slope")).toEqual([321.3, 104.2]);
  });

  it("are sliders whose labels give name and value with units", () => {
    const { handle, state } = open();
    const said = (feature: string) => handle(feature).getAttribute("aria-valuetext");
    for (const feature of ["baseline", "ceiling", "threshold", "slope"]) {
      expect(handle(feature).getAttribute("role")).toBe("slider");
      expect(handle(feature).getAttribute("aria-label")).toBe(`Output curve: ${feature}`);
      expect(handle(feature).tabIndex).toBe(0);
      const [low, now, high] = ["min", "now", "max"].map((w) =>
        Number(handle(feature).getAttribute(`aria-value${w}`)),
      );
      expect(low).toBeLessThanOrEqual(now);
      expect(now).toBeLessThanOrEqual(high);
    }
    expect(said("baseline")).toBe("0.500 spikes/bin");
    expect(said("ceiling")).toBe("1.50 spikes/bin");
    expect(said("threshold")).toBe("0 a.u.");
    expect(said("slope")).toBe("0.250 spikes/bin per a.u.");
    expect(state.error).toBe("");
  });

  it("have a lock where a fit leaves all that they concern alone", async () => {
    const pins = [
      ["activation.c", [0]],
      ["activation.a", [1]],
    ];
    const { handle, fixture } = open(VALUES, {}, { pins });
    const locked = () =>
      ["baseline", "ceiling", "threshold", "slope"].filter((one) =>
        handle(one).classList.contains("db-pinned"),
      );
    expect(locked()).toEqual(["threshold"]);
    expect(handle("threshold").getAttribute("aria-label")).toBe("Output curve: threshold, pinned");
    fixture.model.set(
      "pins",
      SIGMOID.names.map((name) => [`activation.${name}`, []]),
    );
    await settle();
    frame();
    expect(locked()).toEqual(["baseline", "ceiling", "threshold", "slope"]);
    fixture.model.set("pins", []);
    await settle();
    frame();
    expect(locked()).toEqual([]);
  });

  it("each move one meaning: the threshold along the drive, in one gesture, while the axes hold still", () => {
    const { fixture, drag, drop, at, handle, shown, editedNames, editor } = open();
    drag("threshold", 60, -40);
    expect(shown()).toEqual([0.5, 1, Number((60 / PER_DRIVE).toFixed(4)), 1]);
    expect(at("threshold")).toEqual([337, 135.1]);
    expect(at("ceiling")).toEqual([486, 42.6]);
    const tip = editor.element.querySelector<HTMLElement>(".db-tip") as HTMLElement;
    expect([tip.hidden, tip.textContent]).toEqual([false, "threshold 0.904 a.u."]);
    vi.advanceTimersByTime(220);
    expect(handle("threshold").getAttribute("aria-valuetext")).toBe("0.904 a.u.");
    drop("threshold");
    fixture.answer({});
    expect(tip.hidden).toBe(true);
    expect(new Set(editedNames())).toEqual(new Set(["activation.c/0"]));
    expect(new Set(edits(fixture).map((e) => e.gesture)).size).toBe(1);
    expect(edits(fixture).at(-1)?.phase).toBe("end");
  });

  it("of the levels leave each other and the threshold where they are", () => {
    const { drag, drop, shown, editedNames, fixture } = open();
    drag("ceiling", 30, PER_RATE / 4);
    expect(shown()).toEqual([0.5, 0.75, 0, 1]);
    drop("ceiling");
    fixture.answer({});
    fixture.answer({}, { activation: [0.5, 0.75, 0, 1] });
    expect(editedNames()).toEqual(["activation.b/0"]);
    drag("baseline", 0, 0);
    expect(shown()).toEqual([0.5, 0.75, 0, 1]);
    drag("baseline", 0, -10);
    const [a, b] = shown();
    expect(a).toBeGreaterThan(0.5);
    expect(a + b).toBeCloseTo(1.25, 3);
  });

  it("stay within the limits", () => {
    const { drag, shown } = open();
    drag("baseline", 0, 900);
    expect(shown().slice(0, 2)).toEqual([0, 1.5]);
    drag("baseline", 0, -900);
    expect(shown().slice(0, 2)).toEqual([1.5, 0]);
  });

  it("of the slope turn the tangent, through flat into falling, and never over the vertical", () => {
    const { drag, shown, at } = open();
    const [x, y] = at("slope");
    // Level with the threshold less 20 px for 40 px to the right: -0.5 on the screen.
    drag("slope", 277 + 40 - x, 135.1 + 20 - y);
    const slope = (-0.5 * PER_DRIVE) / PER_RATE;
    expect(shown()[3]).toBeCloseTo(1 / (4 * slope), 1);
    expect(shown().slice(0, 3)).toEqual([0.5, 1, 0]);
    drag("slope", -500, -100);
    const steep = shown()[3];
    expect(steep).toBeGreaterThan(0);
    expect(steep).toBeLessThan(0.01);
  });

  it("keep their sides in a gesture and change them after it where the curve falls", () => {
    const { drag, drop, at, handle } = open();
    drag("slope", 0, 100);
    expect(at("baseline")[0]).toBe(68);
    drop("slope");
    vi.advanceTimersByTime(300);
    expect(at("baseline")[0]).toBe(486);
    expect(at("ceiling")[0]).toBe(68);
    expect(handle("baseline").dataset.label).toBe("left");
  });

  it("outside the plot stand at its edge, the square not at all, and come back from there", () => {
    const { at, handle, drag, drop, shown } = open([0.5, 1, 40, 1]);
    expect(at("threshold")[0]).toBe(500);
    expect(handle("threshold").classList.contains("db-outside")).toBe(true);
    expect(handle("slope").hidden).toBe(true);
    drag("threshold", -223, 0);
    expect(shown()[2]).toBeCloseTo(0, 3);
    // The axis of the rate makes room for the curve after the gesture.
    expect(handle("slope").hidden).toBe(true);
    drop("threshold");
    vi.advanceTimersByTime(300);
    expect(handle("slope").hidden).toBe(false);
  });

  it("go back to the start of the drag on Escape", () => {
    const { fixture, drag, shown, handle } = open();
    drag("threshold", 60, 0);
    key(handle("threshold"), "Escape");
    pointer(handle("threshold"), "pointermove", 90, 0);
    expect(shown()).toEqual(VALUES);
    fixture.answer({});
    expect(fixture.last).toMatchObject({ request: { phase: "end" }, values: [0] });
  });

  it("need more than a tremble, and the same finger", () => {
    const { fixture, drag, handle } = open();
    drag("threshold", 1, 1);
    pointer(handle("ceiling"), "pointermove", 50, 50, { pointerId: 2 });
    expect(edits(fixture)).toHaveLength(0);
  });

  it("move by arrows, with Shift farther; steps within 600 ms are one gesture", () => {
    const { fixture, shown, handle } = open();
    const step = (name: string, more: KeyboardEventInit = {}, feature = "threshold") => {
      key(handle(feature), name, more);
      frame();
      fixture.answer({});
    };
    // A hundredth of the axis (6.72) up to a round number is 0.1.
    step("ArrowRight");
    vi.advanceTimersByTime(500);
    step("ArrowUp", { shiftKey: true });
    expect(shown()[2]).toBeCloseTo(0.6, 9);
    vi.advanceTimersByTime(700);
    fixture.answer({}, { activation: [0.5, 1, 0.6, 1] });
    step("ArrowLeft");
    expect(shown()[2]).toBeCloseTo(0.5, 6);
    const gestures = [...new Set(edits(fixture).map((e) => e.gesture))];
    expect(gestures).toHaveLength(2);
    expect(edits(fixture).filter((e) => e.phase === "end")).toHaveLength(1);
    step("ArrowUp", {}, "slope");
    expect(1 / (4 * shown()[3])).toBeGreaterThan(0.25);
    expect(new Set(edits(fixture).map((e) => e.gesture)).size).toBe(3);
  });

  it("count steps from where the limits stopped them", () => {
    const { shown, handle } = open();
    for (let i = 0; i < 30; i++) key(handle("baseline"), "ArrowDown", { shiftKey: true });
    key(handle("baseline"), "ArrowUp");
    // A hundredth of the axis (1.59) up to a round number is 0.02.
    expect(shown()[0]).toBeCloseTo(0.02, 3);
  });

  it("leave alone a gesture that another view has begun since", () => {
    const { state, handle } = open();
    key(handle("threshold"), "ArrowRight");
    state.beginGesture();
    vi.advanceTimersByTime(700);
    expect(state.inGesture).toBe(true);
    key(handle("threshold"), "Escape");
    expect(state.inGesture).toBe(true);
  });

  it("go back to the trained value: by a revert where that gives the trained parameters", () => {
    const { fixture, shown, handle } = open([0.8, 0.7, 0, 1], {}, { trained_activation: bytes(VALUES) });
    key(handle("baseline"), "Delete");
    // The ceiling is 1.5 in both.
    expect(fixture.last.request).toMatchObject({
      type: "revert",
      names: ["activation.a", "activation.b"],
      index: [0],
    });
    expect(shown()).toEqual(VALUES);
  });

  it("go back to the trained value: by an edit where another meaning was moved too", () => {
    const { fixture, shown, handle } = open([0.8, 1.2, 0.3, 1], {}, { trained_activation: bytes(VALUES) });
    handle("baseline").dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    expect(shown()).toEqual([0.5, 1.5, 0.3, 1]);
    expect(fixture.last.request).toMatchObject({ type: "edit" });
    fixture.answer({});
    expect(fixture.last.request).toMatchObject({ phase: "end" });
  });

  it("of a softplus are a baseline and a knee", () => {
    const { at, handle, shown, drag, editor } = open([Math.LN2, 0.2], { activation: SOFTPLUS });
    expect(
      [...editor.element.querySelectorAll("[data-handle]")].map((h) => h.getAttribute("data-handle")),
    ).toEqual(["baseline", "knee"]);
    expect(handle("knee").getAttribute("aria-valuetext")).toBe("1.20 spikes/bin, sharpness 0.693 per a.u.");
    expect(at("knee")[0]).toBe(277);
    // Half the height of the knee over its baseline (1 spike per bin) is twice the sharpness.
    const [, foot] = at("baseline");
    const [, knee] = at("knee");
    drag("knee", 0, (foot - knee) / 2);
    expect(shown()[0]).toBeCloseTo(2 * Math.LN2, 1);
    expect(shown()[1]).toBe(0.2);
    frame();
    expect(editor.element.querySelector(".db-tip")?.textContent).toMatch(
      /^knee 0\.70\d spikes\/bin\nsharpness 1\.3/,
    );
  });

  it("are only there for what the module has, and still where it is locked", () => {
    const bare = open([1, 0, 1], { activation: { ...SIGMOID, names: ["b", "c", "d"] } });
    expect(bare.editor.element.querySelector('[data-handle="baseline"]')).toBeNull();
    expect(bare.handle("ceiling").hidden).toBe(false);
    const locked = open(VALUES, { locked: ["activation.a"] });
    expect(locked.handle("baseline").getAttribute("aria-disabled")).toBe("true");
    expect(locked.handle("ceiling").getAttribute("aria-disabled")).toBeNull();
    locked.drag("baseline", 0, -50);
    key(locked.handle("baseline"), "ArrowUp");
    expect(edits(locked.fixture)).toHaveLength(0);
  });
});
