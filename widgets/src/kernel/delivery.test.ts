// @vitest-environment happy-dom

import { expect, it, vi } from "vitest";
import gallery from "../entry/gallery";
import sounds from "../entry/sounds";
import { TABLE_COLUMNS } from "../gallery/data";
import { StaticModel } from "../offline/static-model";
import { bytes, INFO } from "../testing/bench.fixture";
import { frame, handle, key, mount, onEveryPage, open, pointer } from "../testing/mount.fixture";
import { delivering, LOST } from "./delivery";

onEveryPage();

const gone = () => {
  throw new Error("Cannot send");
};
/** What a view shows below, after its kernel has gone. */
const messageOf = (el: Element) => el.querySelector(".db-message")?.textContent;
function lost(model: StaticModel): StaticModel {
  model.send = gone;
  model.save_changes = gone;
  return model;
}

it("a model whose kernel is gone does not throw, and says so each time", () => {
  const onLost = vi.fn();
  const model = delivering(lost(new StaticModel({ neuron: 1 })), onLost);
  model.send({ type: "undo" });
  model.set("neuron", 2);
  model.save_changes();
  expect([model.get("neuron"), onLost.mock.calls.length]).toEqual([2, 2]);
});

it("a drag of a bench whose kernel is gone moves nothing, says why, and the view still closes", () => {
  const { fixture, root, stop } = mount();
  lost(fixture.model);
  const before = handle(root, 0).style.transform;
  pointer(handle(root, 0), "pointerdown", 214, 207);
  pointer(handle(root, 0), "pointermove", 254, 169);
  frame();
  expect(handle(root, 0).style.transform).toBe(before);
  pointer(handle(root, 0), "pointerup", 254, 169);
  expect(messageOf(root)).toBe(LOST);
  // What else sends: keys, buttons, choices, and the repetition of what was not answered.
  key(root, "z", { ctrlKey: true });
  for (const button of root.querySelectorAll<HTMLElement>("button:not([disabled],[hidden])")) button.click();
  vi.advanceTimersByTime(10_000);
  expect(messageOf(root)).toBe(LOST);
  stop();
  open.pop();
  expect(fixture.model.listeners()).toBe(0);
});

it.each(["paint", "file"])("a view of one's own sound says that its kernel is gone: %s", async (view) => {
  const info = { n_bands: 4, dt_ms: 10, unit: "dB", low: 0, high: 80, loud: 60, max_frames: 100 };
  const el = document.createElement("div");
  document.body.append(el);
  const model = new StaticModel({
    view,
    info: { ...info, title: "WAV", accept: ".wav", max_bytes: 10 },
    cf_hz: bytes([1000, 2000, 4000, 8000]),
    cells: bytes(new Float32Array(160)),
    error: "",
  });
  const stop = sounds.render({ model: lost(model), el });
  if (view === "paint") {
    const stage = el.querySelector(".db-stage") as HTMLElement;
    pointer(stage, "pointerdown", 100, 100);
    pointer(stage, "pointermove", 150, 100);
    pointer(stage, "pointerup", 150, 100);
  } else {
    const input = el.querySelector("input") as HTMLInputElement;
    Object.defineProperty(input, "files", { value: [new File(["0"], "a.wav")] });
    input.dispatchEvent(new Event("change"));
  }
  await vi.waitFor(() => expect(messageOf(el)).toBe(LOST));
  stop();
  el.remove();
  expect(model.listeners()).toBe(0);
});

it("the gallery says that its kernel is gone, and still chooses", () => {
  const el = document.createElement("div");
  document.body.append(el);
  const N = 3;
  const model = new StaticModel({
    view: "gallery",
    info: { ...INFO, has_scores: true, has_other: false, kernels_given: false },
    table: bytes(Array.from({ length: TABLE_COLUMNS.length * N }, (_, i) => i)),
    kernels: new DataView(new Int8Array(N * 2 * 4 * 5).buffer),
    names: ["a", "b", "c"],
    cf_hz: bytes([1000, 2000, 4000, 8000]),
    ...{ selected: 0, channel: null, columns: 0, sort: "index", descending: false, search: "", ranges: {} },
    ...{ trained: false, with_gain: false, error: "" },
  });
  const stop = gallery.render({ model: lost(model), el });
  expect(messageOf(el)).toBe(LOST);
  key(el.querySelector("[role=listbox]") ?? el, "ArrowRight");
  expect(messageOf(el)).toBe(LOST);
  stop();
  el.remove();
});

it("what cannot be edited, and why, stands below the bench's header", () => {
  const note = (root: Element) => root.querySelector<HTMLElement>(".db-restrictions") as HTMLElement;
  const restrictions = "LinearNonlinear: strf.weight cannot be edited, as <b> is computed from other tensors";
  const reduced = note(mount({}, { restrictions }).root);
  expect([reduced.textContent, reduced.hidden]).toEqual([restrictions, false]);
  expect(note(mount().root).hidden).toBe(true);
});

it("restrictions follow the model", async () => {
  const { fixture, root } = mount();
  fixture.model.set("info", { ...INFO, restrictions: "nothing of it can be edited" });
  await Promise.resolve();
  frame();
  expect(root.querySelector(".db-restrictions")?.textContent).toBe("nothing of it can be edited");
});
