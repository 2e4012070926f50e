// @vitest-environment happy-dom

import { afterEach, describe, expect, it, vi } from "vitest";
import { floats } from "../base/bytes";
import prediction from "../entry/prediction";
import { StaticModel } from "../offline/static-model";
import { bytes } from "../testing/bench.fixture";
import { frame, key, onEveryPage, pointer } from "../testing/mount.fixture";
import { Drawing } from "./drawing";

const N = 45;
const INFO = {
  n_bins: N,
  dt_ms: 10,
  low: 0,
  high: 60,
  unit: "dB",
  title: "ON",
  given: ["level"],
  n_bands: 0,
};
const EMPTY = new Float32Array(N).fill(Number.NaN);
// The stage is 520 x 360: the margins leave 450 x 310 from (54, 10), so 10 pixels a bin.
const at = (bin: number, value: number) => [54 + 10 * (bin + 0.5), 10 + 310 * (1 - value / 60)] as const;

onEveryPage();
let stop = () => {};
afterEach(() => stop());

function page(traits: Record<string, unknown> = {}) {
  const el = document.createElement("div");
  document.body.append(el);
  const model = new StaticModel({
    ...{ info: INFO, cf_hz: bytes([]), sound: bytes([]), given: bytes(new Float32Array(N)) },
    ...{ drawn: bytes(EMPTY), truth: bytes([]), said: "", error: "" },
    ...traits,
  });
  const saved = vi.fn();
  model.saved = saved;
  const end = prediction.render({ model, el });
  frame();
  stop = () => {
    end();
    expect(model.listeners()).toBe(0);
    expect(el.children.length).toBe(0);
    el.remove();
  };
  const find = <T extends HTMLElement>(selector: string) => el.querySelector<T>(selector)!;
  const button = (text: string) => [...el.querySelectorAll("button")].find((b) => b.textContent === text)!;
  return {
    model,
    saved,
    button,
    stage: find(".db-stage"),
    pen: find(".db-pen"),
    said: () => find(".db-message").textContent,
    drawn: () =>
      [...floats(model.get("drawn"))].map((v) => (Number.isNaN(v) ? null : Math.round(v * 10) / 10)),
  };
}

describe("a drawing", () => {
  const drawing = () => new Drawing(new Float32Array(5).fill(Number.NaN), 0, 10);

  it("is a straight line between two places, whichever way it is drawn, within the ends of the axis", () => {
    for (const [from, to] of [
      [0, 4],
      [4, 0],
    ]) {
      const one = drawing();
      one.begin();
      one.line({ bin: from, value: from * 4 }, { bin: to, value: to * 4 });
      expect(one.end(false)).toBe(true);
      expect([...one.values]).toEqual([0, 4, 8, 10, 10]);
    }
  });

  it("passes no bin between two places of a quick pen, and takes the place of what was there", () => {
    const one = drawing();
    one.begin();
    one.line({ bin: 0.4, value: 2 }, { bin: 3.6, value: 2 });
    one.line({ bin: 1, value: 5 }, { bin: 1, value: 7 });
    one.end(false);
    expect([...one.values]).toEqual([2, 7, 2, 2, 2]);
    expect(one.share).toBe(1);
  });

  it("goes back and forth by strokes; a cancelled one leaves nothing", () => {
    const one = drawing();
    one.begin();
    one.line({ bin: 0, value: 1 }, { bin: 4, value: 1 });
    one.end(false);
    one.begin();
    one.line({ bin: 0, value: 9 }, { bin: 4, value: 9 });
    expect(one.end(true)).toBe(false);
    expect([...one.values]).toEqual([1, 1, 1, 1, 1]);
    expect([one.undo(), one.undo(), one.share]).toEqual([true, false, 0]);
    expect([one.redo(), one.redo(), one.share]).toEqual([true, false, 1]);
  });
});

