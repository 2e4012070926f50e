// @vitest-environment happy-dom

import { describe, expect, it, vi } from "vitest";
import { onEveryCurve, open, SOFTPLUS, VALUES } from "../../testing/activation.fixture";
import { bytes, GAUSSIANS } from "../../testing/bench.fixture";
import { edits, frame, key, pointer } from "../../testing/mount.fixture";
import type { ActivationEditor } from "./editor";

onEveryCurve();

describe("the numbers of an output curve", () => {
  const inputs = (editor: ActivationEditor) => [...editor.element.querySelectorAll("input")];
  const type = (input: HTMLInputElement, text: string) => {
    input.focus();
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };

  it("are the module's parameters with their meanings", () => {
    const { editor } = open([0.123456, 1, -0.25, 2]);
    expect(inputs(editor).map((i) => [i.getAttribute("aria-label"), i.value])).toEqual([
      ["a, baseline (spikes/bin)", "0.1235"],
      ["b, range (spikes/bin)", "1"],
      ["c, threshold (a.u.)", "-0.25"],
      ["d, width (a.u.)", "2"],
    ]);
    expect(editor.element.querySelector(".db-formula")?.textContent).toBe("rate = b σ((x − c) / d) + a");
  });

  it("change while they are typed, as one gesture, within their limits", () => {
    const { editor, fixture, shown, state } = open();
    const [a, , c] = inputs(editor);
    type(c, "-1");
    fixture.answer({});
    type(c, "-1.5");
    expect(shown()[2]).toBe(-1.5);
    key(c, "Enter");
    fixture.answer({});
    expect(new Set(edits(fixture).map((e) => e.gesture)).size).toBe(1);
    fixture.answer({}, { activation: [0.5, 1, -1.5, 1] });
    type(a, "-4");
    expect(state.activation[0]).toBe(1e-6);
    type(a, "");
    key(a, "Escape");
    expect(shown()[0]).toBe(0.5);
    expect(a.value).toBe("0.5");
    expect(state.inGesture).toBe(false);
  });

  it("leave undo to the bench, and revert to the trained curve where they differ from it", () => {
    const back = (editor: ActivationEditor) =>
      editor.element.querySelector<HTMLButtonElement>(".db-button") as HTMLButtonElement;
    expect(back(open().editor).disabled).toBe(true);
    const { editor, fixture } = open(VALUES, {}, { trained_activation: bytes([0.4, 1, 0, 1]) });
    const [a] = inputs(editor);
    key(a, "z", { ctrlKey: true });
    expect(fixture.last.request.type).toBe("undo");
    fixture.answer({});
    expect(back(editor).disabled).toBe(false);
    back(editor).click();
    expect(fixture.last.request).toMatchObject({
      type: "revert",
      names: ["a", "b", "c", "d"].map((n) => `activation.${n}`),
      index: [0],
    });
  });

  it("are fixed where they are locked or the trained values are on screen", () => {
    const { editor, state } = open(VALUES, { locked: ["activation.c"] });
    expect(inputs(editor).map((i) => i.disabled)).toEqual([false, false, true, false]);
    state.setPeek(true);
    frame();
    expect(inputs(editor).every((i) => i.disabled)).toBe(true);
    expect(editor.element.querySelector("h3")?.textContent).toBe("Output curve · trained");
  });
});

