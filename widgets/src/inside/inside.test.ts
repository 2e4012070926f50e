// @vitest-environment happy-dom

import { expect, it, vi } from "vitest";
import entry from "../entry/inside";
import { fakeAround } from "../testing/around.fixture";
import { bytes } from "../testing/bench.fixture";
import { key, onEveryPage, pointer } from "../testing/mount.fixture";

onEveryPage();

const INFO = {
  ...{ dt_ms: 5, delay_ms: 0, stimulus_unit: "dB", rate_unit: "spikes/bin" },
  neuron_names: ["a", "b", "<img>"],
};

/** The panel beside a bench whose time cursor a test moves. */
function page(given: Record<string, unknown> = {}) {
  const values: Record<string, unknown> = {
    ...{ info: INFO, cf_hz: bytes([500, 1000]), stamp: "1/0/0", neuron: 0, busy: "", error: "" },
    ...given,
  };
  const callbacks = new Map<string, Set<(...args: unknown[]) => void>>();
  const sent: Record<string, unknown>[] = [];
  const emit = (event: string, ...args: unknown[]) => {
    for (const callback of [...(callbacks.get(event) ?? [])]) callback(...args);
  };
  const model = {
    get: (name: string) => values[name],
    set: (name: string, value: unknown) => {
      values[name] = value;
      emit(`change:${name}`);
    },
    on: (event: string, callback: never) =>
      callbacks.set(event, (callbacks.get(event) ?? new Set()).add(callback)),
    off: (event: string, callback: never) => callbacks.get(event)?.delete(callback),
    save_changes: () => {},
    send: (content: unknown) => sent.push(content as Record<string, unknown>),
  };
  const { around, at, moved } = fakeAround([1, 4, 2]);
  const el = document.createElement("div");
  document.body.append(el);
  const stop = entry.render({ model: model as never, el, around });
  const tell = (content: object, ...buffers: DataView[]) => emit("msg:custom", content, buffers);
  const answer = (of: number) =>
    tell({ type: "moment", frame: of, stamp: values.stamp, text: "", shape: [2, 1] }, bytes([1, -2]));
  return { el, model, sent, stop, at, tell, answer, callbacks, moved, text: () => el.textContent ?? "" };
}

it("labels the ends of a row of switches", () => {
  const named = {
    name: "bands",
    label: "bands",
    meaning: "",
    labels: ["0.5 kHz", "1 kHz", "2 kHz"],
    on: "111",
  };
  const counted = { name: "units", label: "units", meaning: "", labels: [], on: "11111" };
  const { el } = page({ parts: [named, counted] });
  const ends = [...el.querySelectorAll(".db-switch-ends")].map((row) =>
    [...row.children].map((end) => end.textContent),
  );
  expect(ends).toEqual([
    ["0.5 kHz", "2 kHz"],
    ["1", "5"],
  ]);
});

it("without a cursor the moment of the highest response is shown, and it is called a gradient with its unit", () => {
  const { sent, answer, text } = page();
  expect(sent).toEqual([{ type: "moment", frame: 1 }]);
  answer(1);
  expect(text()).toContain("in spikes/bin per dB. A gradient, not a weight");
});

it("one question is under way at a time, and the newest moment takes the place of those that waited", () => {
  const { sent, at, answer } = page();
  at(0);
  at(2);
  at(0);
  expect(sent.length).toBe(1);
  answer(1);
  expect(sent.slice(1)).toEqual([{ type: "moment", frame: 0 }]);
  answer(0);
  expect(sent.length).toBe(2);
});

it("the field stays where the cursor was when the pointer leaves", () => {
  const { sent, at, answer } = page();
  answer(1);
  at(2);
  answer(2);
  at(null);
  expect(sent.at(-1)).toEqual({ type: "moment", frame: 2 });
});

it("a question whose answer is lost does not end the panel", () => {
  const { sent, at } = page();
  vi.advanceTimersByTime(6000);
  at(2);
  expect(sent.at(-1)).toEqual({ type: "moment", frame: 2 });
});

it("another state of the model is asked for anew, and what was found before is marked as old", () => {
  const { el, sent, model, answer, tell } = page();
  answer(1);
  tell({ type: "subspace", stamp: "1/0/0", shape: [2, 1], shares: [0.97], moments: 9 }, bytes([1, 0]));
  const part = el.querySelector("[aria-label='The filters behind all moments']")!;
  expect(part.hasAttribute("data-old")).toBe(false);
  model.set("stamp", "2/0/0");
  expect(part.hasAttribute("data-old")).toBe(true);
  expect(sent.at(-1)).toEqual({ type: "moment", frame: 1 });
});

it("a search that ends without an answer is not said to go on, and nothing empty stands for what was not found", () => {
  const { el, model } = page();
  const part = el.querySelector<HTMLElement>("[aria-label='The filters behind all moments']")!;
  const caption = part.querySelector(".db-inside-text")!;
  const before = caption.textContent;
  part.querySelector("button")!.click();
  expect(caption.textContent).toContain("Looking at 1,000 moments");
  model.set("busy", "subspace");
  expect(caption.textContent).toContain("Looking at 1,000 moments");
  const stage = el.querySelector<HTMLElement>("[aria-label='The sound that this neuron wants'] .db-stage")!;
  expect(stage.hidden).toBe(true);
  model.set("busy", "wanted");
  expect(caption.textContent).toBe(before);
  expect(stage.hidden).toBe(false);
});

