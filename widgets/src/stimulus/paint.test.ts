// @vitest-environment happy-dom

import { afterEach, describe, expect, it, vi } from "vitest";
import { floats } from "../base/bytes";
import bench from "../entry/sounds";
import { StaticModel } from "../offline/static-model";
import { fakeAround } from "../testing/around.fixture";
import { bytes } from "../testing/bench.fixture";
import { key, onEveryPage, pointer, settle } from "../testing/mount.fixture";
import type { PaintMessage } from "./paint";

const [F, N] = [4, 40];
const INFO = { n_bands: F, dt_ms: 10, unit: "dB", low: 0, high: 80, loud: 60, max_frames: 100 };
const CF = [1000, 2000, 4000, 8000];
// 520 x 360 CSS pixels: the margins leave 400 x 300, so 10 pixels a frame and 75 a band.
const at = (frame: number, band: number) => [54 + 10 * (frame + 0.5), 20 + 300 - 75 * (band + 0.5)] as const;

interface Sent {
  type: string;
  seq: number;
  start: number;
  n_frames: number;
  settled: boolean;
  client: string;
  values: Float32Array;
}

class Page {
  sent: Sent[] = [];
  readonly el = document.createElement("div");
  readonly model: StaticModel;
  readonly stop: () => void;

  readonly cursor = fakeAround();

  constructor(info = {}) {
    const traits = { view: "paint", info: { ...INFO, ...info }, cf_hz: bytes(CF) };
    this.model = new StaticModel(
      { ...traits, cells: bytes(new Float32Array(F * N)), error: "" },
      (content, buffers) => this.sent.push({ ...(content as Sent), values: floats(buffers[0]) }),
    );
    document.body.append(this.el);
    this.stop = bench.render({ model: this.model, el: this.el, around: this.cursor.around });
    this.answerAll();
    this.sent = [];
    vi.advanceTimersByTime(200);
  }

  find = <T extends HTMLElement>(selector: string) => this.el.querySelector<T>(selector)!;
  get stage() {
    return this.find(".db-stage");
  }
  get cell() {
    return this.find(".db-paint-cell");
  }
  get last() {
    return this.sent.at(-1)!;
  }
  valueText = () => this.cell.getAttribute("aria-valuetext");
  button = (text: string) =>
    [...this.el.querySelectorAll("button")].find(
      (b) => (b.getAttribute("aria-label") ?? b.textContent) === text,
    )!;
  field = (label: string) =>
    [...this.el.querySelectorAll("label")].find((l) => l.textContent === label)!.querySelector("input")!;
  type(label: string, value: string) {
    const input = this.field(label);
    input.value = value;
    input.dispatchEvent(new Event("change"));
  }
  answer(message: Partial<PaintMessage> = {}, buffers: DataView[] = []) {
    const { client, seq, settled } = this.last ?? {};
    this.model.message({ type: "painted", client, seq, settled, ...message }, buffers);
  }
  answerAll() {
    for (let i = 0; i < 9 && this.sent.length && this.last.type === "paint"; i++) this.answer();
  }
  /** The painting as the kernel holds it after all messages. */
  heard(): number[][] {
    let n = N;
    let kept = new Float32Array(F * N);
    for (const { type, start, n_frames, values } of this.sent) {
      if (type !== "paint") continue;
      const count = values.length / F;
      if (n_frames !== n) [n, kept] = [n_frames, new Float32Array(F * n_frames)];
      for (let f = 0; f < F; f++) kept.set(values.subarray(f * count, (f + 1) * count), f * n + start);
    }
    return Array.from({ length: F }, (_, f) => [...kept.subarray(f * n, (f + 1) * n)]);
  }
}

let page: Page;
const press = (...keys: string[]) => {
  for (const name of keys) key(page.cell, name);
  vi.advanceTimersByTime(200);
};
const drag = (from: readonly [number, number], to: readonly [number, number], more = {}) => {
  pointer(page.stage, "pointerdown", ...from, more);
  pointer(page.stage, "pointermove", ...to, more);
  pointer(page.stage, "pointerup", ...to, more);
  page.answerAll();
  vi.advanceTimersByTime(200);
};
const loudFrames = (row: number[], level = 60) =>
  row.flatMap((v, t) => (Math.abs(v - level) < 1e-3 ? [t] : []));
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

onEveryPage();
afterEach(() => {
  page.stop();
  page.el.remove();
});

it("shows the time cursor of the bench", () => {
  page = new Page();
  const line = page.find(".db-time-cursor");
  expect(line.hidden).toBe(true);
  page.cursor.at(20);
  vi.advanceTimersByTime(40);
  expect([line.hidden, line.style.left]).toEqual([false, "205px"]);
  page.cursor.at(N);
  vi.advanceTimersByTime(40);
  expect(line.hidden).toBe(true);
  page.stop();
  expect(page.cursor.moved.size).toBe(0);
});