describe("the picture of an output curve", () => {
  const readout = (editor: ActivationEditor) => editor.element.querySelector(".db-readout")?.textContent;

  it("says how much of the time the response is at its ends", () => {
    // The response of the fixture is 0, 0.1, ... 1.1: one bin of 12 at 0.05 or below, two at 0.95 or above.
    expect(readout(open([0, 1, 0, 1]).editor)).toBe("silent 8 % of the time, saturated 17 %");
    // A floor of 0.5: from 0.55 down are 6 of 12; nothing comes near 1.45.
    expect(readout(open().editor)).toBe("at its floor 50 % of the time, saturated 0 %");
    expect(readout(open([8, 0.001], { activation: SOFTPLUS }).editor)).toBe("silent 8 % of the time");
  });

  it("is of the drive where the browser can compute it, and follows it", () => {
    const { editor, state } = open(VALUES, { local: true });
    const first = editor.drive.current;
    expect(first?.drive).toEqual(state.now.drive);
    expect(first?.histogram.share.reduce((sum, v) => sum + v, 0)).toBeCloseTo(1, 9);
    const legend = () => [...editor.element.querySelectorAll(".db-entry")].map((e) => e.textContent);
    expect(legend()).toContain("time spent");
    // A gesture on the curve computes the drive again; it is the same one, and nothing behind the curve is painted anew.
    state.beginGesture();
    state.set([{ name: "activation.c", index: [0], value: 0.7 }]);
    frame();
    expect(state.now.drive).not.toBe(first?.drive);
    expect(editor.drive.current).toBe(first);
    state.endGesture();
    state.beginGesture(1);
    state.edit({ weight: 0.9 });
    frame();
    expect(editor.drive.current).not.toBe(first);
    expect(editor.drive.current?.width).toBe(first?.width);
  });

  it("shows the drive as trained while the trained values are on screen", () => {
    const moved = GAUSSIANS.map((v, i) => (i === 4 ? 0.9 : v));
    const { editor, state } = open(VALUES, { local: true }, { gaussians: bytes(moved) });
    const edited = [...(editor.drive.current?.drive ?? [])];
    state.setPeek(true);
    frame();
    const trained = [...(editor.drive.current?.drive ?? [])];
    const same = open(VALUES, { local: true }).editor.drive.current?.drive ?? [];
    expect(trained).toEqual([...same]);
    expect(trained).not.toEqual(edited);
  });

  it("has no drive for a model that only the kernel computes", () => {
    const { editor } = open();
    expect(editor.drive.current).toBeNull();
    expect(editor.element.querySelector(".db-legend")?.textContent).toBe("curveas trained");
  });

  it("costs nothing while it is hidden", () => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(0);
    const { editor, state } = open(VALUES, { local: true });
    const drive = vi.spyOn(state.shown, "drive", "get");
    state.beginGesture(0);
    state.edit({ weight: 0.1 });
    frame();
    state.endGesture();
    frame();
    expect(drive).not.toHaveBeenCalled();
    expect(editor.drive.current).toBeNull();
  });

  it("shows plain curves without handles and says why", () => {
    const plain = { kind: "plain_relu", label: "ReLU", names: [] };
    const { editor } = open([], { activation: plain, local: true });
    expect(editor.element.querySelector("[data-handle]")).toBeNull();
    expect(editor.element.querySelector(".db-hint")?.textContent).toContain("ReLU has no parameters");
    expect(editor.element.querySelector("[role=img]")?.getAttribute("aria-label")).toContain("ReLU");
    const other = open([], { activation: { kind: "other", label: "ELU", names: [] } }).editor;
    expect(other.element.querySelector<HTMLElement>(".db-stage")?.hidden).toBe(true);
    expect(other.element.querySelector(".db-hint")?.textContent).toContain("ELU is computed by torch");
  });

  it("leaves no listener behind", () => {
    const { cleanup, state, fixture, handle, editor } = open();
    const asked = vi.spyOn(editor, "requestPaint");
    const grip = handle("threshold");
    cleanup.run();
    state.beginGesture();
    state.set([{ name: "activation.c", index: [0], value: 2 }]);
    state.endGesture();
    const sent = fixture.sent.length;
    fixture.answer({});
    key(grip, "ArrowRight");
    pointer(grip, "pointerdown", 0, 0);
    pointer(grip, "pointermove", 50, 0);
    expect(asked).not.toHaveBeenCalled();
    expect(fixture.sent.length - sent).toBeLessThanOrEqual(1);
    expect(state.inGesture).toBe(false);
  });
});