it("says how many filters hold the fields, and rebuilds from as many as the slider says", () => {
  const { el, sent, tell, text } = page();
  const shares = [0.9, 0.04, 0.03, 0.01];
  const [edges, cells] = [
    [
      [-1, 1],
      [-2, 2],
    ],
    2,
  ];
  const found = { type: "subspace", stamp: "1/0/0", shape: [2, 1], shares, moments: 50, edges, cells };
  tell(found, bytes([1, 0, 0, 1, 1, 1, 1, 1]), bytes([0, 1, 2, Number.NaN]));
  expect(text()).toContain("3 filters have 95 % of the power of the fields at 50 moments (Meyer et al. 2017");
  expect(sent.at(-1)).toEqual({ type: "rebuild", k: 3 });
  const rebuilt = { type: "rebuilt", k: 3, r: 0.7, r_used: 0.99, bins: 8, r_recorded: 0.4, r_model: 0.5 };
  tell({ ...rebuilt, k: 2 });
  expect(text()).not.toContain("r = 0.70");
  tell(rebuilt);
  expect(text()).toContain("r = 0.70 with the model on 8 bins that nothing was made from");
  expect(text()).toContain("More filters, or more sound like this, would do better");
  const slider = el.querySelector<HTMLInputElement>("input[type=range]")!;
  slider.value = "4";
  slider.dispatchEvent(new Event("change"));
  expect(sent.at(-1)).toEqual({ type: "rebuild", k: 4 });
});

it("the wanted sound is asked for against another neuron, drawn as it forms, and put on the bench", () => {
  const { el, sent, model, tell, text } = page();
  const click = (name: string) =>
    [...el.querySelectorAll("button")].find(({ textContent }) => textContent === name)!.click();
  const against = el.querySelector("select")!;
  expect([...against.options].map(({ text }) => text)).toEqual([
    "for its response",
    "more than neuron 2 b",
    "more than neuron 3 <img>",
  ]);
  against.value = "2";
  click("Find it");
  expect(sent.at(-1)).toEqual({ type: "wanted", against: 2, rms: 2 });
  model.set("busy", "wanted");
  const step = {
    type: "wanted",
    stamp: "1/0/0",
    shape: [2, 1],
    step: 4,
    steps: 150,
    response: 3,
    silence: 1,
  };
  tell({ ...step, rms: 2, against: 2, done: false, note: "" }, bytes([1, 5]));
  expect(text()).toContain("response above that of neuron 3 at its end 3.00 spikes/bin");
  expect(text()).toContain("step 4 of 150");
  click("Stop");
  expect(sent.at(-1)).toEqual({ type: "cancel" });
  tell({ ...step, rms: 2, against: 2, done: true, note: "so it is" }, bytes([1, 5]));
  model.set("busy", "");
  expect(text()).toContain("Note: so it is.");
  click("Put on the bench");
  expect(sent.at(-1)).toEqual({ type: "hear" });
});

it("a drag over parts switches them as the first one was, in one gesture, and a key does the same", () => {
  const parts = [
    { name: "channels", label: "channels", meaning: "", labels: ["ON", "OFF"], on: "10" },
    { name: "units", label: "units", meaning: "", labels: [], on: "1111" },
  ];
  const { el, sent, model } = page({ parts });
  const cells = (name: string) => [...el.querySelectorAll<HTMLElement>(`[data-name=${name}] [data-part]`)];
  expect(cells("channels").map((cell) => [cell.textContent, cell.getAttribute("aria-checked")])).toEqual([
    ["ON", "true"],
    ["OFF", "false"],
  ]);
  expect(el.querySelector("[data-name=channels] output")!.textContent).toBe("1 of 2 off");
  const units = cells("units");
  const before = sent.length;
  pointer(units[1], "pointerdown", 0, 0);
  pointer(units[2], "pointerover", 0, 0);
  pointer(cells("channels")[0], "pointerover", 0, 0);
  pointer(units[2], "pointerover", 0, 0);
  window.dispatchEvent(new Event("pointerup"));
  pointer(units[3], "pointerover", 0, 0);
  const { gesture } = sent[before] as { gesture: string };
  const one = { type: "switch", name: "units", on: false, gesture };
  expect(sent.slice(before)).toEqual([
    { ...one, part: 1 },
    { ...one, part: 2 },
    { ...one, part: null },
  ]);
  model.set("parts", [parts[0], { ...parts[1], on: "1001" }]);
  key(units[1], " ");
  const again = sent.slice(-2) as { on: boolean; part: number | null; gesture: string }[];
  expect(again.map(({ on, part }) => [on, part])).toEqual([
    [true, 1],
    [true, null],
  ]);
  expect(again[0].gesture).not.toBe(gesture);
  key(units[1], "ArrowRight");
  expect(units.map(({ tabIndex }) => tabIndex).filter((index) => index === 0).length).toBeGreaterThan(0);
  expect(document.activeElement).toBe(units[2]);
});

it("goes without a trace", () => {
  const { el, stop, callbacks, moved } = page();
  stop();
  expect(el.children.length).toBe(0);
  expect([...callbacks.values()].every((set) => set.size === 0)).toBe(true);
  expect(moved.size).toBe(0);
});
