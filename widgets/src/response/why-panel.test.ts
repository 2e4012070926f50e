// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { number } from "../base/format";
import bench from "../entry/bench";
import type { ExplainRequest } from "../kernel/contract";
import { SavedPageModel } from "../offline/saved-page";
import { bytes, type Fixture } from "../testing/bench.fixture";
import { frame, handle, key, mount, onEveryPage, open, pointer, settle } from "../testing/mount.fixture";
import { savedPage, vector } from "../testing/offline.fixture";

onEveryPage();

/** A page without a kernel, of the model of the vectors. */
function page(change: (saved: ReturnType<typeof savedPage>) => void = () => {}) {
  const saved = savedPage([vector.gaussians[4], 0.5]);
  change(saved);
  const model = new SavedPageModel(saved);
  const el = document.createElement("div");
  document.body.append(el);
  const stop = bench.render({ model, el });
  const root = el.querySelector<HTMLElement>(".deepstrf-bench")!;
  open.push({ fixture: { model } as unknown as Fixture, el, root, stop });
  frame();
  return { model, root, frames: saved.info.n_frames };
}
const stageOf = (root: HTMLElement) => root.querySelector<HTMLElement>(".db-time-stage")!;
const pin = (root: HTMLElement) => root.querySelector<HTMLElement>(".db-moment");
const why = (root: HTMLElement) => root.querySelector<HTMLElement>(".db-why")!;
const sum = (root: HTMLElement) => root.querySelector<HTMLElement>(".db-why-sum")!.textContent!;
/** The plot is 400 pixels wide from 54 on. */
const placeOf = (bin: number, frames: number) => 54 + (400 * (bin + 0.5)) / frames;
function click(root: HTMLElement, bin: number, frames: number) {
  const [x, y] = [placeOf(bin, frames), 200];
  pointer(stageOf(root), "pointerdown", x, y);
  pointer(stageOf(root), "pointerup", x, y);
  stageOf(root).dispatchEvent(new MouseEvent("click", { clientX: x, clientY: y, bubbles: true }));
  frame();
}
const asked = (fixture: Fixture) => fixture.requests.filter((r): r is ExplainRequest => r.type === "explain");

describe("why the response is high here", () => {
  it("is said in numbers of the moment that a click pins: Python's drive and rate", () => {
    const { root, frames, model } = page();
    expect(why(root).hidden).toBe(true);
    for (const bin of [0, 3, 5, frames - 1]) {
      click(root, bin, frames);
      expect(why(root).hidden).toBe(false);
      expect(sum(root)).toContain(`= drive ${number(vector.drive[bin])}`);
      expect(sum(root)).toContain(`→ rate ${number(vector.rate[bin])}`);
      expect(sum(root)).toContain("batch norm");
      expect(sum(root)).toMatch(/^ON .* \+ OFF .* \+ bias /);
      expect(sum(root).includes("nothing recorded")).toBe(bin === 3);
    }
    expect(model.get("lanes")).toEqual(["why"]);
    expect(why(root).querySelectorAll("canvas")).toHaveLength(4);
  });

  it("follows the pointer, and returns to the pinned moment", () => {
    const { root, frames } = page();
    click(root, 4, frames);
    const pinned = sum(root);
    pointer(stageOf(root), "pointermove", placeOf(9, frames), 200);
    frame();
    expect(sum(root)).toContain(`= drive ${number(vector.drive[9])}`);
    pointer(stageOf(root), "pointerleave", 0, 0);
    frame();
    expect(sum(root)).toBe(pinned);
    click(root, 4, frames);
    pointer(stageOf(root), "pointerleave", 0, 0);
    frame();
    expect(pin(root)).toBeNull();
    expect(sum(root)).toContain("Point at the response");
  });

  it("has keys: Enter pins, arrows move, Escape lets go", () => {
    const { root, frames } = page();
    stageOf(root).focus();
    key(stageOf(root), "Enter");
    frame();
    const slider = pin(root)!;
    expect(document.activeElement).toBe(slider);
    const middle = Number(slider.getAttribute("aria-valuenow"));
    key(slider, "ArrowRight");
    frame();
    expect(slider.getAttribute("aria-valuenow")).toBe(String(middle + 1));
    expect(sum(root)).toContain(`= drive ${number(vector.drive[middle + 1])}`);
    key(slider, "ArrowLeft", { shiftKey: true });
    key(slider, "Home");
    frame();
    expect(slider.getAttribute("aria-valuenow")).toBe("0");
    expect(slider.getAttribute("aria-valuetext")).toContain("rate");
    key(slider, "End");
    key(slider, "ArrowRight");
    frame();
    expect(slider.getAttribute("aria-valuenow")).toBe(String(frames - 1));
    key(slider, "Escape");
    frame();
    expect(pin(root)).toBeNull();
    expect(document.activeElement).toBe(stageOf(root));
  });

  it("follows an edit while it is made", () => {
    const { root, frames } = page();
    click(root, 8, frames);
    const before = sum(root);
    key(handle(root, 0), "+");
    frame();
    expect(sum(root)).not.toBe(before);
    expect(sum(root)).not.toContain(`= drive ${number(vector.drive[8])}`);
  });

  it("is not what a pan leaves behind", () => {
    const { root, frames } = page();
    pointer(stageOf(root), "pointerdown", 100, 200);
    pointer(stageOf(root), "pointerup", 160, 200);
    const end = new MouseEvent("click", { clientX: 160, clientY: 200, bubbles: true });
    stageOf(root).dispatchEvent(end);
    frame();
    expect([pin(root), why(root).hidden, frames > 0]).toEqual([null, true, true]);
  });

  it("is a matter of the kernel where the browser cannot compute the model; one without a kernel says so", async () => {
    const { root, frames } = page(({ info }) => {
      info.local = false;
    });
    click(root, 4, frames);
    await settle();
    await settle();
    expect(sum(root)).toContain("Only a kernel could tell");
  });
});