describe("pointer and keys", () => {
  it("paints from frame to frame without a gap, and the kernel gets one message at a time", () => {
    page = new Page();
    pointer(page.stage, "pointerdown", ...at(5, 1));
    expect(page.sent.map(({ type, settled }) => [type, settled])).toEqual([["paint", false]]);
    pointer(page.stage, "pointermove", ...at(15, 1));
    pointer(page.stage, "pointermove", ...at(25, 1));
    vi.advanceTimersByTime(1000);
    expect(page.sent.length).toBe(1);
    page.answer();
    expect(page.sent.length).toBe(2);
    expect(page.last.settled).toBe(false);
    pointer(page.stage, "pointerup", ...at(25, 1));
    page.answer();
    expect(page.sent.map(({ settled }) => settled)).toEqual([false, false, true]);
    expect(loudFrames(page.heard()[1])).toEqual(range(5, 25));
    page.answer();
    vi.advanceTimersByTime(9000);
    expect(page.sent.length).toBe(3);
  });

  it("draws a straight line with Shift, whatever way it took", () => {
    page = new Page();
    pointer(page.stage, "pointerdown", ...at(5, 0), { shiftKey: true });
    pointer(page.stage, "pointermove", ...at(20, 3), { shiftKey: true });
    pointer(page.stage, "pointermove", ...at(25, 0), { shiftKey: true });
    pointer(page.stage, "pointerup", ...at(25, 0));
    page.answerAll();
    expect(loudFrames(page.heard()[0])).toEqual(range(5, 25));
    expect(Math.max(...page.heard()[2])).toBe(0);
  });

  it("fills a rectangle with noise and erases in it", () => {
    page = new Page();
    page.button("Noise").click();
    drag(at(30, 2), at(10, 1));
    const rows = page.heard();
    expect(rows.map((row) => row.filter((v) => v > 0).length)).toEqual([0, 21, 21, 0]);
    page.button("Eraser").click();
    page.type("brush (bands)", "1");
    drag(at(10, 1), at(30, 1));
    expect(Math.max(...page.heard()[1].slice(10, 31))).toBe(0);
    expect(page.heard()[2]).toEqual(rows[2]);
  });

  it("cancels a stroke with Escape", () => {
    page = new Page();
    pointer(page.stage, "pointerdown", ...at(5, 1));
    pointer(page.stage, "pointermove", ...at(25, 1));
    press("Escape");
    page.answerAll();
    expect(
      page
        .heard()
        .flat()
        .every((v) => v === 0),
    ).toBe(true);
    expect(page.button("Undo (Ctrl+Z)").disabled).toBe(true);
  });

  it("begins nothing beside the plot or with another button", () => {
    page = new Page();
    pointer(page.stage, "pointerdown", 10, 100);
    pointer(page.stage, "pointerdown", ...at(5, 1), { button: 2 });
    expect(page.sent).toEqual([]);
  });
});

describe("keys", () => {
  it("move the cell, with Shift farther, and announce where it is", () => {
    page = new Page();
    expect(page.cell.getAttribute("role")).toBe("slider");
    expect(page.valueText()).toBe("4.0 kHz, 0.00 s: 0 dB");
    press("ArrowRight", "ArrowDown");
    expect(page.valueText()).toBe("2.0 kHz, 0.01 s: 0 dB");
    key(page.cell, "ArrowRight", { shiftKey: true });
    key(page.cell, "ArrowUp", { shiftKey: true });
    vi.advanceTimersByTime(200);
    expect(page.valueText()).toBe("8.0 kHz, 0.11 s: 0 dB");
    expect(page.cell.getAttribute("aria-valuenow")).toBe("8000");
  });

  it("paint a dab, erase it, undo and redo", () => {
    page = new Page();
    press(" ");
    expect(page.valueText()).toBe("4.0 kHz, 0.00 s: 60 dB");
    page.answerAll();
    press("Delete");
    expect(page.valueText()).toBe("4.0 kHz, 0.00 s: 0 dB");
    page.answerAll();
    key(page.cell, "z", { ctrlKey: true });
    vi.advanceTimersByTime(200);
    expect(page.valueText()).toBe("4.0 kHz, 0.00 s: 60 dB");
    key(page.cell, "z", { ctrlKey: true });
    key(page.cell, "Z", { ctrlKey: true, shiftKey: true });
    page.answerAll();
    expect(page.heard()[2][0]).toBe(60);
    expect(page.sent.filter(({ settled }) => !settled)).toEqual([]);
  });

  it("paint a sweep from one cell to another", () => {
    page = new Page();
    page.button("Sweep").click();
    press("Enter", "ArrowRight", "ArrowRight", "ArrowUp");
    expect(page.valueText()).toBe("8.0 kHz, 0.02 s: 0 dB, from 4.0 kHz, 0.00 s: 0 dB");
    expect(page.sent).toEqual([]);
    press("Enter");
    page.answerAll();
    const [, , low, high] = page.heard();
    expect([low[0], high[2]]).toEqual([60, 60]);
    expect(page.valueText()).toBe("8.0 kHz, 0.02 s: 60 dB");
  });

  it("change level and brush within their ends", () => {
    page = new Page();
    press("+", "+", "]");
    expect([page.field("level (dB)").value, page.field("brush (bands)").value]).toEqual(["62", "2.5"]);
    page.type("level (dB)", "900");
    page.type("brush (bands)", "-3");
    expect([page.field("level (dB)").value, page.field("brush (bands)").value]).toEqual(["80", "1"]);
    page.type("level (dB)", "");
    expect(page.field("level (dB)").value).toBe("80");
  });
});