describe("the plot", () => {
  it("takes a drag as one stroke, and sends it when the pointer is lifted", () => {
    const { stage, drawn, saved, said } = page();
    pointer(stage, "pointerdown", ...at(2, 30));
    pointer(stage, "pointermove", ...at(6, 50));
    expect(saved).not.toHaveBeenCalled();
    pointer(stage, "pointerup", ...at(6, 50));
    expect(saved).toHaveBeenCalledOnce();
    expect(drawn().slice(0, 8)).toEqual([null, null, 30, 35, 40, 45, 50, null]);
    expect(said()).toBe("11 % drawn");
  });

  it("draws nothing beside the plot, and a press that is taken by something else ends the stroke", () => {
    const { stage, drawn } = page();
    pointer(stage, "pointerdown", 10, 350);
    pointer(stage, "pointermove", ...at(3, 10));
    expect(drawn().every((v) => v === null)).toBe(true);
    pointer(stage, "pointerdown", ...at(0, 10));
    pointer(stage, "pointercancel", ...at(0, 10));
    expect(drawn()[0]).toBe(10);
  });

  it("is drawn with keys alone, as straight lines from one place to the next", () => {
    const { pen, drawn } = page();
    pen.focus();
    for (const name of ["ArrowUp", "ArrowUp", " ", "End", " "]) key(pen, name);
    // Two fortieths of 60.
    expect(new Set(drawn())).toEqual(new Set([3]));
    expect(pen.getAttribute("aria-valuetext")).toBe("0.000 s: 0 dB");
    frame();
    expect(pen.getAttribute("aria-valuetext")).toBe("0.440 s: 3.00 dB, from 0.440 s: 3.00 dB");
    key(pen, "Escape");
    key(pen, "ArrowLeft", { shiftKey: true });
    key(pen, "ArrowUp", { shiftKey: true });
    key(pen, "Enter");
    expect(drawn()[34]).toBe(18);
    expect(drawn()[35]).toBe(3);
  });

  it("takes strokes back with the keys, and clears all as one step", () => {
    const { pen, drawn, button, said } = page();
    key(pen, " ");
    expect(drawn()[0]).toBe(0);
    key(pen, "z", { ctrlKey: true });
    expect(drawn()[0]).toBe(null);
    key(pen, "y", { ctrlKey: true });
    button("Clear").click();
    expect([drawn()[0], said(), button("Clear").disabled]).toEqual([null, "Nothing drawn yet", true]);
    button("Undo").click();
    expect(drawn()[0]).toBe(0);
  });

  it("stays as it is once the truth is shown, and says what Python says of it", () => {
    const { model, stage, pen, drawn, said, button } = page();
    key(pen, " ");
    model.set("truth", bytes(new Float32Array(N).fill(20)));
    model.set("said", "Shown. r = 0.50");
    pointer(stage, "pointerdown", ...at(2, 30));
    pointer(stage, "pointermove", ...at(6, 50));
    pointer(stage, "pointerup", ...at(6, 50));
    key(pen, "End");
    key(pen, " ");
    key(pen, "z", { ctrlKey: true });
    expect(drawn().filter((v) => v !== null)).toEqual([0]);
    expect([said(), button("Undo").disabled]).toEqual(["Shown. r = 0.50", true]);
  });

  it("follows a drawing that Python makes", () => {
    const { model, drawn, pen } = page();
    model.set("drawn", bytes(new Float32Array(N).fill(7)));
    expect(drawn()[3]).toBe(7);
    key(pen, " ");
    expect([drawn()[0], drawn()[3]]).toEqual([0, 7]);
  });

  it("says when the kernel is gone, and draws on", () => {
    const { model, pen, said, drawn } = page();
    model.save_changes = () => {
      throw new Error("no kernel");
    };
    key(pen, " ");
    expect(said()).toMatch(/the kernel is gone/);
    expect(drawn()[0]).toBe(0);
  });

  it("shows a sound above, and the plot below it", () => {
    const { stage, drawn } = page({
      info: { ...INFO, n_bands: 2 },
      cf_hz: bytes([500, 1000]),
      sound: bytes(new Float32Array(2 * N)),
    });
    // 94 pixels of sound and gap above.
    pointer(stage, "pointerdown", at(4, 0)[0], 10 + 94 + (310 - 94) / 2);
    pointer(stage, "pointerup", at(4, 0)[0], 10 + 94 + (310 - 94) / 2);
    expect(drawn()[4]).toBe(30);
    pointer(stage, "pointerdown", at(8, 0)[0], 40);
    pointer(stage, "pointerup", at(8, 0)[0], 40);
    expect(drawn()[8]).toBe(null);
  });
});