describe("the kernel's explanation", () => {
  const answer = (fixture: Fixture, over: object = {}) => {
    const { client, seq, frame: bin } = asked(fixture).at(-1)!;
    const found = {
      ...{ type: "explanation", client, seq, text: "", neuron: 0, frame: bin, shape: [1, 4, 5] },
      ...{ channel_names: ["input"], sums: [2], bias: 0.5, gain: 2, offset: -1, drive: 4, rate: 7 },
      ...{ is_gradient: false, ...over },
    };
    fixture.model.message(found, [bytes(new Float32Array(20)), bytes(new Float32Array(20))]);
    frame();
  };

  it("is asked for once, and again for what is wanted when it comes", () => {
    const { root, fixture } = mount();
    click(root, 2, 12);
    for (const bin of [5, 6, 7]) {
      pointer(stageOf(root), "pointermove", placeOf(bin, 12), 200);
      frame();
    }
    expect(asked(fixture).map((r) => r.frame)).toEqual([2]);
    answer(fixture);
    expect(asked(fixture).map((r) => r.frame)).toEqual([2, 7]);
    answer(fixture);
    frame();
    expect(asked(fixture)).toHaveLength(2);
    expect(sum(root)).toContain(
      "input 2.00 + bias 0.500 = 2.50, × gain 2.00 + shift −1.00 (batch norm) = drive 4.00",
    );
  });

  it("follows the kernel's answers during a drag", () => {
    const { root, fixture } = mount();
    click(root, 2, 12);
    answer(fixture);
    key(handle(root, 0), "+");
    const edit = fixture.requests.find((r) => r.type === "edit")!;
    fixture.answer({ seq: edit.seq, client: edit.client }, { rate: new Array(12).fill(3) });
    frame();
    expect(asked(fixture)).toHaveLength(2);
    answer(fixture, { drive: 9 });
    expect(sum(root)).toContain("drive 9.00");
  });

  it("says why there is none, and calls a gradient by its name", () => {
    const { root, fixture } = mount();
    click(root, 2, 12);
    answer(fixture, { text: "StateNet is recurrent" });
    expect(sum(root)).toBe("StateNet is recurrent");
    click(root, 3, 12);
    answer(fixture, { is_gradient: true, gain: 1, offset: 0, drive: 7 });
    expect(sum(root)).toContain("rest 0.500");
    expect(sum(root)).not.toContain("drive");
    expect(why(root).textContent).toContain("× gradient");
  });

  it("of an older question is not shown", () => {
    const { root, fixture } = mount();
    click(root, 2, 12);
    const { client } = asked(fixture)[0];
    fixture.model.message({ type: "explanation", client, seq: 99, text: "another" }, []);
    fixture.model.message({ type: "explanation", client: "other", seq: 1, text: "another" }, []);
    frame();
    expect(sum(root)).not.toContain("another");
  });
});