describe("the whole painting", () => {
  it("gets another length, is cleared, and comes back", () => {
    page = new Page();
    press(" ");
    page.answerAll();
    page.type("length (s)", "0.5");
    expect([page.last.n_frames, page.last.start, page.last.values.length]).toEqual([50, 0, F * 50]);
    page.answerAll();
    expect(page.heard()[2].length).toBe(50);
    page.type("length (s)", "99");
    expect(page.field("length (s)").value).toBe("1");
    page.answerAll();
    page.button("Clear").click();
    page.answerAll();
    expect(
      page
        .heard()
        .flat()
        .some((v) => v > 0),
    ).toBe(false);
    for (let i = 0; i < 3; i++) {
      page.button("Undo (Ctrl+Z)").click();
      page.answerAll();
    }
    expect(page.heard()[2].length).toBe(N);
    expect(page.heard()[2][0]).toBe(60);
  });

  it("begins with the sound that was played, and that can be undone", async () => {
    page = new Page();
    press(" ");
    page.answerAll();
    page.button("Copy sound").click();
    expect(page.last.type).toBe("copy");
    page.model.message({ type: "cells" }, [bytes(new Float32Array(F * 60).fill(33))]);
    await settle();
    expect(page.field("length (s)").value).toBe("0.6");
    page.button("Undo (Ctrl+Z)").click();
    expect([page.last.n_frames, page.last.values[2 * N]]).toEqual([N, 60]);
  });

  it("follows what another view has painted, but not during a stroke", () => {
    page = new Page();
    page.model.message({ type: "painted", client: "other", seq: 3, settled: true });
    expect(page.last.type).toBe("ready");
    const cells = bytes(new Float32Array(F * N).fill(20));
    pointer(page.stage, "pointerdown", ...at(5, 1));
    page.model.message({ type: "cells" }, [cells]);
    pointer(page.stage, "pointerup", ...at(5, 1));
    page.answerAll();
    expect(page.heard()[3][30]).toBe(0);
    page.model.message({ type: "cells" }, [cells]);
    vi.advanceTimersByTime(200);
    expect(page.valueText()).toContain(": 20 dB");
    expect(page.button("Undo (Ctrl+Z)").disabled).toBe(true);
  });
});

it("an error is shown as text, and the kernel's painting comes back", () => {
  page = new Page();
  press(" ");
  page.answer({ type: "error", text: "values must lie in [0, 80] <b>dB</b>" });
  const line = page.find(".db-message");
  expect(line.textContent).toBe("values must lie in [0, 80] <b>dB</b>");
  expect(line.classList.contains("db-error")).toBe(true);
  expect(page.last.type).toBe("ready");
  press("Delete");
  page.answerAll();
  expect(line.textContent).toBe("");
});

it("every control has a label, with its unit", () => {
  page = new Page();
  for (const label of ["level (dB)", "brush (bands)", "length (s)"]) expect(page.field(label)).toBeTruthy();
  for (const button of page.el.querySelectorAll("button")) {
    expect(button.getAttribute("aria-label") || button.textContent).toBeTruthy();
  }
});

it("a view that goes away ends its stroke and listens no more", () => {
  page = new Page();
  pointer(page.stage, "pointerdown", ...at(5, 1));
  pointer(page.stage, "pointermove", ...at(9, 1));
  page.stop();
  expect(page.last.settled).toBe(true);
  expect(page.model.listeners()).toBe(0);
  expect(page.el.children.length).toBe(0);
});
